"""Ask a trained model how to balance your own tracks.

    mixlab advise checkpoint=RUN anchor=bass.wav tracks='[vocals.wav,drums.wav]'
    mixlab advise ... prompt="I think the vocals are too quiet"   your claim, confirmed or corrected
    mixlab advise ... format=json                                 one JSON object on stdout
    mixlab advise ... apply=out/                                  write the rebalanced tracks and mix
    mixlab advise ... sections=true                               add the advice by section
    mixlab advise ... roles='{weird.wav: vocals}'                 say what a file is

checkpoint   hf://user/name[@revision] is a model on the Hugging Face Hub, fetched once (weights as safetensors; no code
             of it is run)
anchor       its role must be one that the checkpoint was trained with
tracks       mono or stereo, of any rate and format that soundfile reads, from the same start to the same end (raise
             length_tolerance_s where ends are trimmed); the name tells the role: kick, snare: drums; vox: vocals
roles        by file name, path, or pattern with * and ?
apply        24-bit WAV at each track's own rate and channels, and mix.wav; if one would clip, all get the same trim; a
             folder with content needs overwrite=true
constrained  needs pip install 'mixlab[constrained]'

== Quoting ==
Spaces need the quotes of the shell alone:        anchor="my bass.wav"  tracks='[my vocals.wav,drums.wav]'
Commas, parentheses, apostrophes, brackets, = and : need a second pair inside:
  anchor="'bass (1).wav'"    tracks="['vocals, lead.wav',drums.wav]"    prompt="'The vocals are too quiet, right?'"
  prompt='"I don'\''t hear the vocals"'
Other signs do, too; what cannot be read is answered with the quotes that work. ~ is the home folder.
In roles, ? stands for such a character:          roles='{take ?1?.wav: vocals}'

Gains are relative to the current faders, and each was said of some segment: the lower median of those that agree.
Agreement is the share of segments that say the same, not certainty. How sure the model is of its words is told by
section and in JSON; the report of its run shows how often it is right where it says so, and min_probability leaves out
what it is less sure of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from mixlab.errors import ConfigError, InputFileError
from mixlab.escaping import say
from mixlab.settings import FilePath, Many, Plain, Positive, PositiveCount, Settings, Share, Spelled, parse

if TYPE_CHECKING:
    from mixlab.advising.report import Report
    from mixlab.advising.session import Answer
    from mixlab.audio.files import AudioHeader

MANDATORY = {
    "checkpoint": "the run folder that mixlab train wrote",
    "anchor": "the file of the track that stays where it is",
    "tracks": "the files of the other tracks, as '[vocals.wav,drums.wav]'",
}


class Format(StrEnum):
    """What is printed."""

    TEXT = "text"
    JSON = "json"


class AdviseSettings(Settings):
    """The whole configuration of `mixlab advise`."""

    checkpoint: FilePath
    anchor: FilePath
    tracks: Annotated[Many[FilePath], Field(min_length=1)]
    prompt: str | None
    roles: dict[str, str] | None
    length_tolerance_s: Positive
    format: Spelled[Format]
    sections: bool
    apply: FilePath | None
    overwrite: bool
    batch_size: PositiveCount
    constrained: bool
    min_segments: PositiveCount
    min_agreement: Annotated[float, Field(gt=0.0, le=1.0)]
    min_probability: Share

    @field_validator("tracks", mode="before")
    @classmethod
    def _one_track_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("apply")
    @classmethod
    def _is_a_folder(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("it is empty; name a folder, or leave apply out to write nothing")
        return value


def settings(values: Mapping[str, Plain], overrides: Sequence[str]) -> AdviseSettings:
    """The settings; what a file is for is said of one that is missing."""
    for key, meaning in MANDATORY.items():
        if values.get(key) == "???":
            raise ConfigError(f"The key '{key}' is missing; add {key}=..., {meaning}.")
    return parse(values, AdviseSettings)


def main(settings: AdviseSettings) -> None:
    """Print the advice on the user's tracks; stdout holds nothing else.

    Raises:
        MixlabError: one sentence on what is wrong, before the model is loaded wherever that can be known.
    """
    import json
    import sys
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr):
        report = make_report(settings)
    is_json = settings.format is Format.JSON
    say(json.dumps(report.to_json(), ensure_ascii=False) if is_json else report.to_text())


def make_report(settings: AdviseSettings, answer: Answer | None = None) -> Report:
    """All of the command but the printing.

    Args:
        answer: answers batches of questions in place of the checkpoint's model, which is then not loaded.

    Raises:
        MixlabError: as `main`.
    """
    from mixlab.advising.apply import plan_outputs, render
    from mixlab.multitrack.tracks import RoleSums, Track, check_together, hear_role, with_sides

    headers = _existing_files([settings.anchor, *settings.tracks])
    paths = list(headers)
    unnamed = [Track(path, "", header) for path, header in headers.items()]
    check_together(unnamed, settings.length_tolerance_s, "length_tolerance_s")
    plan = None
    if settings.apply is not None:
        plan = plan_outputs(Path(settings.apply).expanduser(), paths, settings.overwrite)
    # Imports torch and transformers, which takes seconds: after all that can be known without.
    from rich.console import Console
    from rich.progress import track

    from mixlab.advising.consultation import Consultation
    from mixlab.advising.listener import ModelListener, read_encoder
    from mixlab.advising.report import Report
    from mixlab.advising.roles import assign_roles, check_anchor
    from mixlab.advising.session import Session
    from mixlab.advising.summary import Quorum
    from mixlab.advising.words import summary_text
    from mixlab.models.checkpoints import find_trained, load_trained, read_description
    from mixlab.models.remote import locate_checkpoint

    folder = find_trained(locate_checkpoint(settings.checkpoint))
    description = read_description(folder)
    roles = assign_roles(paths, settings.roles or {}, description.stems)
    check_anchor(paths, roles, description.anchors)
    encoder = read_encoder(folder, description)
    sums = RoleSums(with_sides([Track(path, roles[path], header) for path, header in headers.items()]))
    tracks = sums.tracks
    heard = {role: hear_role(sums.of(role), encoder.sample_rate) for role in sums}
    session = Session.of(heard, encoder.sample_rate, tracks[0].role)
    consultation = Consultation.of(session, tracks[0].name, description, settings.prompt)
    listener = answer or ModelListener(load_trained(folder), settings.constrained)
    batches = track(
        consultation.ask(listener, settings.batch_size),
        description="Listening",
        total=-(-len(consultation.segments) // settings.batch_size),
        console=Console(stderr=True),
        disable=len(consultation.segments) <= settings.batch_size,
        transient=True,
    )
    quorum = Quorum(settings.min_segments, settings.min_agreement, settings.min_probability)
    summary = consultation.summary([answer for batch in batches for answer in batch], quorum)
    return Report(
        text=summary_text(summary, settings.sections),
        summary=summary,
        tracks=tracks,
        ignored=consultation.ignored + summary.reasons,
        notes=[*sums.notes(heard), *consultation.notes(summary)],
        rendered=None if plan is None else render(plan, tracks, summary.gains_db),
    )


def _existing_files(names: Sequence[str]) -> dict[Path, AudioHeader]:
    """What the headers of all files say.

    Raises:
        InputFileError: naming a file that does not exist or is not audio.
        ConfigError: naming a file that is given twice.
    """
    paths = [Path(name).expanduser() for name in names]
    seen: set[Path] = set()
    for path in paths:
        if not path.is_file():
            raise InputFileError(f"{path} is not a file; check the path (relative ones start at {Path.cwd()}).")
        if path.resolve() in seen:
            raise ConfigError(f"{path} is given twice; name each file once, the anchor only as anchor=.")
        seen.add(path.resolve())
    from mixlab.audio.files import read_header

    return {path: read_header(path) for path in paths}
