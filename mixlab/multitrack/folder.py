"""Room multitrack: any multitracks as a source, `dataset=folder` and its presets: a folder a song, files for stems."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixlab.audio.files import read_header
from mixlab.errors import ConfigError
from mixlab.multitrack.copies import without_copies
from mixlab.multitrack.listing import check_songs, song_folders, track_files
from mixlab.multitrack.metadata import ArtistPattern, Metadata, SongFacts, same_artist
from mixlab.multitrack.patterns import RoleRules
from mixlab.multitrack.song import STEMS, LoadedSong, SongEntry
from mixlab.multitrack.splits import by_artist, by_folder, by_song, check_shares, folder_patterns
from mixlab.multitrack.tracks import LENGTH_TOLERANCE_S, RoleSums, Track, check_tracks, delay_notes, with_sides
from mixlab.settings import FilePath

FOLDER_VERSION = 2
"""Part of a song's identity; raise it when other samples come from the same files."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderSong:
    """A song as its folder and metadata have it."""

    tracks: Sequence[Track] = ()
    artist: str | None = None
    genre: str | None = None
    licence: str | None = None
    notes: tuple[str, ...] = ()


class FolderSource:
    """Songs of a folder: each sub-folder a song (its path below the root is the id), each audio file in it a track.

    Tracks map to roles by the patterns of `stems`, or by the words in their names (``roles.yaml``: ``Kick In.wav`` is
    drums, ``12_LeadVox.flac`` vocals; files named as the mixture are left out). With patterns or labels from metadata,
    files in sub-folders are tracks too. Files of one role are summed at unity gain, equal ones once, and mono ones that
    are sides of one recording (``drums.L.wav``, ``drums.R.wav``) to their channel. Files of several rates are resampled
    to the song's highest, and shorter ones end in silence. A song without a stem is served with the others.

    Songs are split by `splits`, the official split of a data set; else by a shuffle with `seed`, of the artists where
    they are known and of the songs where not. Each share rounds to whole songs, but to one at least where it is above
    zero, and one song (artist) at least is left to train on. Fewer than that takes is an error, since a split without
    songs should be somebody's choice (a share of 0). Splits do not depend on the anchor.

    Args:
        root: the folder that holds the songs' folders.
        validation_share, test_share: of the songs; 0 for no such split. Not used with `splits`.
        seed: of the shuffle.
        songs: wildcards for the songs' folders below the root, one a level: ``*``, ``*/*``, ``train/*``.
        stems: patterns of tracks by role (`Patterns`), matched with a track's path below its song's folder, or with
            the label that the metadata give it; None for the words of ``roles.yaml``. Names other than the usual four
            are roles of the data set's own, in their order.
        ignore: patterns of tracks that are left out.
        metadata: where the data set's metadata are (`Metadata`), or None.
        artist: pattern of the song folder's name, such as ``{artist} - {title}``, or None.
        licence: of all songs, or None where it is unknown or in the metadata.
        splits: patterns of song ids by split; other songs are left out. None splits by shares.
        length_tolerance_s: by how much the tracks of a song may differ in length.
        mixes: whether the folders that `songs` finds are several people's mixes of one song, which is the folder above
            them. All mixes of a song go into one split, and what one of the mixers did is right (`Segment.spread_db`).

    Raises:
        ConfigError: naming the key that cannot work.
    """

    name = "folder"

    def __init__(
        self,
        root: FilePath,
        validation_share: float = 0.15,
        test_share: float = 0.25,
        seed: int = 0,
        songs: str = "*",
        stems: Mapping[str, Sequence[str]] | None = None,
        ignore: Sequence[str] = (),
        metadata: Mapping[str, str | None] | None = None,
        artist: str | None = None,
        licence: str | None = None,
        splits: Mapping[str, Sequence[str]] | None = None,
        length_tolerance_s: float = LENGTH_TOLERANCE_S,
        mixes: bool = False,
    ) -> None:
        check_shares(validation_share, test_share, seed)
        check_songs(songs)
        self.root = Path(root).expanduser()
        self.shares = {"validation": float(validation_share), "test": float(test_share)}
        self.seed, self.songs, self.licence = int(seed), songs, licence
        self.rules = RoleRules.of(stems, ignore)
        self.roles = STEMS if stems is None or set(stems) <= set(STEMS) else tuple(stems)
        self.metadata, self.artist = Metadata.of(metadata), ArtistPattern.of(artist)
        self.splits = folder_patterns(splits)
        self.length_tolerance_s, self.mixes = float(length_tolerance_s), bool(mixes)
        if self.mixes and "/" not in songs:
            raise ConfigError(
                f"dataset.mixes is true, but dataset.songs is {songs!r}, which has no folder above the mixes to be "
                "their song; set dataset.songs to a pattern such as '*/*', a folder a song and in it a folder a mix."
            )
        if licence is not None and (not isinstance(licence, str) or not licence.strip()):
            raise ConfigError(f"dataset.licence is {licence!r}; set it to the licence's name, or to null if unknown.")
        if not self.length_tolerance_s > 0.0:
            raise ConfigError(f"dataset.length_tolerance_s is {length_tolerance_s}; set it to seconds above 0.")
        if self.metadata is not None:
            for key, value in (("artist", artist), ("licence", licence)):
                if value is not None and getattr(self.metadata, key) is not None:
                    raise ConfigError(
                        f"dataset.{key} and dataset.metadata.{key} are both set; set one of them to null."
                    )

    def identity(self, entry: SongEntry) -> Mapping[str, Any]:
        """The role of each of the song's files, as JSON; neither their names nor the split, which are no audio."""
        roles = [role if side is None else f"{role}, side {side}" for _, role, side in entry.details["tracks"]]
        return {"source": "folder", "version": FOLDER_VERSION, "roles": roles}

    def files(self, entry: SongEntry) -> Sequence[Path]:
        """The song's files."""
        return [Path(path) for path, _, _ in entry.details["tracks"]]

    def entries(self) -> Sequence[SongEntry]:
        """All songs, sorted by id. Reads the header of every file and the songs' metadata.

        Of audio it reads what tells files of one role and length apart (`without_copies`).

        Raises:
            InputFileError: naming the folder or file, if there is no such folder, no song or stem in it, or a file
                that is broken, has no role or several, or another length than the rest.
            ConfigError: if there are fewer songs or artists than splits.
        """
        splits = self._splits(self._songs)
        return [
            SongEntry(
                song_id=song_id,
                split=splits[song_id],
                genre=song.genre,
                licence=song.licence,
                details={"tracks": [(str(track.path), track.role, track.side) for track in song.tracks]},
                notes=song.notes,
                work=self._work(song_id),
            )
            for song_id, song in self._songs.items()
        ]

    def load(self, entry: SongEntry) -> LoadedSong:
        """The sums of a song's files by role, at the highest rate among them; decoded when they are asked for.

        Raises:
            InputFileError: naming the file, if it cannot be read.
        """
        sums = RoleSums(
            [
                Track(Path(path), role, read_header(Path(path)), side=side)
                for path, role, side in entry.details["tracks"]
            ]
        )
        return LoadedSong(sums, sums.sample_rate, self.length_tolerance_s)

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """The folders of the songs, by id; of those alone that have a split."""
        folders = song_folders(self.root, self.songs)
        if self.splits is None:
            return folders
        chosen = by_folder(list(folders), self.splits, self.root)
        if len(chosen) < len(folders):
            log.info("%d of %d songs are in no split and left out", len(folders) - len(chosen), len(folders))
        return {song_id: folder for song_id, folder in folders.items() if song_id in chosen}

    @cached_property
    def _songs(self) -> dict[str, FolderSong]:
        """What the folders hold, by song id, sorted."""
        return {song_id: self._song(folder) for song_id, folder in self._folders.items()}

    def _song(self, folder: Path) -> FolderSong:
        labelled = self.metadata is not None and self.metadata.tracks is not None
        files = track_files(folder, self.rules.stems is not None or labelled, self.rules.ignore)
        facts = SongFacts() if self.metadata is None else self.metadata.read(folder, files, self.rules.ignore)
        roles = {path: self.rules.role(file, path, facts.labels.get(path)) for path, file in files.items()}
        tracks = with_sides(
            [Track(files[path], role, read_header(files[path])) for path, role in roles.items() if role is not None]
        )
        check_tracks(folder, tracks, self.length_tolerance_s)
        tracks, notes = without_copies(tracks)
        notes += [f"'{folder.name}': {note}" for note in delay_notes(tracks)]
        if facts.missing:
            notes += [f"{folder} lacks {', '.join(facts.missing)}, which its metadata list: it is served without."]
        artist = facts.artist if self.artist is None else self.artist.artist(folder.parent if self.mixes else folder)
        return FolderSong(tracks, artist, facts.genre, self.licence or facts.licence, tuple(notes))

    def _work(self, song_id: str) -> str:
        return song_id.rpartition("/")[0] if self.mixes else ""

    def _splits(self, songs: Mapping[str, FolderSong]) -> dict[str, str]:
        if self.splits is not None:
            return by_folder(list(songs), self.splits, self.root)
        artists = {song_id: same_artist(song.artist) for song_id, song in songs.items() if song.artist is not None}
        if self.mixes and not artists:
            works = sorted({self._work(song_id) for song_id in songs})
            split_of = by_song(works, self.shares, self.seed, self.root)
            return {song_id: split_of[self._work(song_id)] for song_id in songs}
        if artists:
            return by_artist(artists, self.shares, self.seed, self.root)
        return by_song(list(songs), self.shares, self.seed, self.root)
