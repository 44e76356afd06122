"""What demo songs usually do, for advice on other people's files: writes mixlab/advising/usual.yaml.

    python experiments/bass_anchor/usual.py paths.cache=cache    # once the songs are prepared: two minutes

Balance of each stem against the anchor by genre over the 600 training songs of `+experiment=bass_anchor`, and its
loudness rules, fitted on the same tuning items as in the report.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import yaml
from hydra import compose, initialize_config_dir

from mixlab import build, cli
from mixlab.data.encoder import ChatEncoder
from mixlab.evaluation.run import Evaluator
from mixlab.models.backbones.tiny import Tiny
from mixlab.multitrack.statistics import usual_balance

OUT = Path(__file__).parents[2] / "mixlab" / "advising" / "usual.yaml"
HEAD = """\
# What the demo songs do, synthetic music, whose makers chose these figures; by experiments/bass_anchor/usual.py.
# spreads: loudness of a stem above the anchor in LU over training songs, by anchor/stem/genre: songs, mean, deviation.
# rules: the loudness rules, fitted on the same songs.
"""


def main() -> None:
    cli.register_resolvers()
    with initialize_config_dir(cli.config_folder(), version_base="1.3"):
        cfg = compose("train", ["+experiment=bass_anchor", *sys.argv[1:]])
    data = build.data_module(cfg, build.source(cfg), ChatEncoder(Tiny("listener").read_chat()), features_in_worker=True)
    data.prepare_data()
    data.setup()
    rules = ["loudness_rule", "loudness_rule_genre"]
    evaluator = Evaluator(data, rules, cfg.evaluation.tuning_items, 1, torch.device("cpu"))
    usual = usual_balance(data.segments["train"])
    spreads = {
        f"{anchor}/{stem}/{genre}": [spread.songs, round(spread.mean_lu, 2), round(spread.deviation_lu, 2)]
        for (genre, anchor, stem), spread in sorted(usual.spreads.items())
    }
    found = {"spreads": spreads, "rules": {name: evaluator.baselines[name].to_json() for name in rules}}
    OUT.write_text(HEAD + yaml.safe_dump(found, sort_keys=True, default_flow_style=None, width=120))


if __name__ == "__main__":
    main()
