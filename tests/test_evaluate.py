"""The command that evaluates: a run, an adapter, a model as it comes, a baseline; and what it refuses."""

from __future__ import annotations

import json
import shutil

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mixlab import build, evaluating
from mixlab.cli import config_folder, register_resolvers
from mixlab.config import CompareSchema, EvaluateSchema, check
from mixlab.errors import CheckpointError, ConfigError
from mixlab.models.checkpoints import Description, read_description, save_trained
from mixlab.scoring import read_predictions

SMALL = (
    "dataset=demo_small", "dataset.train_songs=6", "dataset.validation_songs=1", "dataset.test_songs=4",
    "dataset.shifted_songs=0", "dataset.duration_s=12", "data.prepare_workers=1", "data.workers=0",
)  # fmt: skip
QUICK = (
    "evaluation.tuning_items=40", "evaluation.resamples=20", "evaluation.items_per_song=4", "probes.items=2",
    "evaluation.baselines=[text_only,loudness_rule,loudness_rule_genre,oracle]", "model.max_new_tokens=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def composed(name, *overrides):
    register_resolvers()
    with initialize_config_dir(config_folder(), version_base="1.3"):
        return compose(name, overrides=list(overrides))


@pytest.fixture(scope="module")
def run(cache, tmp_path_factory):
    """A run folder as training leaves it, of a model that learnt nothing and writes eight tokens."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    cfg = composed("train", *SMALL, "name=first", "adapter.r=2", f"paths.cache={cache}", "model.max_new_tokens=8")
    module = build.advice_module(cfg, build.backbone(cfg))
    arguments = {"base": "listener", "seed": 0}
    description = Description("tiny", arguments, None, None, "stems", ["bass"], ["bass", "drums", "vocals", "other"],
                              10.0, -32.0, 8)  # fmt: skip
    save_trained(folder / "adapter", module.backbone, description)
    save_trained(folder / "controls" / "from_scratch" / "adapter", module.backbone, description)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    return folder


def evaluate(cache, *overrides):
    overrides = (*overrides, f"paths.cache={cache}")
    cfg = composed("evaluate", *overrides)
    check(OmegaConf.to_container(cfg, resolve=True), EvaluateSchema)
    return evaluating.evaluate(cfg, overrides)


@pytest.fixture(scope="module")
def evaluated(run, cache):
    """The run folder after its evaluation."""
    evaluate(cache, f"checkpoint={run}", "evaluation=default", *QUICK)
    return run


def test_a_run_is_evaluated_into_its_own_folder_with_its_controls(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    for method in ("base_unadapted", "from_scratch", "shuffled_audio", "oracle"):
        assert f"baselines/{method}/joint_accuracy" in metrics
        assert f"baselines/{method}/model_lead_p_holm" in metrics
    for key in ("probe/audio_shuffled/drop", "probe/claim_swap/stays", "probe/claim_swap/text_only/stays",
                "probe/global_gain/stays"):  # fmt: skip
        assert key in metrics
    assert any(key.startswith("test/confusion/") for key in metrics)
    assert not any(key.startswith("probe/anchor_swap") for key in metrics)
    written = {path.name for path in evaluated.iterdir()}
    assert {
        "predictions.jsonl",
        "report.html",
        "comparisons.md",
        "comparisons.csv",
        "probes.md",
        "evaluation.yaml",
    } <= written
    page = (evaluated / "report.html").read_text()
    assert "trained beside the anchor &#39;bass&#39; alone" in page
    for name, title in (("probe_claim_swap", "Does it hold its ground?"), ("against_joint_accuracy", "Who beats whom"),
                        ("category_confusion", "true and advised")):  # fmt: skip
        assert title in page
        assert (evaluated / "tables" / f"{name}.csv").is_file()
    assert len(read_predictions(evaluated / "predictions.jsonl")) == metrics["test/items"] * 2


def test_the_runs_own_songs_hold_where_the_command_line_names_none(evaluated):
    used = OmegaConf.load(evaluated / "evaluation.yaml")
    assert used.dataset.train_songs == 6
    assert used.evaluation.resamples == 20
    assert OmegaConf.load(evaluated / "config.yaml").evaluation.resamples == 2000


def test_a_baseline_stands_in_a_models_place(cache, tmp_path):
    joint = evaluate(cache, "checkpoint=null", "baseline=oracle", f"out={tmp_path}", *SMALL, *QUICK)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test/joint_accuracy"] == joint > 0.5
    assert "baselines/oracle/joint_accuracy" not in metrics
    assert not any(key.startswith("probe/") for key in metrics)
    assert all(p.text == "" for p in read_predictions(tmp_path / "predictions.jsonl"))


@pytest.mark.slow
def test_an_adapter_by_itself_and_a_model_as_it_comes_are_evaluated_elsewhere(run, cache, tmp_path):
    adapter = shutil.copytree(run / "adapter", tmp_path / "adapter")
    before = {path.name for path in adapter.iterdir()}
    for number, chosen in enumerate((f"checkpoint={adapter}", "checkpoint=null")):
        evaluate(cache, chosen, f"out={tmp_path / str(number)}", *SMALL, *QUICK, "probes.which=[]")
        assert "test/joint_accuracy" in json.loads((tmp_path / str(number) / "metrics.json").read_text())
    assert {path.name for path in adapter.iterdir()} == before


@pytest.mark.slow
def test_relative_errors_let_the_anchor_be_swapped(cache, tmp_path):
    relative = ("checkpoint=null", "error=relative", "evaluation/error=relative", "anchor=random")
    evaluate(cache, *relative, f"out={tmp_path}", *SMALL, *QUICK, "probes.which=[anchor_swap]")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for method in ("", "anchor_blind/", "loudness_rule_genre/"):
        assert f"probe/anchor_swap/{method}distance_db" in metrics


def test_what_is_named_on_the_command_line_wins_over_the_run_key_by_key(run):
    overrides = ["checkpoint=x", "evaluation/error=several", "data.eval_batch_size=3"]
    cfg = composed("evaluate", *overrides)
    stored = OmegaConf.load(run / "config.yaml")
    # As if the run were older than this key.
    del stored.evaluation["level"]
    merged = evaluating.settings_of(cfg, read_description(run / "adapter"), stored, overrides)
    assert list(merged.evaluation.error.faulty_stems) == [0.5, 0.3, 0.2]
    assert (merged.data.eval_batch_size, merged.data.batch_size) == (3, 16)
    assert merged.dataset.train_songs == 6
    assert merged.evaluation.level.headroom_dbfs == -32.0


def test_an_adapter_brings_its_inputs_and_its_anchor(run):
    description = read_description(run / "adapter")
    drums = Description(**{**description.__dict__, "anchors": ["drums"], "inputs": "mixture"})
    merged = evaluating.settings_of(composed("evaluate", "checkpoint=x"), drums, None, ["checkpoint=x"])
    assert (merged.anchor.stem, merged.inputs.layout) == ("drums", "mixture")


@pytest.mark.parametrize(
    ("overrides", "error", "sentence"),
    [
        (("checkpoint=/no/such/run",), CheckpointError, "/no/such/run is neither a run folder nor an adapter folder"),
        (
            ("checkpoint={run}", "anchor=drums"),
            CheckpointError,
            "anchor is 'drums', but the checkpoint was trained with",
        ),
        (
            ("checkpoint={run}", "inputs=mixture"),
            CheckpointError,
            "inputs is 'mixture', but the checkpoint was trained",
        ),
        (("checkpoint={run}", "baseline=ridge"), ConfigError, "a checkpoint and a baseline were given"),
        (("baseline=ridge",), ConfigError, "The key 'checkpoint' has no value"),
        (("checkpoint=null", "probes.which=[charm]"), ConfigError, "probes.which"),
        (("checkpoint=null", "baseline=charm"), ConfigError, "baseline"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_sentence_before_any_work(run, cache, overrides, error, sentence):
    with pytest.raises(error) as raised:
        evaluate(cache, *(override.format(run=run) for override in overrides))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dataset: [", "cannot be read as the configuration of a run"),
        ("name: x", "cannot be read as the configuration of a run"),
        ("dataset: {_target_: os.system}", "names the songs by 'os.system', which is not part of mixlab"),
    ],
)
def test_a_run_folder_whose_configuration_is_none_or_calls_strangers_is_refused(tmp_path, text, sentence):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml") as raised:
        evaluating.read_run(tmp_path)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("runs=[a]",), "runs"),
        (("runs=[a,b]", "names=[one]"), "give each run a name of its own"),
        ((), "The key 'runs' has no value"),
    ],
)
def test_a_comparison_needs_two_runs_and_a_name_for_each(overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check(OmegaConf.to_container(composed("compare", *overrides), resolve=True), CompareSchema)
    check(OmegaConf.to_container(composed("compare", "runs=[[a,b],c]"), resolve=True), CompareSchema)
