"""The command that evaluates: a run, an adapter, a model as it comes, a baseline; and what it refuses."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from mixlab.errors import CheckpointError, ConfigError
from mixlab.evaluation import evaluate_command
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import Description, save_trained
from mixlab.runs.folder import RunFolder
from mixlab.scoring import read_predictions
from mixlab.training.build import adapted
from tests.conftest import composed, train_settings

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


@pytest.fixture(scope="module")
def run(cache, tmp_path_factory):
    """A run folder as training leaves it, of a model that learnt nothing and writes eight tokens."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    settings = train_settings(*SMALL, "name=first", "adapter.r=2", f"paths.cache={cache}", "model.max_new_tokens=8")
    backbone = adapted(settings, Tiny("listener").build())
    arguments = {"base": "listener", "seed": 0}
    description = Description(
        builder="tiny", arguments=arguments, feature_mean=None, feature_deviation=None, inputs="stems",
        anchors=["bass"], stems=["bass", "drums", "vocals", "other"], segment_s=10.0, headroom_dbfs=-32.0,
        max_new_tokens=8,
    )  # fmt: skip
    run = RunFolder(folder)
    save_trained(run.adapter, backbone, description)
    save_trained(run.control("from_scratch").adapter, backbone, description)
    run.write_config(settings)
    return folder


def settings_of(*overrides):
    """The settings of an evaluation, as its command makes them of a command line."""
    return evaluate_command.settings(composed(*overrides, name="evaluate"), overrides)


def evaluate(cache, *overrides):
    return evaluate_command.main(settings_of(*overrides, f"paths.cache={cache}"))


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
    used = yaml.safe_load((evaluated / "evaluation.yaml").read_text())
    assert used["dataset"]["train_songs"] == 6
    assert used["evaluation"]["resamples"] == 20
    assert RunFolder(evaluated).settings.evaluation.resamples == 2000


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


@pytest.fixture
def spoilable(run, tmp_path):
    """A copy of the run folder with another configuration, given as a text or as a change of the old one."""

    def make(config):
        copy = shutil.copytree(run, tmp_path / "copy")
        if not isinstance(config, str):
            values = yaml.safe_load((run / "config.yaml").read_text())
            config(values)
            config = yaml.safe_dump(values)
        (copy / "config.yaml").write_text(config)
        return copy

    return make


def test_what_is_named_on_the_command_line_wins_over_the_run_key_by_key(spoilable):
    def as_an_older_run(values):
        del values["evaluation"]["level"]
        values["data"]["batch_size"] = 5

    older = spoilable(as_an_older_run)
    merged = settings_of(f"checkpoint={older}", "evaluation/error=several", "data.eval_batch_size=3")
    assert merged.evaluation.error.faulty_stems == (0.5, 0.3, 0.2)
    assert (merged.data.eval_batch_size, merged.data.batch_size) == (3, 5)
    assert merged.dataset.arguments["train_songs"] == 6
    assert merged.evaluation.level.headroom_dbfs == -32.0


def test_the_configuration_of_a_run_of_before_things_had_names_is_read(spoilable):
    def as_an_older_run(values):
        values["dataset"]["_target_"] = "mixlab.multitrack.demo.source.DemoSource"
        values["adapter"]["_target_"] = "mixlab.models.adapters.lora"
        values["loss"]["_target_"] = "mixlab.models.loss.LossSettings"
        del values["dataset"]["kind"], values["adapter"]["kind"]

    older = spoilable(as_an_older_run)
    assert settings_of(f"checkpoint={older}").dataset.kind == "demo"
    assert RunFolder(older).settings.adapter.kind == "lora"


def test_an_adapter_brings_its_inputs_its_anchor_and_its_length(run, tmp_path):
    adapter = shutil.copytree(run / "adapter", tmp_path / "adapter")
    description = json.loads((adapter / "mixlab.json").read_text())
    changes = {"anchors": ["drums"], "inputs": "mixture", "segment_s": 8.0}
    (adapter / "mixlab.json").write_text(json.dumps(description | changes))
    merged = settings_of(f"checkpoint={adapter}")
    assert (merged.anchor.stem, str(merged.inputs.layout), merged.data.segment_s) == ("drums", "mixture", 8.0)


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
        (
            ("checkpoint=null", "probes.which=[charm]"),
            ConfigError,
            "The key 'probes.which' is ['charm']: there is no probe",
        ),
        (("checkpoint=null", "baseline=charm"), ConfigError, "there is no baseline 'charm'"),
        (("checkpoint=null", "evaluation.baselines=[charm]"), ConfigError, "there is no baseline 'charm'"),
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
        ("name: x", "cannot be read as the configuration of a run (it names no songs); give checkpoint="),
        ("dataset: {_target_: os.system}", "names 'os.system' to be called (dataset._target_)"),
        ("plugins: [evil]\ndataset: {kind: demo}", "names modules to be imported"),
    ],
)
def test_a_run_folder_whose_configuration_is_none_or_calls_strangers_is_refused(spoilable, text, sentence):
    folder = spoilable(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml") as raised:
        settings_of(f"checkpoint={folder}")
    assert sentence in str(raised.value)
