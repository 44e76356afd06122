"""From a run to the folders that go to the Hugging Face Hub, and there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console

from mixlab.errors import ConfigError, InputFileError
from mixlab.hub.checks import check_card, check_private
from mixlab.hub.export import Audio, ExportRequest, SampleFormat, export
from mixlab.hub.export_command import SAMPLE_RATE
from mixlab.hub.model_card import Licences, licence_text, model_card, model_licences
from mixlab.hub.model_folder import Base, find_base, write_model
from mixlab.hub.record import RunRecord, read_run
from mixlab.hub.settings import PublishSettings, What
from mixlab.hub.space import write_space
from mixlab.hub.tree import show
from mixlab.hub.upload import Upload, check_token, upload
from mixlab.items.build import build_bank
from mixlab.items.drawn import DrawnItems
from mixlab.items.exported import ExportedSet
from mixlab.items.manifest import MANIFEST, check_file, read_manifest
from mixlab.models.checkpoints import ADAPTER_FOLDER, find_trained, read_description
from mixlab.models.remote import locate_checkpoint
from mixlab.runs.folder import RunFolder
from mixlab.settings import Plain
from mixlab.storage import whole_folder

REQUEST = "publish.json"
"""What the folders beside it were made for; it is not uploaded."""

LATER = ("dry_run", "private", "commit_message", "out", "cache")
"""Settings that change nothing in the folders."""


def publish(settings: PublishSettings) -> None:
    """Make the folders where they are not there yet, check and show them, and upload them unless it is a dry run.

    Raises:
        MixlabError: one sentence on what is wrong, before the long work wherever that can be known.
    """
    token = None if settings.dry_run else check_token()
    out = Path(settings.out).expanduser().absolute()
    request = {key: value for key, value in settings.plain().items() if key not in LATER}
    if (out / REQUEST).is_file():
        _check_request(out, request)
    else:
        with whole_folder(out) as part:
            _make(settings, part)
            (part / REQUEST).write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    uploads = [Upload(kind, out / kind, settings.repo, settings.private) for kind in settings.what]
    # Again for folders that are there: what lies there may have been edited.
    for what in uploads:
        check_card(what.folder, what.kind)
        check_private(what.folder, list(_places(settings)), token)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(show(uploads))
    if settings.dry_run:
        console.print(f"Nothing was uploaded. Read {out}, then add dry_run=false.")
        return
    for what in uploads:
        console.print(f"{what.kind}: {upload(what, settings.commit_message)}")


def _check_request(out: Path, request: Mapping[str, Plain]) -> None:
    try:
        before = json.loads((out / REQUEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputFileError(
            f"{out / REQUEST} cannot be read ({error}); choose another out=, or move {out} away."
        ) from error
    for key, value in request.items():
        if before.get(key) != value:
            raise InputFileError(
                f"{out} was made with {key}={before.get(key)}, and now it is {value}; choose another out=, or move it "
                "away."
            )


def _places(settings: PublishSettings) -> Iterator[Path]:
    yield Path.cwd()
    if not settings.checkpoint.startswith("hf://"):
        yield Path(settings.checkpoint)
    yield Path(settings.out)
    yield Path(__file__).resolve().parent.parent


def _make(settings: PublishSettings, part: Path) -> None:
    """Make all folders in `part`; what can be wrong with the settings is found before anything is written."""
    checkpoint, what = locate_checkpoint(settings.checkpoint), set(settings.what)
    run = RunFolder(checkpoint)
    record = read_run(checkpoint) if run.is_run or what & {What.MODEL, What.DATASET} else None
    if what & {What.MODEL, What.SPACE}:
        base = find_base(read_description(find_trained(checkpoint)), settings.base_model, settings.base_revision)
        licences = None if record is None else model_licences(record, base, settings.base_licence, settings.licence)
        if What.MODEL in what and record is not None and licences is not None:
            _make_model(settings, checkpoint, record, base, licences, part / "model")
        if What.SPACE in what:
            # Of an adapter folder alone nothing more is known than what the publisher says.
            write_space(part / "space", settings.repo, licences.name if licences else settings.licence or "other")
            write_model(checkpoint, part / "space" / ADAPTER_FOLDER, settings.form, base)
    if What.DATASET in what:
        _make_dataset(settings, run, part / "dataset")


def _make_model(
    settings: PublishSettings, checkpoint: Path, record: RunRecord, base: Base, licences: Licences, folder: Path
) -> None:
    published = write_model(checkpoint, folder, settings.form, base)
    dataset = settings.repo if What.DATASET in settings.what else None
    (folder / "README.md").write_text(model_card(record, published, licences, settings.repo, dataset), encoding="utf-8")
    if text := licence_text(licences):
        (folder / "LICENSE.md").write_text(text, encoding="utf-8")


def _make_dataset(settings: PublishSettings, run: RunFolder, folder: Path) -> None:
    exported, trained = settings.exported, run.settings
    if exported is None and trained.dataset.kind == ExportedSet.name:
        exported = str(trained.dataset.arguments["root"])
    if exported is not None:
        _copy_export(Path(exported).expanduser(), folder)
        return
    if settings.cache is not None:
        trained = trained.but(paths=trained.paths.but(cache=settings.cache))
    bank = build_bank(trained, SAMPLE_RATE)
    assert isinstance(bank, DrawnItems)
    export(bank, ExportRequest(folder, settings.train_items, SampleFormat.FLOAT32, Audio.FREE))


def _copy_export(source: Path, folder: Path) -> None:
    """An export that is there, file by file as it was made (as links, where the disk has them).

    Raises:
        InputFileError: if it is none, or a file has changed.
        ConfigError: if it holds audio that may not be published.
    """
    manifest = read_manifest(source)
    if manifest.audio != Audio.FREE and not all(song["free"] for song in manifest.songs.values()):
        raise ConfigError(
            f"exported is {source}, which holds audio that may not be published (audio: {manifest.audio}); export with "
            "audio=free."
        )
    for path in manifest.files:
        check_file(source, path, manifest)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(source / path, folder / path)
    shutil.copyfile(source / MANIFEST, folder / MANIFEST)


def _link_or_copy(source: Path, target: Path) -> None:
    # The card may be edited before it goes out; everything else is left as it is.
    if source.suffix == ".md":
        shutil.copyfile(source, target)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
