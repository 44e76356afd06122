"""A studio adds things of its own from one module and a few YAML files in a folder, and runs them."""

import json
import textwrap
from importlib import resources

import pytest
import yaml

from mixlab.models.backbones.tiny import Tiny
from tests.commands import run

MODULE = '''
from mixlab.baselines.base import Baseline
from mixlab.baselines.registry import BASELINES
from mixlab.evaluation.probes.base import PROBES, ProbeKind, stays
from mixlab.items.build import SOURCES
from mixlab.language.advice import Advice
from mixlab.multitrack.demo.source import DemoSource
from mixlab.scoring.metrics import METRICS, Heads, Metric
from mixlab.synthesis.example import LAYOUTS, Layout


@BASELINES.add
class RaiseTheQuietest(Baseline):
    """Raises the stem of the smallest level by what training needed on average."""

    name = "raise_the_quietest"
    label = "raise the quietest"

    def fit(self, train_items):
        gains_db = [abs(gain) for item in train_items for gain in item.problem.needed_gains_db.values()]
        self.gain_db = sum(gains_db) / len(gains_db)

    def advise(self, items):
        quietest = [min(item.problem.candidates, key=item.segment_lufs.get) for item in items]
        return [Advice((self.move(stem, self.gain_db),)) for stem in quietest]


def _anchor_left_alone(prediction):
    return float(prediction.advice is not None and prediction.advice.gain_db(prediction.problem.anchor) == 0.0)


METRICS.add(Metric("anchor_left_alone", _anchor_left_alone, label="anchor left alone", heads=Heads.RESULTS))


def _halves(order):
    return [order[:1], order[1:2], order[2:]] if len(order) > 2 else [order[:1], order[1:]]


LAYOUTS.add(Layout("halves", "the anchor, one other track, and the rest", _halves))


@SOURCES.add
class StudioSongs(DemoSource):
    """Songs of the studio."""

    name = "studio_songs"


class AskedTwice(ProbeKind):
    """Whether the same question gets the same answer."""

    name = "asked_twice"
    title = "Does it say the same twice?"
    caption = "The same items, asked again."

    def ask(self, probing):
        first, second = probing.model(probing.chosen), probing.model(probing.chosen)
        same = [stays(pair) for pair in zip(first, second, strict=True)]
        return self.found([problem.song_id for problem in probing.chosen], {"": {"stays": same}}, probing.resamples)


PROBES.add(AskedTwice())
'''


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A folder with the module, configuration, a bank of prompts and a model of the studio."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "studio.py").write_text(MODULE)
    Tiny("listener").build().save(folder / "weights")
    prompts = yaml.safe_load(resources.files("mixlab.language").joinpath("data", "prompts.yaml").read_text("utf-8"))
    del prompts["held_out"]  # so tests are worded as training is
    prompts["advice_seeking"] = ["What would the studio do here?"]
    (folder / "prompts.yaml").write_text(yaml.safe_dump(prompts))
    files = {
        "model/studio.yaml": f"builder: from_pretrained\narguments: {{name: {folder}/weights}}\nmax_new_tokens: 96\n",
        "dataset/studio.yaml": "defaults: [demo_small]\nkind: studio_songs\n",
        "sweep/temperature.yaml": """\
            # @package _global_
            name: temperature
            controls: []
            hydra: {sweeper: {params: {loss.decisive_weight: "1,5"}}}
            """,
    }
    for name, text in files.items():
        (folder / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "conf" / name).write_text(textwrap.dedent(text))
    return folder


FAST = ("+experiment=bass_anchor", "debug=fast", "controls=[]", "callbacks.progress_bar=false")


@pytest.fixture(scope="module")
def trained(studio):
    """A run with everything of the studio's own; its folder."""
    done = run(
        studio, "train", "--config-dir", "conf", *FAST, "plugins=[studio]", "name=own", "model=studio",
        "dataset=studio", "inputs.layout=halves", f"prompt.prompts={studio}/prompts.yaml",
        f"evaluation.prompt.prompts={studio}/prompts.yaml",
        "evaluation.baselines=[chance,raise_the_quietest]", PYTHONPATH=path(studio),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (studio / "outputs" / "own").iterdir()
    return folder


def path(studio):
    from tests.commands import CHECKOUT

    return f"{CHECKOUT}:{studio}"


def figures(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_baseline_and_a_metric_stand_in_the_figures_and_the_tables(trained):
    assert 0.0 < figures(trained)["baselines/raise_the_quietest/anchor_left_alone"] <= 1.0
    assert "test/anchor_left_alone" in figures(trained)
    results = (trained / "tables" / "results.csv").read_text()
    assert "raise the quietest" in results
    assert "anchor_left_alone" in results


def test_a_layout_a_data_set_a_backbone_and_a_bank_of_prompts_are_trained_with(trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert config["inputs"]["layout"] == "halves"
    assert config["dataset"]["kind"] == "studio_songs"
    assert config["model"]["builder"] == "from_pretrained"
    asked = [json.loads(line) for line in (trained / "predictions.jsonl").open()]
    said = {row["prompt"] for row in asked if row["prompt_category"] == "advice_seeking"}
    assert said == {"What would the studio do here?"}


@pytest.mark.slow
def test_a_probe_is_asked(trained, studio):
    few = ("probes.which=[asked_twice]", "probes.items=4", "evaluation.baselines=[chance]", "plugins=[studio]")
    done = run(studio, "evaluate", f"checkpoint={trained}", *few, "out=probed", PYTHONPATH=path(studio))
    assert done.returncode == 0, done.stderr[-3000:]
    assert figures(studio / "probed")["probe/asked_twice/items"] == 4.0
    assert 0.0 <= figures(studio / "probed")["probe/asked_twice/stays"] <= 1.0


@pytest.mark.slow
def test_a_sweep_axis_is_swept(studio):
    sweep = ("-m", "--config-dir", "conf", *FAST, "+sweep=temperature", "hydra.sweep.dir=sweep")
    done = run(studio, "train", *sweep, "evaluation.baselines=[chance]")
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(studio.glob("sweep/decisive_weight-*/metrics.json"))) == 2
