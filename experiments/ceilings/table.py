"""What the best listener could reach, by the spread of songs and the protocol of errors: prints a Markdown table.

    python experiments/ceilings/table.py    # half a minute

The listener measures loudness without error and knows what is usual in the genre; songs depart from it independently in
every stem but the anchor, by the standard deviation at the head of a column.
"""

from __future__ import annotations

import numpy as np

from mixlab.baselines.bayes import hypotheses_of
from mixlab.cli.run import composed
from mixlab.evaluation.ceiling import STEPS_DB, best_joint_accuracy
from mixlab.runs.settings import TrainSettings
from mixlab.settings import parse

SPREADS_DB = (1.5, 2.0, 3.0, 4.0, 6.0)
PROTOCOLS = {
    "single errors": ("default", ("drums", "vocals", "other")),
    "single errors, two candidates (the predecessor's protocol)": ("mixingbuddy", ("drums", "vocals")),
    "single errors of 3 to 6 dB": ("narrow", ("drums", "vocals", "other")),
    "single errors of up to 18 dB": ("wide", ("drums", "vocals", "other")),
    "several errors at once": ("several", ("drums", "vocals", "other")),
    "errors on every stem, the anchor too": ("relative", ("drums", "vocals", "other")),
}
"""What is shown, by name: the choice of the group `error`, and the candidates beside the bass."""


def main() -> None:
    """Print the table."""
    print("| protocol |", " | ".join(f"{spread_db:g} dB" for spread_db in SPREADS_DB), "|")
    print("|---|" + "---:|" * len(SPREADS_DB))
    for name, (choice, stems) in PROTOCOLS.items():
        error = parse(composed("train", f"error={choice}"), TrainSettings).error
        known = hypotheses_of(error, stems, STEPS_DB)
        ceilings = [best_joint_accuracy(spread_db**2 * np.eye(len(stems)), known) for spread_db in SPREADS_DB]
        print(f"| {name} |", " | ".join(f"{ceiling:.2f}" for ceiling in ceilings), "|")


if __name__ == "__main__":
    main()
