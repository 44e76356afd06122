"""The report of a run: one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mixlab.reports.examples import shown_examples
from mixlab.reports.pages import DEMO_STATEMENT, write_page
from mixlab.reports.players import Heard
from mixlab.reports.sheets import Sheet
from mixlab.runs.folder import RunFolder
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import SplitResult
from mixlab.scoring.scores import headline_predictions


def write_report(
    run: RunFolder,
    result: SplitResult,
    sheets: Sequence[Sheet],
    *,
    title: str,
    sentence: str,
    is_demo: bool,
    notes: Sequence[str] = (),
    config_yaml: str = "",
    heard: Callable[[Prediction], Heard | None] = lambda prediction: None,
    audio_examples: int = 0,
) -> None:
    """Write the report of a run as one self-contained HTML page, which appears whole or not at all.

    Args:
        result: what was measured; its first row is the model's.
        sheets: all tables in their order, the results first.
        title: of the page, such as the run's name.
        sentence: the first line, see `verdict`.
        is_demo: whether its songs are demo songs; the page then says what these can show.
        notes: sentences about the run, such as songs that were dropped.
        config_yaml: the resolved configuration.
        heard: renders an example for players.
        audio_examples: how many of the best and of the worst examples get players.
    """
    # Imported here because matplotlib takes a second, which no `--help` should wait for.
    from mixlab.reports import figures

    examples = {
        heading: shown
        for heading, shown in shown_examples(result.model_predictions, heard, audio_examples).items()
        if shown
    }
    write_page(
        run.report,
        "report.html.j2",
        {
            "methods": figures.methods_figure(result.rows),
            "size": figures.size_figure(result.rows),
            "gain": figures.gain_figure(headline_predictions(result.model_predictions)),
            "segments": figures.segments_figure(result.by_segments, result.ceiling),
            "tolerance": figures.tolerance_figure(result.rows),
            "calibration": figures.calibration_figure(result.calibration),
            "psychometric": figures.psychometric_figure(result.psychometric),
            "closed_loop": figures.loop_figure(result.loops),
            "curve": figures.curve_figure(run.curve),
        },
        title=title,
        sentence=sentence,
        demo_statement=DEMO_STATEMENT if is_demo else "",
        notes=notes,
        sheets=sheets,
        examples=examples,
        headings={f"examples-{number}": heading for number, heading in enumerate(examples, 1)},
        config_yaml=config_yaml,
    )
