"""Every experiment and every sweep: what it composes to can be built, and trains a step."""

import json

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mixlab.chat.encoder import ChatEncoder
from mixlab.cli.table import config_folder
from mixlab.items.drawn import DrawnItems
from mixlab.runs.trainer import build_trainer
from mixlab.scoring.prediction import read_predictions
from mixlab.synthesis.problem import PromptCategory
from mixlab.training.build import estimate
from mixlab.training.data import MixDataModule
from mixlab.training.flow import new_module
from tests.commands import run
from tests.conftest import train_settings

CONF = config_folder()
SLOW = pytest.mark.slow
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))
SOME = [name if name in ("anchor_choice", "backbone") else pytest.param(name, marks=SLOW) for name in SWEEPS]
"""A sweep over a group and one over keys are fast; all others follow the same road."""
FULL_SIZE = {"musdb18hq_7b_lora": 16.8e9, "musdb18hq_7b_qlora": 7.35e9}
"""Recipes that no CPU runs, and how many bytes their weights take."""
OWN = {"audio_only", "advice_seeking", "incorrect_description", "correct_description", "narrow_errors", "wide_errors"}
OWN |= {"mixingbuddy", "mixingbuddy_paper"}
"""Experiments that train on other errors or prompts than they are evaluated on."""
ONE_STEP = ("trainer.max_steps=1", "data.batch_size=4", "data.examples_per_epoch=4", "data.workers=0")


def jobs_of(sweep: str, *more: str) -> list[list[str]]:
    """The overrides of each job of a sweep, as Hydra's own sweeper finds them."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=["+experiment=bass_anchor", f"+sweep={sweep}"], return_hydra_config=True)
    swept = [f"{key}={values}" for key, values in cfg.hydra.sweeper.params.items()]
    parsed = OverridesParser.create().parse_overrides([*swept, *more])
    return [list(job) for job in BasicSweeper.split_arguments(parsed, None)[0]]


@pytest.fixture
def train_a_step(demo_source, demo_store, demo_cache, tmp_path):
    """Trains a configuration for a step on the demo songs of all tests; returns its bank."""

    def train(*overrides: str):
        assert demo_store.songs  # the store is prepared
        settings = train_settings(*overrides, *ONE_STEP, f"paths.cache={demo_cache}")
        bank = DrawnItems(demo_source, settings, 16000)
        module = new_module(settings, bank)
        data = MixDataModule(bank, ChatEncoder(module.backbone.chat, settings.readings), features_in_worker=True)
        data.setup()
        before = [p.detach().clone() for p in module.parameters() if p.requires_grad]
        trainer = build_trainer(settings.trainer, limit_val_batches=0, default_root_dir=tmp_path)
        trainer.fit(module, datamodule=data)
        after = [p for p in module.parameters() if p.requires_grad]
        assert trainer.global_step == 1
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
        return bank

    return train


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("bass_anchor", "mixingbuddy", "mixingbuddy_paper", "audio_only")
        else pytest.param(name, marks=SLOW)
        for name in EXPERIMENTS
        if name not in FULL_SIZE
    ],
)
def test_every_experiment_trains_a_step_and_knows_whether_it_has_items_of_its_own(train_a_step, name):
    own = train_a_step(f"+experiment={name}").as_trained()
    assert (own is not None) is (name in OWN)
    assert own is None or own.problems("test")


@pytest.mark.parametrize("name", FULL_SIZE)
def test_the_full_size_recipes_are_built_without_weights_and_fit_one_gpu(name):
    settings = train_settings(f"+experiment={name}", "dataset.root=/data/musdb18hq")
    _, trained = estimate(settings)
    assert round(trained.parameters / 1e8) == 84
    assert trained.weight_bytes == pytest.approx(FULL_SIZE[name], rel=0.02)
    assert trained.trainable / 1e6 == pytest.approx(40 + 5.2, abs=0.5)
    accumulated = settings.trainer.options["accumulate_grad_batches"]
    assert settings.data.batch_size * accumulated == 32
    assert settings.compute.recompute_activations
    on_a_cpu = settings.trainer.but(accelerator="cpu", precision="32-true")
    assert build_trainer(on_a_cpu).accumulate_grad_batches == accumulated


def test_there_is_a_sweep_for_every_question():
    asked = {
        "anchor_choice",
        "error_range",
        "prompt_category",
        "adapter_rank",
        "inputs",
        "readings",
        "backbone",
        "objective",
    }
    assert {*asked, "joint"} <= set(SWEEPS)


@pytest.mark.parametrize("name", SOME)
def test_the_first_job_of_every_sweep_trains_a_step(train_a_step, name):
    train_a_step("+experiment=bass_anchor", f"+sweep={name}", *jobs_of(name)[0])


@pytest.mark.parametrize("name", SOME)
def test_every_job_of_a_sweep_has_a_configuration_of_its_own(name):
    jobs = jobs_of(name)
    found = [train_settings("+experiment=bass_anchor", f"+sweep={name}", *job) for job in jobs]
    assert len(jobs) > 2
    assert len({str(settings.plain()) for settings in found}) == len(jobs)
    assert {(settings.name, settings.controls) for settings in found} == {(name, ())}
    assert len({str(settings.evaluation.plain()) for settings in found}) == 1, "one protocol for all"


def test_seeds_multiply_the_jobs_and_a_value_in_the_command_takes_the_place_of_a_list():
    assert len(jobs_of("joint")) == 18
    assert len(jobs_of("joint", "seed=0,1,2", "adapter.r=16")) == 27


@pytest.mark.parametrize("name", SWEEPS)
def test_the_command_in_a_sweeps_comment_says_what_the_sweep_does(name):
    path = CONF / "sweep" / f"{name}.yaml"
    by_hand = f"#   mixlab train -m +experiment=bass_anchor name={name} controls=[] "
    (plain,) = (line for line in path.read_text().splitlines() if line.startswith(by_hand))
    sweep = OmegaConf.load(path)
    assert (sweep.name, sweep.controls) == (name, [])
    swept = [f"{key}={values}" for key, values in sweep.hydra.sweeper.params.items()]
    assert plain.removeprefix(by_hand).split() == swept


@pytest.mark.slow
def test_a_sweep_in_this_process_over_several_devices_ends_in_one_sentence_with_the_way_out(tmp_path):
    several = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.precision=32-true")
    done = run(tmp_path, "train", "-m", "+experiment=bass_anchor", "+sweep=adapter_rank", *several)
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert "2 devices a job" in error
    assert "set trainer.devices=1, or give the jobs to SLURM with hydra/launcher=slurm" in error


@pytest.mark.slow
def test_a_run_that_trains_on_claims_alone_is_scored_on_the_common_items_and_on_its_own(tmp_path):
    few = ("debug=fast", "evaluation.baselines=[chance,text_only,loudness_rule]", "callbacks.progress_bar=false")
    done = run(tmp_path, "train", "+experiment=incorrect_description", *few)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (tmp_path / "outputs" / "incorrect_description").iterdir()
    figures = json.loads((folder / "metrics.json").read_text())
    common, own = (read_predictions(folder / f"predictions{end}.jsonl") for end in ("", "-test_own"))
    assert {prediction.problem.prompt_category for prediction in common} == set(PromptCategory)
    assert {prediction.problem.prompt_category for prediction in own} == {PromptCategory.INCORRECT_DESCRIPTION}
    assert [p.problem.errors for p in common] == [p.problem.errors for p in own], "only what is said differs"
    assert figures["test/items"] == len(common) / 2
    assert figures["test_own/items"] == len(own) == len(common)
    for key in ("test_own/joint_accuracy", "test_own/baselines/text_only/joint_accuracy", "test_own/gain_mae_db_low"):
        assert key in figures
    assert "test_own/baselines/base_unadapted/joint_accuracy" not in figures
    page = (folder / "report.html").read_text()
    assert "Asked as it was trained" in page
    assert "every prompt makes a claim" in page
    assert (folder / "tables" / "test_own" / "results.csv").is_file()
