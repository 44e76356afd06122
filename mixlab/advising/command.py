"""Room advising: the command from checked settings to printed advice: validate, listen, sum up, apply."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.progress import track as progress

from mixlab.advising.apply import plan_outputs, render
from mixlab.advising.report import Report, counted
from mixlab.advising.roles import assign_roles, check_anchor
from mixlab.advising.schema import AdviseSchema
from mixlab.advising.session import SHORTEST_SEGMENT_S, Answer, Question, Session, SessionSegment
from mixlab.advising.summary import SegmentAnswer, Summary, read_claim, summarise
from mixlab.advising.tracks import Track, existing_files, read_track, sum_by_role
from mixlab.advising.words import summary_text
from mixlab.errors import InputFileError, MixlabError
from mixlab.language.advice import Claim
from mixlab.synthesis.example import Inputs


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
        answer: answers batches of questions in place of the checkpoint's model, which is then not loaded.

    Raises:
        MixlabError: as `advise`.
    """
    paths = existing_files(settings.anchor, settings.tracks)
    plan = None
    if settings.apply is not None:
        plan = plan_outputs(Path(settings.apply).expanduser(), paths, settings.overwrite)
    # Imports torch and transformers, which takes seconds: after all that can be known without.
    from mixlab.advising.listener import ModelListener, read_encoder
    from mixlab.models.checkpoints import find_trained, load_trained, read_description
    from mixlab.models.remote import locate_checkpoint

    folder = find_trained(locate_checkpoint(settings.checkpoint))
    description = read_description(folder)
    roles = assign_roles(paths, settings.roles or {}, description.stems)
    check_anchor(paths, roles, description.anchors)
    encoder = read_encoder(folder, description)
    tracks = [read_track(path, roles[path]) for path in paths]
    session = Session(sum_by_role(tracks, encoder.sample_rate), encoder.sample_rate, tracks[0].role)
    segments, ignored = session.segments(description.segment_s, description.headroom_dbfs)
    if not segments:
        raise InputFileError(_nothing_to_judge(session, tracks, ignored))
    claim = None if settings.prompt is None else read_claim(settings.prompt)
    listener = answer or ModelListener(load_trained(folder), settings.constrained)
    prompts = [_prompt_for(segment, settings.prompt, claim) for segment in segments]
    texts = _listen(listener, session, segments, prompts, Inputs(description.inputs), settings.batch_size)
    answers = [
        SegmentAnswer.read(segment.start_s, segment.end_s, segment.stems, text, bool(prompt))
        for segment, prompt, text in zip(segments, prompts, texts, strict=True)
    ]
    summary = summarise(answers, session.anchor, session.others, claim)
    if not summary.understood:
        raise MixlabError(
            f"The model's answer could not be read as advice in any of {len(answers)} segments (the first was "
            f"{answers[0].text[:80]!r}); use a checkpoint that was trained for longer."
        )
    if summary.understood < len(answers):
        ignored["not_understood"] = len(answers) - summary.understood
    return Report(
        text=summary_text(summary, settings.sections),
        summary=summary,
        tracks=tracks,
        ignored=ignored,
        notes=_notes(summary, claim, session),
        rendered=None if plan is None else render(plan, tracks, summary.gains_db),
    )


def _listen(
    listener: Answer,
    session: Session,
    segments: Sequence[SessionSegment],
    prompts: Sequence[str],
    inputs: Inputs,
    batch_size: int,
) -> list[str]:
    """The answer to each segment; clips are made a batch at a time, so that a long file needs no more memory."""
    texts: list[str] = []
    starts = range(0, len(segments), batch_size)
    for start in progress(
        starts, description="Listening", console=Console(stderr=True), disable=len(starts) < 2, transient=True
    ):
        chosen = slice(start, start + batch_size)
        texts += listener(
            [
                Question(session.clips(segment, inputs), prompt)
                for segment, prompt in zip(segments[chosen], prompts[chosen], strict=True)
            ]
        )
    return texts


def _prompt_for(segment: SessionSegment, prompt: str | None, claim: Claim | None) -> str:
    """The user's sentence, or none in a segment where the stem that it speaks of is not heard."""
    if prompt is None or (claim is not None and claim.stem is not None and claim.stem not in segment.stems):
        return ""
    return prompt


def _notes(summary: Summary, claim: Claim | None, session: Session) -> list[str]:
    notes = []
    if claim is not None and claim.stem is not None and claim.stem not in session.signals:
        notes.append(f"Your sentence speaks of '{claim.stem}', but no track has that role, so it was left out.")
    elif claim is not None and claim.stem in summary.unheard:
        notes.append(f"Your sentence speaks of '{claim.stem}', which is never heard, so it was left out.")
    if summary.unheard:
        notes.append(
            f"Without advice, since never heard together with the anchor: {', '.join(summary.unheard)} (0 dB on apply)."
        )
    return notes


def _nothing_to_judge(session: Session, tracks: Sequence[Track], ignored: Counter[str]) -> str:
    """The sentence for tracks in which no segment can be judged: names the file where one is the reason."""
    anchor = tracks[0].path
    if session.duration_s < SHORTEST_SEGMENT_S:
        return (
            f"The tracks are {session.duration_s:.2g} s long ({anchor.name} {tracks[0].duration_s:.2g} s), but "
            f"{SHORTEST_SEGMENT_S:g} s are needed for advice; give longer files."
        )
    if not session.signals[session.anchor].any():
        return f"The anchor {anchor} is silent throughout; give a track with sound as anchor=."
    return (
        f"No segment of the tracks can be judged: {counted(ignored)}; the anchor {anchor.name} and at least one other "
        "track have to be heard together."
    )
