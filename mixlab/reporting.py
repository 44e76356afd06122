"""Floor of the entry points: the report on a sweep, from the folders of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mixlab.errors import InputFileError

DEMO = "mixlab.multitrack.demo"


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Read all runs below the folders and write the page with its tables; runs without figures are listed.

    Args:
        out: a folder; None for ``report/`` in the first of the folders.

    Returns:
        The page.

    Raises:
        InputFileError: if a folder does not exist or no run below has figures.
    """
    from omegaconf import OmegaConf

    from mixlab.evaluation.sweep_page import write_sweep
    from mixlab.evaluation.sweep_table import CONFIG_FILE, read_sweep

    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise InputFileError(f"There is no folder {missing[0]}; give the folder of a sweep, or of several runs.")
    sweep = read_sweep(folders)
    if not sweep.runs:
        why = "; ".join(f"{folder.name}: {reason}" for folder, reason in list(sweep.unfinished.items())[:3])
        raise InputFileError(
            f"No run below {folders[0]} has a metrics.json{f' ({why})' if why else ''}; give the folder of a sweep of "
            "which at least one run has ended."
        )
    sources = {str(OmegaConf.load(run.folder / CONFIG_FILE).dataset._target_) for run in sweep.runs}
    notes = []
    if all(source.startswith(DEMO) for source in sources):
        notes.append(
            "These runs heard demo songs, which show that the framework works; only music can show that a language "
            "model helps to mix."
        )
    songs = {int(run.figures.figures.get("test/songs", 0)) for run in sweep.runs}
    notes.append(f"Test songs a run: {', '.join(map(str, sorted(songs)))}.")
    return write_sweep(sweep, out or folders[0] / "report", notes)
