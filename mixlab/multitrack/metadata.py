"""Room multitrack: what a data set's own metadata files say of a song: labels of its tracks, artist, genre, licence."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, InputFileError
from mixlab.multitrack.documents import read_document
from mixlab.multitrack.patterns import NO_PATTERNS, Patterns, plain, shown

MOST_TRACKS = 2000
"""A hostile file may list any number of tracks by reference to one; no song has more."""

MOST_TEXTS = 20
"""Of one track's value, for the same reason."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class SongFacts:
    """What metadata say of a song.

    Attributes:
        labels: what the tracks are called, by path below the song's folder; several where a track holds several
            instruments. Tracks that the metadata do not list are not in it.
        missing: what the metadata list and the folder lacks, as paths below it or wildcards.
    """

    artist: str | None = None
    genre: str | None = None
    licence: str | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metadata:
    """Where a data set keeps its metadata, ``dataset.metadata``.

    A place in a file is written as its keys with slashes; ``*`` stands for every entry of a list or mapping.

    Attributes:
        file: name of the file, with wildcards; ``{song}`` is the name of the song's folder.
        folder: where the files of all songs lie, or None if each lies in its song's folder.
        tracks: the place of the tracks, such as ``stems/*``, or None.
        path: of a track below its song's folder, with wildcards and ``{key}`` for each of the track's values and those
            of the entries around it; ``{entry}`` is the key or number of the entry itself.
        name: what `path`'s track is called, with the same placeholders; patterns of stems are matched with it.
        artist, genre, licence: their places, or None.
        rendered: the key of a track that is false where the data set has no file of it, or None.
    """

    file: str
    folder: str | None = None
    tracks: str | None = None
    path: str | None = None
    name: str | None = None
    artist: str | None = None
    genre: str | None = None
    licence: str | None = None
    rendered: str | None = None

    @classmethod
    def of(cls, node: Any) -> Metadata | None:
        """The description that ``dataset.metadata`` gives.

        Raises:
            ConfigError: naming the key that is unknown, missing or no text.
        """
        if node is None:
            return None
        known = [key.name for key in fields(cls)]
        if not isinstance(node, Mapping):
            raise ConfigError(f"dataset.metadata is {node!r}; set it to null or to the keys {', '.join(known)}.")
        for key, value in node.items():
            if key not in known:
                raise ConfigError(f"dataset.metadata has the unknown key {key!r}; it takes {', '.join(known)}.")
            if value is not None and (not isinstance(value, str) or not value.strip("/ ")):
                raise ConfigError(f"dataset.metadata.{key} is {value!r}; set it to a text or to null.")
        if node.get("file") is None:
            raise ConfigError("dataset.metadata.file has no value; set it to the name of each song's metadata file.")
        together = [node.get(key) is not None for key in ("tracks", "path", "name")]
        if any(together) and not all(together):
            raise ConfigError("dataset.metadata sets one of tracks, path and name; set all three of them or none.")
        return cls(**node)

    def read(self, song: Path, files: Iterable[str], ignore: Patterns = NO_PATTERNS) -> SongFacts:
        """What the metadata say of a song.

        Args:
            song: the song's folder.
            files: paths of its tracks below that folder, without those that are ignored.
            ignore: patterns of tracks, by path or label, that are not missing where they are not among `files`.

        Raises:
            InputFileError: naming the metadata file, if it is missing, cannot be read, or lacks a key.
        """
        file = self._file(song)
        document = read_document(file)
        facts = {key: self._fact(key, document, file) for key in ("artist", "genre", "licence")}
        labels, missing = self._labels(document, file, song, list(files), ignore)
        return SongFacts(**facts, labels=labels, missing=tuple(missing))

    def _file(self, song: Path) -> Path:
        folder = song if self.folder is None else Path(self.folder).expanduser()
        wanted = Patterns((self.file.replace("{song}", glob.escape(song.name)),))
        try:
            visible = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        except OSError as error:
            raise InputFileError(f"{folder} cannot be listed ({error.strerror}); check the folder.") from error
        found = [path for path in visible if wanted.match(path.name) and path.is_file()]
        if len(found) != 1:
            count = "no file" if not found else f"{len(found)} files"
            raise InputFileError(
                f"{folder} holds {count} of the name '{self.file}'; a song needs one, with its metadata "
                "(dataset.metadata.file)."
            )
        return found[0]

    def _fact(self, key: str, document: Any, file: Path) -> str | None:
        place = getattr(self, key)
        if place is None:
            return None
        value = document
        for step in place.strip("/").split("/"):
            value = value.get(step) if isinstance(value, dict) else None
        texts = _texts(value)
        if len(texts) != 1:
            raise InputFileError(
                f"{file} has no text at '{place}'; correct the file, or set dataset.metadata.{key} to null to do "
                f"without the {key}."
            )
        return " ".join(texts[0].split())

    def _labels(
        self, document: Any, file: Path, song: Path, files: Sequence[str], ignore: Patterns
    ) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """What the tracks among `files` are called, and the paths of those that are not there."""
        labels: dict[str, tuple[str, ...]] = {}
        missing: list[str] = []
        if self.tracks is None or self.path is None or self.name is None:
            return labels, missing
        for number, entry in enumerate(_entries(document, self.tracks.strip("/").split("/"), file, {})):
            if number == MOST_TRACKS:
                raise InputFileError(f"{file} lists more than {MOST_TRACKS} tracks; correct the file.")
            where = f"{file} lists a track ({shown(str(entry.get('entry', '?')))})"
            pattern = Patterns(_filled(self.path, entry, where, glob.escape))
            found = [path for path in files if pattern.match(path)]
            if len(found) > 1:
                raise InputFileError(f"{where} of which {song} holds {' and '.join(found[:2])}; keep one of them.")
            if not found and str(entry.get(self.rendered or "")).lower() != "false":
                paths = _filled(self.path, entry, where, str)
                names = (*paths, *(_filled(self.name, entry, where, str) if ignore.patterns else ()))
                if not any(map(ignore.match, names)) and not any(map(pattern.match, _all_files(song))):
                    missing.append(shown(paths[0]))
            for path in found:
                if path in labels:
                    raise InputFileError(f"{where} whose file {path} it lists before; correct the file.")
                labels[path] = _filled(self.name, entry, where, str)
        return labels, missing


@lru_cache(maxsize=1)
def _all_files(song: Path) -> list[str]:
    """Paths of all there is below a song's folder, with what is ignored."""
    return [path.relative_to(song).as_posix() for path in song.rglob("*")]


def _entries(node: Any, steps: list[str], file: Path, around: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries at a place in a document, each with the values of the entries (``*``) around it."""
    if not steps:
        yield around
    elif steps[0] != "*":
        if not isinstance(node, dict) or steps[0] not in node:
            raise InputFileError(
                f"{file} lacks the key '{steps[0]}' of dataset.metadata.tracks; correct or replace the file."
            )
        yield from _entries(node[steps[0]], steps[1:], file, around)
    elif isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            own = value if isinstance(value, dict) else {}
            yield from _entries(value, steps[1:], file, {**around, **own, "entry": str(key)})
    else:
        raise InputFileError(f"{file} has no list where dataset.metadata.tracks says '*'; correct or replace the file.")


def _texts(value: Any) -> tuple[str, ...]:
    """A text or number, or a list of some, as texts; nothing for anything else."""
    items = value if isinstance(value, list) else [value]
    if len(items) > MOST_TEXTS:
        return ()
    texts = [str(item) if isinstance(item, str | int | float) and not isinstance(item, bool) else "" for item in items]
    texts = [text.strip() for text in texts]
    return tuple(texts) if all(texts) else ()


def _filled(template: str, entry: Mapping[str, Any], where: str, form: Callable[[str], str]) -> tuple[str, ...]:
    """A template with its placeholders replaced; once for each text where a value has several."""
    names = list(dict.fromkeys(_PLACEHOLDER.findall(template)))
    choices = [_texts(entry.get(name)) for name in names]
    for name, texts in zip(names, choices, strict=True):
        if not texts:
            raise InputFileError(f"{where} without a text '{name}', which dataset.metadata needs; correct the file.")
    combined = itertools.product(*(map(form, texts) for texts in choices))
    return tuple(_substituted(template, dict(zip(names, texts, strict=True))) for texts in combined)


def _substituted(template: str, texts: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: texts[match[1]], template)


@dataclass(frozen=True)
class ArtistPattern:
    """Where the artist stands in the name of a song's folder, such as ``{artist} - {title}``."""

    pattern: str

    @classmethod
    def of(cls, node: Any) -> ArtistPattern | None:
        """The pattern that ``dataset.artist`` gives.

        Raises:
            ConfigError: if it does not hold ``{artist}`` once.
        """
        if node is None:
            return None
        if not isinstance(node, str) or _PLACEHOLDER.findall(node).count("artist") != 1:
            raise ConfigError(f"dataset.artist is {node!r}; set it to a pattern such as '{{artist}} - {{title}}'.")
        return cls(node)

    def artist(self, song: Path) -> str:
        """The artist of a song.

        Raises:
            InputFileError: naming the folder whose name does not fit.
        """
        parts = _PLACEHOLDER.split(self.pattern)
        words = [re.escape(part) if index % 2 == 0 else _group(part) for index, part in enumerate(parts)]
        match = re.fullmatch("".join(words), song.name)
        if match is None:
            raise InputFileError(
                f"{song} does not fit dataset.artist ('{self.pattern}'); rename it or set that to null."
            )
        return match["artist"].strip()


def same_artist(artist: str) -> str:
    """The form in which artists are compared: in any case and with any spaces."""
    return " ".join(plain(artist).split())


def _group(placeholder: str) -> str:
    return "(?P<artist>.+?)" if placeholder == "artist" else ".+"
