"""Room advising: the command from checked settings to printed advice: validate, listen, sum up, apply."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.progress import track as progress

from mixlab.advising.apply import plan_outputs, render
from mixlab.advising.consultation import Consultation
from mixlab.advising.report import Report
from mixlab.advising.roles import assign_roles, check_anchor
from mixlab.advising.schema import AdviseSchema
from mixlab.advising.session import Answer, Session
from mixlab.advising.summary import Quorum
from mixlab.advising.tracks import existing_files, read_track, sum_by_role
from mixlab.advising.words import summary_text
from mixlab.multitrack.tracks import delay_notes


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
    headers = existing_files(settings.anchor, settings.tracks, settings.length_tolerance_s)
    paths = list(headers)
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
    consultation = Consultation.of(session, tracks[0].path.name, description, settings.prompt)
    listener = answer or ModelListener(load_trained(folder), settings.constrained)
    batches = progress(
        consultation.ask(listener, settings.batch_size),
        description="Listening",
        total=-(-len(consultation.segments) // settings.batch_size),
        console=Console(stderr=True),
        disable=len(consultation.segments) <= settings.batch_size,
        transient=True,
    )
    quorum = Quorum(settings.min_segments, settings.min_agreement)
    summary = consultation.summary([answer for batch in batches for answer in batch], quorum)
    return Report(
        text=summary_text(summary, settings.sections),
        summary=summary,
        tracks=tracks,
        ignored=consultation.ignored + summary.reasons,
        notes=[*delay_notes(headers), *consultation.notes(summary)],
        rendered=None if plan is None else render(plan, tracks, summary.gains_db),
    )
