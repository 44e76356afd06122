"""Say which of several runs is better, on the items that all of them answered.

    mixlab compare runs=[RUN,RUN,...]
    mixlab compare runs=[[RUN,RUN,RUN],[RUN,RUN,RUN]] names=[one,other]        seeds of two settings
    mixlab compare runs=[A.jsonl,B.jsonl] metrics=[joint_accuracy] out=DIR

Single runs are compared as trained models, by song; settings over their runs, of which each needs three at least. P is
corrected by Holm over all pairs of a metric. Writes comparisons.md, comparisons.csv and comparisons.json into out= and
prints the tables; runs with figures get a page beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from mixlab.errors import ConfigError, InputFileError
from mixlab.escaping import say
from mixlab.reports.comparison import how_judged, matrix_sheets, write_comparisons
from mixlab.reports.comparison_page import write_comparison
from mixlab.runs.folder import RunFolder, predictions_at, predictions_file
from mixlab.scoring.comparison import check_comparable, compare_methods
from mixlab.scoring.metrics import METRICS
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.scores import in_one_order
from mixlab.settings import FilePath, Many, PositiveCount, Settings


class CompareSettings(Settings):
    """The whole configuration of `mixlab compare`."""

    runs: Annotated[Many[FilePath | Many[FilePath]], Field(min_length=2)]
    names: Many[str] | None
    split: Annotated[str, Field(pattern=r"^\w+$")]
    metrics: Annotated[Many[str], Field(min_length=1)]
    resamples: PositiveCount
    permutations: PositiveCount
    out: FilePath

    @field_validator("metrics")
    @classmethod
    def _can_be_paired(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        # Under the names that they had for one release.
        renamed = {metric.was: metric.name for metric in METRICS.values() if metric.was}
        metrics = tuple(renamed.get(name, name) for name in metrics)
        check_comparable(metrics)
        return metrics

    @model_validator(mode="after")
    def _has_a_name_for_each(self) -> CompareSettings:
        if self.names is not None and (len(self.names) != len(self.runs) or len(set(self.names)) != len(self.names)):
            names = list(self.names)
            raise ValueError(f"names holds {names} for {len(self.runs)} runs; give each run a name of its own")
        return self


def main(settings: CompareSettings) -> None:
    """Compare the runs, write the tables and print them.

    Raises:
        ConfigError: if a run is there twice, or two have one name.
        InputFileError: if a run has no predictions, or the runs did not answer the same items.
    """
    out = Path(settings.out).expanduser()
    seeds = [[Path(path).expanduser() for path in ([run] if isinstance(run, str) else run)] for run in settings.runs]
    _check_different([path for paths in seeds for path in paths])
    names = settings.names or _names([paths[0] for paths in seeds])
    predictions = {path: _read(path, settings.split) for paths in seeds for path in paths}
    _check_same(predictions)
    methods = {name: [predictions[path] for path in paths] for name, paths in zip(names, seeds, strict=True)}
    of_settings = any(len(paths) > 1 for paths in seeds)
    comparisons = compare_methods(methods, settings.metrics, settings.resamples, settings.permutations, of_settings)
    write_comparisons(out, comparisons, as_json=True)
    for sheet in matrix_sheets(comparisons):
        say(f"{sheet.title}\n\n{sheet.markdown()}")
    say(how_judged([entry.to_json() for entry in comparisons]))
    print(f"All pairs with intervals and p-values: {out / 'comparisons.csv'}")
    runs = {name: RunFolder(paths[0]) for name, paths in zip(names, seeds, strict=True) if len(paths) == 1}
    if len(runs) == len(seeds) and all(run.is_evaluated for run in runs.values()):
        pairs = [entry.to_json() for entry in comparisons]
        print(f"The runs side by side: {write_comparison(runs, out, pairs, settings.split)}")


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each run: its folder's, or that of a file which has one of its own.

    The folder above is named as well where those alone are not told apart.
    """
    folders = [_place_of(path) for path in paths]
    for depth in (1, 2, 3, 0):
        names = ["/".join(folder.absolute().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise ConfigError(f"runs holds the same run twice ({max(names, key=names.count)}); leave one of them out.")


def _check_different(paths: Sequence[Path]) -> None:
    """Refuse a run that is there twice: it would count as two, with no spread between them."""
    files = [predictions_file(path).resolve() for path in paths]
    if twice := [path for path, file in zip(paths, files, strict=True) if files.count(file) > 1]:
        raise ConfigError(f"runs holds the same run twice ({twice[0]}); leave one of them out.")


def _place_of(path: Path) -> Path:
    """Whose name a run has."""
    if path.suffix != ".jsonl":
        return path
    return path.parent if path.stem.startswith("predictions") else path.with_suffix("")


def _read(path: Path, split: str) -> list[Prediction]:
    """The predictions of a run folder, or of a file itself."""
    return predictions_at(path) if path.is_file() else RunFolder(path).predictions(split)


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
