"""What was measured, as the files of a run folder and a first line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mixlab.reports.comparison import write_comparisons
from mixlab.reports.mixingbuddy import protocol_tables, tables_markdown
from mixlab.reports.players import Heard
from mixlab.reports.probes import write_probes
from mixlab.reports.report import write_report
from mixlab.reports.run_sheets import run_sheets
from mixlab.reports.sheets import Sheet, write_sheets
from mixlab.reports.table import results_sheet
from mixlab.reports.verdict import verdict
from mixlab.runs.folder import RunFolder, to_yaml
from mixlab.scoring.formats import Protocol
from mixlab.scoring.prediction import Prediction, write_predictions
from mixlab.scoring.results import OWN_SPLIT, SplitResult
from mixlab.scoring.scores import headline_predictions
from mixlab.settings import Settings
from mixlab.storage import write_whole


def write_results(
    run: RunFolder,
    results: Sequence[SplitResult],
    *,
    title: str,
    is_demo: bool,
    notes: Sequence[str],
    config: Settings,
    protocol: Protocol | None,
    heard: Callable[[Prediction], Heard | None],
    audio_examples: int,
) -> str:
    """Write metrics.json, predictions, the report and its tables into a run folder.

    Args:
        results: a split each, the test split first.
        title: of the report.
        is_demo: whether the songs are demo songs.
        notes: sentences for the report.
        config: all settings, for the report.
        protocol: adds the predecessor's five tables, as mixingbuddy.md, in the report and among the figures.
        heard: renders an example for the report's players.
        audio_examples: how many of the best and of the worst examples get players.

    Returns:
        The first line of the result: whether the model beats its strongest rivals.
    """
    main, *others = results
    metrics: dict[str, float] = {}
    for result in results:
        metrics |= result.metrics()
        write_predictions(run.predictions_file(result.split), result.model_predictions)
    sheets = run_sheets(main)
    if protocol is not None:
        tables = protocol_tables(headline_predictions(main.model_predictions))
        write_whole(run.path / f"{protocol}.md", tables_markdown(tables))
        sheets += [table.sheet() for table in tables]
        metrics |= {key: value for table in tables for key, value in table.flat(str(protocol)).items()}
    write_comparisons(run.path, main.comparisons)
    if main.probes:
        write_probes(run.path, main.probes)
    run.write_metrics(metrics)
    write_sheets(run.tables, sheets)
    for other in others:
        write_sheets(run.tables / other.split, run_sheets(other))
    sentence = verdict(metrics)
    write_report(
        run,
        main,
        [*sheets, *(own_sheet(result) for result in others if result.split == OWN_SPLIT)],
        title=title,
        sentence=sentence,
        is_demo=is_demo,
        notes=notes,
        config_yaml=to_yaml(config.plain()),
        heard=heard,
        audio_examples=audio_examples,
    )
    return sentence


def own_sheet(result: SplitResult) -> Sheet:
    """The results on items like those that the run trained on, for its report."""
    return replace(
        results_sheet(result.rows, result.ceiling),
        name=OWN_SPLIT,
        title="Asked as it was trained",
        caption=f"The test songs with errors and prompts drawn as in training; {result.headline_items}. These "
        "items differ between runs that train otherwise: runs are compared on the items above, which all share.",
    )
