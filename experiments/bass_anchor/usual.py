"""What demo songs usually do, for advice on other people's files: writes mixlab/advising/usual.yaml.

    python experiments/bass_anchor/usual.py paths.cache=cache    # once the songs are prepared: two minutes

Balance of each stem against the anchor by genre over the 600 training songs of `+experiment=bass_anchor`, and its
loudness rules, fitted on the same tuning items as in the report.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from mixlab.chat.encoder import ChatEncoder
from mixlab.cli.run import composed
from mixlab.evaluation.answering import Answering
from mixlab.evaluation.evaluator import Evaluator
from mixlab.items.build import build_bank
from mixlab.models.backbones.tiny import Tiny
from mixlab.multitrack.statistics import usual_balance
from mixlab.runs.settings import TrainSettings
from mixlab.runs.trainer import Devices
from mixlab.settings import parse

OUT = Path(__file__).parents[2] / "mixlab" / "advising" / "usual.yaml"
HEAD = """\
# What the demo songs do, synthetic music, whose makers chose these figures; by experiments/bass_anchor/usual.py.
# spreads: loudness of a stem above the anchor in LU over training songs, by anchor/stem/genre: songs, mean, deviation.
# rules: the loudness rules, fitted on the same songs.
"""


def main(overrides: Sequence[str], out: Path = OUT) -> None:
    """Measure, fit and write."""
    rules = ["loudness_rule", "loudness_rule_genre"]
    asked = [f"evaluation.baselines=[{','.join(rules)}]", "evaluation.resamples=1"]
    settings = parse(composed("train", "+experiment=bass_anchor", *asked, *overrides), TrainSettings)
    encoder = ChatEncoder(Tiny("listener").read_chat())
    bank = build_bank(settings, encoder.sample_rate)
    bank.setup()
    evaluator = Evaluator(Answering(bank, encoder, Devices(settings.trainer)), settings.evaluation)
    usual = usual_balance(bank.segments["train"])
    spreads = {
        f"{anchor}/{stem}/{genre}": [spread.songs, round(spread.mean_lu, 2), round(spread.deviation_lu, 2)]
        for (genre, anchor, stem), spread in sorted(usual.spreads.items())
    }
    found = {"spreads": spreads, "rules": {name: evaluator.baselines[name].to_json() for name in rules}}
    out.write_text(HEAD + yaml.safe_dump(found, sort_keys=True, default_flow_style=None, width=120))


if __name__ == "__main__":
    main(sys.argv[1:])
