"""Room multitrack: how songs are split into those to train on, validate on and test on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import ConfigError
from mixlab.multitrack.patterns import Patterns

SPLITS = ("train", "validation", "test")


def check_shares(validation_share: float, test_share: float, seed: int) -> None:
    """Check the arguments of a split by shares.

    Raises:
        ConfigError: naming the share or seed that cannot work.
    """
    for name, share in (("validation_share", validation_share), ("test_share", test_share)):
        if not 0.0 <= share < 1.0:
            raise ConfigError(f"dataset.{name} is {share}; set it to a share from 0 up to, but not, 1.")
    if validation_share + test_share >= 1.0:
        raise ConfigError(
            f"dataset.validation_share and dataset.test_share sum to {validation_share + test_share:g}; "
            "lower them, so that songs are left to train on."
        )
    if seed < 0:
        raise ConfigError(f"dataset.seed is {seed}; set it to 0 or more.")


def folder_patterns(node: Any) -> dict[str, Patterns] | None:
    """The patterns of each split's songs that ``dataset.splits`` gives, or None.

    Raises:
        ConfigError: naming the split that is none or missing.
    """
    if node is None:
        return None
    if not isinstance(node, Mapping) or "train" not in node:
        raise ConfigError(f"dataset.splits is {node!r}; set it to patterns of songs for train, validation and test.")
    for split in node:
        if split not in SPLITS:
            raise ConfigError(f"dataset.splits names the split {split!r}; the splits are {', '.join(SPLITS)}.")
    return {str(split): Patterns.of(f"dataset.splits.{split}", patterns) for split, patterns in node.items()}


def by_folder(song_ids: Sequence[str], patterns: Mapping[str, Patterns], root: Path) -> dict[str, str]:
    """The split of every song by its id; songs that no split names have none and are left out.

    Raises:
        ConfigError: if a split has no songs, or a song is in two.
    """
    splits: dict[str, str] = {}
    for split, wanted in patterns.items():
        found = [song_id for song_id in song_ids if wanted.match(song_id)]
        if not found:
            raise ConfigError(
                f"{root} holds no songs that match dataset.splits.{split} ({', '.join(wanted.patterns)}); correct the "
                "pattern, remove the split, or set dataset.splits to null to split by shares."
            )
        for song_id in found:
            if song_id in splits:
                raise ConfigError(
                    f"The song '{song_id}' matches dataset.splits.{splits[song_id]} and dataset.splits.{split}; narrow "
                    "one of their patterns."
                )
            splits[song_id] = split
    return splits


def by_song(song_ids: Sequence[str], shares: Mapping[str, float], seed: int, root: Path) -> dict[str, str]:
    """A split by a shuffle of the songs.

    Each share rounds to whole songs, but to one at least, and one song at least is left to train on.

    Args:
        song_ids: sorted.
        shares: of validation and test songs; 0 for no such split.
        seed: of the shuffle.
        root: for the message.

    Raises:
        ConfigError: if there are fewer songs than splits.
    """
    counts = _counts(len(song_ids), shares)
    if len(song_ids) < len(counts) + 1:
        raise ConfigError(
            f"{root} holds {len(song_ids)} song(s), and a split into training, {' and '.join(counts)} songs "
            f"needs {len(counts) + 1}; add songs or set {_to_zero(counts)}."
        )
    names = ["train"] * (len(song_ids) - sum(counts.values()))
    names += [split for split, count in counts.items() for _ in range(count)]
    order = np.random.default_rng(seed).permutation(len(song_ids))
    return {song_ids[index]: name for index, name in zip(order, names, strict=True)}


def by_artist(artists: Mapping[str, str], shares: Mapping[str, float], seed: int, root: Path) -> dict[str, str]:
    """A split by a shuffle of the artists: all songs of an artist are in one split.

    A split takes artists in the shuffled order as long as they fit into its share, the smallest one if none does, and
    one artist at least; the others are left to train on. So no share is exceeded but by a split's only artist.

    Args:
        artists: of every song, by song id.
        shares, seed, root: as in `by_song`.

    Raises:
        ConfigError: if there are fewer artists than splits.
    """
    songs: dict[str, list[str]] = defaultdict(list)
    for song_id, artist in sorted(artists.items()):
        songs[artist].append(song_id)
    counts = _counts(len(artists), shares)
    if len(songs) < len(counts) + 1:
        raise ConfigError(
            f"{root} holds songs of {len(songs)} artist(s), and a split into training, {' and '.join(counts)} songs "
            f"needs {len(counts) + 1}, since all songs of an artist go into one; add artists, set {_to_zero(counts)}, "
            "or set dataset.artist or dataset.metadata.artist to null to split by song."
        )
    names = sorted(songs)
    left = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    splits = dict.fromkeys(artists, "train")
    for position, (split, count) in enumerate(counts.items()):
        to_spare = len(left) - (len(counts) - position)
        for artist in _chosen(left, {name: len(songs[name]) for name in left}, count, to_spare):
            left.remove(artist)
            splits |= dict.fromkeys(songs[artist], split)
    return splits


def _counts(songs: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of the songs each split but training is to get: one at least, and fewer than all together."""
    counts = {split: max(1, round(share * songs)) for split, share in shares.items() if share > 0}
    while sum(counts.values()) >= songs > len(counts):
        counts[max(counts, key=lambda split: counts[split])] -= 1
    return counts


def _chosen(artists: Sequence[str], sizes: Mapping[str, int], count: int, most: int) -> list[str]:
    """Artists, in the order given, that have `count` songs together or a little fewer."""
    chosen: list[str] = []
    for artist in artists:
        if len(chosen) < most and sizes[artist] <= count:
            chosen.append(artist)
            count -= sizes[artist]
    return chosen or [min(artists, key=lambda artist: sizes[artist])]


def _to_zero(counts: Mapping[str, int]) -> str:
    return f"{' or '.join(f'dataset.{split}_share' for split in counts)} to 0"
