"""Room web: one person's song on the server: files with roles, what is heard of them, gains advised and applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixlab.advising.consultation import Consultation, counted
from mixlab.advising.exchange import TrackGain
from mixlab.advising.listener import ModelListener, read_encoder
from mixlab.advising.session import Answer, Session
from mixlab.advising.summary import SegmentAnswer, Summary
from mixlab.advising.usual import above_anchor_lu, played_lufs, rule_advice, segment_lufs
from mixlab.advising.words import summary_text
from mixlab.audio.hearing import Heard
from mixlab.errors import MixlabError
from mixlab.models.checkpoints import Description, find_trained, load_trained, read_description
from mixlab.multitrack.roles import is_mixture, role_of
from mixlab.multitrack.tracks import LENGTH_TOLERANCE_S, RoleSums, Track, check_together, hear_role, with_sides
from mixlab.web.uploads import Upload, nameless

LEFT_OUT = "left out"
"""Stands in the place of a role for a file that is not listened to."""

BATCH = 8
"""Segments that are heard between two looks at whether the person cancelled."""


@dataclass(frozen=True)
class Advisor:
    """The model that answers, and what it was trained for."""

    description: Description
    sample_rate: int
    listener: Answer
    heard_demo_songs_only: bool

    @classmethod
    def load(cls, checkpoint: Path, heard_demo_songs_only: bool) -> Advisor:
        """Load a checkpoint. Raises CheckpointError, as the command does."""
        folder = find_trained(checkpoint)
        description = read_description(folder)
        encoder = read_encoder(folder, description)
        return cls(description, encoder.sample_rate, ModelListener(load_trained(folder)), heard_demo_songs_only)


@dataclass
class Given:
    """A file with its role, `LEFT_OUT` where it has none."""

    upload: Upload
    role: str


@dataclass(frozen=True)
class Advised:
    """What was found; signals are gone by then.

    Attributes:
        above_lu: loudness of each stem above the anchor, as it is played.
        window_s: where the part for the players starts.
    """

    summary: Summary
    rule: Summary | None
    text: str
    notes: tuple[str, ...]
    above_lu: Mapping[str, float]
    window_s: float

    def gains_db(self, ignore_below_db: float) -> dict[str, float]:
        """The advised gains, those that are smaller than `ignore_below_db` being 0."""
        return {
            stem: gain_db if abs(gain_db) >= ignore_below_db else 0.0 for stem, gain_db in self.summary.gains_db.items()
        }


@dataclass
class Work:
    """A person's song.

    Attributes:
        known_db: the gains that undo the injected error, where it is known.
        applied_db: gains by role that were applied so far; the files themselves stay as they came.
        is_applied: whether the gains advised now are among them.
    """

    tracks: list[Given] = field(default_factory=list)
    genre: str | None = None
    known_db: Mapping[str, float] | None = None
    applied_db: dict[str, float] = field(default_factory=dict)
    advised: Advised | None = None
    is_applied: bool = False

    def add(self, uploads: Sequence[Upload], allowed: Sequence[str]) -> None:
        """Add files with the roles that their names tell."""
        self.tracks += [Given(upload, guessed_role(upload.name, allowed)) for upload in uploads]
        self.forget_advice()

    def forget_advice(self) -> None:
        """Roles or files changed, so what was advised and applied says nothing any more."""
        self.advised, self.applied_db, self.is_applied = None, {}, False

    @property
    def heard(self) -> list[Track]:
        """The tracks that have a role."""
        return with_sides(
            [
                Track(given.upload.path, given.role, given.upload.header, given.upload.name)
                for given in self.tracks
                if given.role != LEFT_OUT
            ]
        )

    @property
    def roles(self) -> list[str]:
        return sorted({track.role for track in self.heard})

    def total_db(self, ignore_below_db: float) -> dict[str, float]:
        """Gains by role from the files as they came: applied ones, and those advised now."""
        now = {} if self.advised is None or self.is_applied else self.advised.gains_db(ignore_below_db)
        return {role: self.applied_db.get(role, 0.0) + now.get(role, 0.0) for role in self.roles}

    def gains(self, ignore_below_db: float) -> list[TrackGain]:
        """The gain of every file that is heard."""
        total_db = self.total_db(ignore_below_db)
        return [
            TrackGain(track.name, track.role, total_db[track.role], track.header.duration_s, track.side)
            for track in self.heard
        ]


def guessed_role(name: str, allowed: Sequence[str]) -> str:
    """The role that a name tells; `LEFT_OUT` for the mix itself and for roles that the checkpoint never heard."""
    role = None if is_mixture(name) else role_of(name)
    return role if role in allowed and role is not None else LEFT_OUT


def check_ready(work: Work, anchor: str, description: Description) -> None:
    """Raises MixlabError, one sentence, if there is not enough to listen to."""
    if not work.tracks:
        raise MixlabError("There are no tracks yet; drop some, or pick a demo song.")
    unknown = [track.upload.name for track in work.tracks if track.role not in (*description.stems, LEFT_OUT)]
    if unknown:
        raise MixlabError(f"{unknown[0]} has a role that this model never heard; it knows {_list(description.stems)}.")
    if anchor not in description.anchors:
        raise MixlabError(
            f"The anchor is '{anchor[:40]}', but this model knows {_list(description.anchors)} as anchor."
        )
    if anchor not in work.roles:
        raise MixlabError(f"No track has the role of the anchor, {anchor}; set the role of one to {anchor}.")
    if len(work.roles) < 2:
        raise MixlabError(f"All tracks are {anchor}; at least one track with another role is needed.")


def advise(work: Work, advisor: Advisor, anchor: str, words: str, genre: str | None) -> Iterator[tuple[float, str]]:
    """Listen to a person's song; the result is in `work.advised` at the end.

    Yields:
        Share of the work that is done, and what is being done, in words. Whoever stops iterating cancels.

    Raises:
        MixlabError: one sentence for the page.
    """
    check_ready(work, anchor, advisor.description)
    sums = RoleSums(work.heard)
    check_together(sums.tracks, LENGTH_TOLERANCE_S)
    work.advised, work.is_applied = None, False
    heard: dict[str, Heard] = {}
    for number, role in enumerate(sums):
        yield 0.3 * number / len(sums), f"Reading {sums.names(role)}"
        heard[role] = _hear(sums.of(role), advisor.sample_rate, work.applied_db)
    session = Session.of(heard, advisor.sample_rate, anchor)
    anchor_name = sums.of(anchor)[0].name
    consultation = Consultation.of(session, anchor_name, advisor.description, words.strip() or None)
    count, answers = len(consultation.segments), list[SegmentAnswer]()
    yield 0.3, f"Listening to {count} segment{'s' if count > 1 else ''}"
    for batch in consultation.ask(advisor.listener, BATCH):
        answers += batch
        yield 0.3 + 0.6 * len(answers) / count, f"Listened to {len(answers)} of {count} segments"
    lufs = segment_lufs(session, consultation.segments)
    summary = consultation.summary(answers)
    ignored = consultation.ignored + summary.reasons
    left_out = [f"Segments without advice: {counted(ignored)}."] if ignored else []
    work.genre = genre
    work.advised = Advised(
        summary=summary,
        rule=rule_advice(session, consultation.segments, lufs, genre, consultation.claim),
        text=summary_text(summary, with_sections=False),
        notes=(*sums.notes(heard), *consultation.notes(summary), *left_out),
        above_lu=above_anchor_lu(played_lufs(heard, consultation.segments), anchor),
        window_s=_window_start(answers),
    )


def _hear(tracks: Sequence[Track], sample_rate: int, applied_db: Mapping[str, float]) -> Heard:
    """What is heard of the files of one role."""
    try:
        return hear_role(tracks, sample_rate, applied_db)
    except MixlabError as error:
        sentence = str(error)
        for track in tracks:
            sentence = nameless(sentence, track.path, track.name)
        raise MixlabError(sentence) from error


def _window_start(answers: Sequence[SegmentAnswer], window_s: float = 30.0) -> float:
    """The start of the segment from which on most stems are heard within `window_s`; the earliest of equals."""

    def heard(start_s: float) -> int:
        return sum(len(a.stems) for a in answers if start_s <= a.start_s and a.end_s <= start_s + window_s)

    return max((answer.start_s for answer in answers), key=heard)


def safe_name(name: str) -> str:
    """A name for a file that we write, of letters, digits and a few signs."""
    return re.sub(r"[^\w .()+-]", "_", name).strip(". ") or "track"


def as_json(work: Work, ignore_below_db: float) -> dict[str, Any]:
    """What was advised, as JSON values."""
    advised = work.advised
    if advised is None:
        raise MixlabError("There is no advice yet.")
    return {
        "text": advised.text,
        **advised.summary.to_json(),
        "ignore_below_db": ignore_below_db,
        "gains_db": work.total_db(ignore_below_db),
        "files": [gain.__dict__ for gain in work.gains(ignore_below_db)],
        "loudness_rule": None if advised.rule is None else [stem.to_json() for stem in advised.rule.stems],
        "above_anchor_lu": {stem: round(value, 2) for stem, value in advised.above_lu.items()},
        "genre": work.genre,
        "notes": list(advised.notes),
    }


def _list(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
