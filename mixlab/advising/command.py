"""Room advising: the command from checked settings to printed advice: validate, listen, sum up, apply."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixlab.advising.apply import Plan, Rendered, plan_outputs, render
from mixlab.advising.roles import assign_roles
from mixlab.advising.schema import AdviseSchema
from mixlab.advising.session import SHORTEST_SEGMENT_S, Session, SessionSegment
from mixlab.advising.summary import SegmentAnswer, Summary, read_claim, summarise
from mixlab.advising.tracks import Track, check_anchor_role, existing_files, read_track, sum_by_role
from mixlab.advising.words import summary_text
from mixlab.errors import InputFileError
from mixlab.synthesis.example import Inputs

if TYPE_CHECKING:
    from mixlab.advising.listener import Answer
    from mixlab.language.advice import Claim

_REASONS = {
    "too_short": f"shorter than {SHORTEST_SEGMENT_S:g} s",
    "mixture_too_quiet": "too quiet against the rest of the file",
    "anchor_inactive": "anchor silent",
    "nothing_beside_anchor": "nothing but the anchor",
    "not_understood": "answer not understood",
}


@dataclass(frozen=True)
class Report:
    """All that the command has to say."""

    text: str
    summary: Summary
    tracks: Sequence[Track]
    ignored: Mapping[str, int]
    notes: Sequence[str]
    rendered: Rendered | None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        files: dict[str, list[str]] = {}
        for track in self.tracks:
            files.setdefault(track.role, []).append(str(track.path))
        summary = self.summary
        return {
            "text": self.text,
            "advice": [stem.to_json() for stem in summary.stems],
            "segments": [answer.to_json() for answer in summary.answers],
            "anchor": summary.anchor,
            "files": files,
            "verdict": None if summary.verdict is None else str(summary.verdict),
            "verdict_agreement": None if summary.verdict_agreement is None else round(summary.verdict_agreement, 3),
            "unheard": list(summary.unheard),
            "ignored_segments": dict(self.ignored),
            "notes": list(self.notes),
            "trim_db": None if self.rendered is None else self.rendered.trim_db,
            "written": [] if self.rendered is None else [str(path) for path in self.rendered.files],
        }

    def to_text(self) -> str:
        """The report for a reader."""
        roles = ", ".join(f"{track.path.name} as {track.role}" for track in self.tracks)
        lines = [self.text, "", f"Heard: {roles} (the first is the anchor)."]
        if self.ignored:
            lines.append(f"Segments left out: {_counted(self.ignored)}.")
        lines += self.notes
        if self.rendered is not None:
            lines.append(f"Written to {self.rendered.files[0].parent}: {_names(self.rendered.files)}.")
            if self.rendered.trim_db:
                lines.append(f"All of these files are {-self.rendered.trim_db:g} dB lower, so that none clips.")
        return "\n".join(lines)


def advise(settings: AdviseSchema) -> None:
    """Print the advice on the user's tracks; stdout holds nothing else.

    Raises:
        MixlabError: one sentence on what is wrong, before the model is loaded wherever that can be known.
    """
    with redirect_stdout(sys.stderr):
        report = make_report(settings)
    print(json.dumps(report.to_json(), ensure_ascii=False) if settings.format == "json" else report.to_text())


def make_report(settings: AdviseSchema, answer: Answer | None = None) -> Report:
    """All of the command but the printing.

    Args:
        answer: answers batches of questions in place of the checkpoint's model.

    Raises:
        MixlabError: as `advise`.
    """
    paths = existing_files(settings.anchor, settings.tracks)
    plan = None if settings.apply is None else plan_outputs(Path(settings.apply), paths, settings.overwrite)
    # Imports torch and transformers, which takes seconds: after all that can be known without.
    from mixlab.advising.listener import ModelListener
    from mixlab.models.checkpoints import find_trained, load_trained, read_description

    description = read_description(find_trained(Path(settings.checkpoint).expanduser()))
    roles = assign_roles(paths, settings.roles or {}, description.stems)
    check_anchor_role(paths, roles, description.anchors)
    tracks = [read_track(path, roles[path]) for path in paths]
    _check_length(tracks)
    if answer is None:
        answer = ModelListener(load_trained(Path(settings.checkpoint).expanduser()), description.segment_s)
    session = Session(sum_by_role(tracks, SAMPLE_RATE), SAMPLE_RATE, tracks[0].role)
    segments, ignored = session.segments(description.segment_s, description.headroom_dbfs)
    return _report(settings, session, segments)


SAMPLE_RATE = 16000
