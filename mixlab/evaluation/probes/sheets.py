"""Room evaluation: the probes as sheets of a run's report, one each, with what their figures mean."""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.evaluation.probes.base import Probe
from mixlab.evaluation.sheets import Line, Sheet
from mixlab.evaluation.table import label_of

WORDS = {
    "audio_shuffled": (
        "Does it listen?",
        "All test items, claims too, asked again with the clips of another song. Joint accuracy with the other audio; "
        "drop: what the right audio adds to that, about zero for a model that reads the text alone; same advice: the "
        "share of items where both answers move the same stems in the same directions.",
    ),
    "claim_swap": (
        "Does it hold its ground?",
        "The same mix under every claim that a user may make, each stem too loud or too quiet, and balanced. Stays: "
        "one and the same advice under all claims; agreement: the share of an item's answers that give its most "
        "frequent advice; believes wrong claim: exactly what was claimed wrongly is advised. Text alone is what a "
        "model scores that believes the user and never listens.",
    ),
    "anchor_swap": (
        "Does it use the anchor?",
        "The same mix beside each anchor in turn. Distance: how far the gains advised beside one anchor are from those "
        "advised beside another, once all are taken relative to the same stem; anchor blind is the model as if it "
        "never took notice of the anchor. Whoever advises nothing is consistent as well, so the error in dB stands "
        "beside.",
    ),
    "global_gain": (
        "Does the overall level change the advice?",
        "The same mix at several master levels. Stays: the same stems and directions at all of them, and at each "
        "beside 0 dB; gain change: how far advised gains move on average.",
    ),
    "constrained": (
        "What does a grammar of readable answers change?",
        "All test items answered again with everything barred that cannot be read back as advice. Gain: what that adds "
        "to joint accuracy; changed: the share of responses that differ; advice changed: of stems or directions.",
    ),
}
"""Title and caption of each probe's sheet."""


def probe_sheets(probes: Sequence[Probe]) -> list[Sheet]:
    """A sheet a probe: methods down, figures across."""
    sheets = []
    for probe in probes:
        title, caption = WORDS[probe.name]
        methods = dict.fromkeys(method for method, _ in probe.figures)
        columns = dict.fromkeys(figure for _, figure in probe.figures)
        sheets.append(
            Sheet(
                f"probe_{probe.name}",
                title,
                {
                    figure: figure.replace("_db=", " at dB ").replace("_db", " dB").replace("_", " ")
                    for figure in columns
                },
                [
                    Line(
                        label_of(method or "model"),
                        {
                            figure: probe.figures[method, figure]
                            for figure in columns
                            if (method, figure) in probe.figures
                        },
                        "baseline" if method else "model",
                    )
                    for method in methods
                ],
                "method",
                f"{probe.items} items of {probe.songs} songs. {caption}",
            )
        )
    return sheets
