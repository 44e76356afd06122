"""Room study: `analyse`: from an export to a report."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab.errors import ConfigError
from mixlab.study.analysis_schema import AnalyseSchema
from mixlab.study.schema import settings


def main(cfg: DictConfig) -> None:
    """Read, analyse, write, and say what came of it.

    Raises:
        MixlabError: one sentence on what is wrong, before anything is computed wherever that can be known.
    """
    options = settings(cfg, AnalyseSchema)
    check_packages()
    from mixlab.study.analysis import analyse
    from mixlab.study.analysis_page import summary, write_analysis
    from mixlab.study.answers import read_answers

    folder = Path(options.data).expanduser()
    analysis = analyse(read_answers(folder), options)
    out = folder / "analysis" if options.out is None else Path(options.out).expanduser()
    write_analysis(out, analysis)
    print(summary(analysis))
    for rule, names in analysis.excluded.by_rule.items():
        print(f"Excluded, {rule}: {len(names)} of {len(analysis.everyone_answers.participants)}.")
    print(f"Written to {out}")


def check_packages() -> None:
    """That what an analysis needs is installed.

    Raises:
        ConfigError: naming the extra.
    """
    try:
        import krippendorff  # noqa: F401
        import pandas  # noqa: F401
        import statsmodels  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The analysis needs the package {error.name}, which is not installed; pip install 'mixlab[study]'."
        ) from None
