"""Floor of the entry points: runs compared on the items that all of them answered."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mixlab.errors import ConfigError, InputFileError
from mixlab.evaluation.comparison import COMPARABLE, compare_methods, matrix_sheets, write_comparisons
from mixlab.evaluation.comparison_page import METRICS_FILE, read_run, write_comparison
from mixlab.scoring.prediction import Prediction, read_predictions
from mixlab.scoring.scores import in_one_order


def compare(cfg: DictConfig) -> str:
    """Compare the runs and write the tables; returns them as text.

    Where each method is one run folder with its figures, there is a page beside the tables as well.

    Raises:
        ConfigError: if a metric cannot be compared, or two methods have one name.
        InputFileError: if a run has no predictions, or the runs did not answer the same items.
    """
    if unknown := [metric for metric in cfg.metrics if metric not in COMPARABLE]:
        raise ConfigError(f"metrics holds '{unknown[0]}', which cannot be paired; use some of {', '.join(COMPARABLE)}.")
    asked: Any = OmegaConf.to_container(cfg.runs)
    seeds = [[Path(path) for path in (run if isinstance(run, list) else [run])] for run in asked]
    names = list(cfg.names) if cfg.names is not None else _names([paths[0] for paths in seeds])
    predictions = {path: _read(path, cfg.split) for paths in seeds for path in paths}
    _check_same(predictions)
    methods = {name: [predictions[path] for path in paths] for name, paths in zip(names, seeds, strict=True)}
    comparisons = compare_methods(methods, list(cfg.metrics), cfg.resamples, cfg.permutations)
    write_comparisons(Path(cfg.out), comparisons, as_json=True)
    tables = [f"{sheet.title}\n\n{sheet.markdown()}" for sheet in matrix_sheets(comparisons)]
    said = [f"All pairs with intervals and p-values: {Path(cfg.out) / 'comparisons.csv'}"]
    if all(len(paths) == 1 and (paths[0] / METRICS_FILE).is_file() for paths in seeds):
        runs = [read_run(paths[0], name) for name, paths in zip(names, seeds, strict=True)]
        pairs = [entry.to_json() for entry in comparisons]
        said.append(f"The runs side by side: {write_comparison(runs, Path(cfg.out), pairs, cfg.split)}")
    return "\n".join([*tables, *said])


def _names(paths: list[Path]) -> list[str]:
    """A name for each run: its folder's, with that of the folder above where those alone are not told apart."""
    folders = [path.parent if path.suffix == ".jsonl" else path for path in paths]
    for depth in (1, 2, 3):
        names = ["/".join(folder.absolute().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ConfigError(f"runs holds the same run twice ({max(names, key=names.count)}); leave one of them out.")
    return names


def _read(path: Path, split: str) -> list[Prediction]:
    """The predictions of a run folder, or of a file itself."""
    file = path
    if path.is_dir():
        file = path / ("predictions.jsonl" if split == "test" else f"predictions-{split}.jsonl")
    if not file.is_file():
        raise InputFileError(
            f"runs holds '{path}', but there is no {file}; give a run folder that was evaluated, or a predictions file."
        )
    predictions = read_predictions(file)
    if not predictions:
        raise InputFileError(f"{file} holds no predictions; evaluate the run again.")
    return predictions


def _check_same(predictions: dict[Path, list[Prediction]]) -> None:
    """Refuse runs whose items differ, naming two of them."""
    for (a, found_a), (b, found_b) in list(combinations(predictions.items(), 2))[: len(predictions) - 1]:
        try:
            in_one_order([found_a, found_b])
        except ValueError as error:
            reason = str(error).removeprefix("the two methods ")
            raise InputFileError(
                f"{a} and {b} cannot be compared: they {reason}; evaluate both with the same evaluation, dataset and "
                "anchor."
            ) from error
