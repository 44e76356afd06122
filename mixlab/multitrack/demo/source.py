"""Room multitrack: the demo songs as a source, `dataset=demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError
from mixlab.multitrack.demo.compose import compose
from mixlab.multitrack.demo.genres import data_digest, genre_named, genre_names
from mixlab.multitrack.demo.render import RENDERER_VERSION, render
from mixlab.multitrack.demo.score import Composition
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry

LICENCE = "CC0-1.0"
SPLITS = ("train", "validation", "test", "shifted")
PURPOSES = ("experiment", "listening")
"""What songs are for: ``listening`` are those that a describing base model is pre-trained on."""

SONGS_PER_SPLIT = 10**6
SEEDS_PER_PURPOSE = 10**6


def song_seeds(purpose: str, seed: int, split: str, songs: int) -> range:
    """The seeds of the songs of one split. Ranges of different (purpose, seed, split) never meet.

    Raises:
        ConfigError: if an argument is outside what keeps the ranges apart.
    """
    if purpose not in PURPOSES:
        raise ConfigError(f"purpose is {purpose!r}; set it to one of {', '.join(PURPOSES)}.")
    if split not in SPLITS:
        raise ConfigError(f"split is {split!r}; the demo songs have {', '.join(SPLITS)}.")
    if not 0 <= seed < SEEDS_PER_PURPOSE:
        raise ConfigError(f"seed is {seed}; set it to a whole number from 0 to {SEEDS_PER_PURPOSE - 1}.")
    if not 0 <= songs <= SONGS_PER_SPLIT:
        raise ConfigError(f"{split}_songs is {songs}; set it to a number from 0 to {SONGS_PER_SPLIT}.")
    block = (PURPOSES.index(purpose) * SEEDS_PER_PURPOSE + seed) * len(SPLITS) + SPLITS.index(split)
    first = block * SONGS_PER_SPLIT
    return range(first, first + songs)


class DemoSource:
    """Songs that mixlab composes and renders, from a seed and in any process alike.

    Args:
        train_songs, validation_songs, test_songs: songs in these splits, of the training genres in turn.
        shifted_songs: songs in the split ``shifted``: tempi and timbres that no training song has, and the held-out
            genre besides the others.
        duration_s: length of every song in seconds.
        sample_rate: in Hz.
        seed: chooses other songs; from 0 to 999999.
        sigma_db: standard deviation of a song's balance around its genre's, in LU, for each stem but the bass.
        genres: names of the genres to use; None for all.
        purpose: ``experiment`` or ``listening``; songs of one purpose never occur in the other.

    Raises:
        ConfigError: naming the argument that cannot work.
    """

    name = "demo"
    roles = STEMS

    def __init__(
        self,
        train_songs: int = 600,
        validation_songs: int = 48,
        test_songs: int = 300,
        shifted_songs: int = 100,
        duration_s: float = 20.0,
        sample_rate: int = 16000,
        seed: int = 0,
        sigma_db: float = 1.5,
        genres: Sequence[str] | None = None,
        purpose: str = "experiment",
    ) -> None:
        everything = genre_names() + genre_names(held_out=True)
        chosen = everything if genres is None else tuple(genre_named(name).name for name in genres)
        self._songs = dict(zip(SPLITS, (train_songs, validation_songs, test_songs, shifted_songs), strict=True))
        self._training_genres = tuple(name for name in chosen if not genre_named(name).held_out)
        self._genres = chosen
        if not self._training_genres:
            raise ConfigError(f"genres is {list(chosen)}; name at least one of {', '.join(genre_names())}.")
        if duration_s < 2.0:
            raise ConfigError(f"duration_s is {duration_s}; set it to 2 or more, so that every stem plays.")
        if sample_rate < 8000:
            raise ConfigError(f"sample_rate is {sample_rate}; set it to 8000 Hz or more.")
        if sigma_db < 0:
            raise ConfigError(f"sigma_db is {sigma_db}; set it to 0 or more.")
        self.duration_s = float(duration_s)
        self.sample_rate = int(sample_rate)
        self.seed = int(seed)
        self.sigma_db = float(sigma_db)
        self.purpose = purpose
        for split, songs in self._songs.items():
            song_seeds(purpose, seed, split, songs)

    def identity(self, entry: SongEntry) -> Mapping[str, Any]:
        """The renderer's version, a digest of genres and timbres, and what the song is composed from, as JSON."""
        return {
            "source": "demo",
            "renderer_version": RENDERER_VERSION,
            "data": data_digest(),
            "duration_s": self.duration_s,
            "sample_rate": self.sample_rate,
            "sigma_db": self.sigma_db,
            **entry.details,
        }

    def files(self, entry: SongEntry) -> Sequence[Path]:
        """None: the songs are rendered."""
        return ()

    def entries(self) -> Sequence[SongEntry]:
        """All songs, sorted by id. A song keeps its id, genre and seed when its split grows."""
        listed = []
        for split, songs in self._songs.items():
            genres = self._genres if split == "shifted" else self._training_genres
            for index, song_seed in enumerate(song_seeds(self.purpose, self.seed, split, songs)):
                genre = genres[index % len(genres)]
                listed.append(
                    SongEntry(
                        song_id=f"demo-{split}-{index:04d}",
                        split=split,
                        genre=genre,
                        licence=LICENCE,
                        details={"genre": genre, "seed": song_seed, "shifted": split == "shifted"},
                    )
                )
        return sorted(listed, key=lambda entry: entry.song_id)

    def composition(self, entry: SongEntry) -> Composition:
        """The score of a song: its notes, timbres and true balance."""
        details = entry.details
        return compose(details["seed"], details["genre"], details["shifted"], self.duration_s, self.sigma_db)

    def load(self, entry: SongEntry) -> LoadedSong:
        """Compose and render a song, at the source's sample rate."""
        return render(self.composition(entry), self.sample_rate)

    def balance_db(self, genre: str) -> dict[str, float]:
        """The true mean balance of a genre: integrated loudness of each stem relative to the bass, in LU.

        A song departs from it by a normal deviation of `sigma_db`, for each stem but the bass.

        Raises:
            ConfigError: if there is no such genre.
        """
        return dict(genre_named(genre).balance_db)
