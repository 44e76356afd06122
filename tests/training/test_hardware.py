"""What the machine cannot do is said in one sentence before any long work."""

import inspect
import re
from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.accelerators import MPSAccelerator

from mixlab.cli.run import _cores
from mixlab.errors import ConfigError
from mixlab.models.footprint import Footprint, PartFootprint
from mixlab.runs.job import Job
from mixlab.runs.settings import TrainerSettings
from mixlab.runs.trainer import build_trainer, check_devices_there
from mixlab.training import hardware
from mixlab.training.build import estimate
from mixlab.training.flow import require_steps_left
from tests.conftest import train_settings

TWO_ON_A_CPU = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true")


def job(launcher=None):
    """A job alone, or one of a sweep of a launcher."""
    sweep = {} if launcher is None else {"sweep": Path("sweep"), "launcher": launcher}
    return Job("train", (), Path("run"), **sweep)


def cpu(tmp_path, flags):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu sse2 {flags}\nbugs :\n")
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    ("flags", "has"), [("avx512f avx512_bf16", True), ("amx_tile amx_bf16", True), ("avx2 avx512f", False), ("", False)]
)
def test_a_cpu_has_bfloat16_units_where_its_flags_say_so(tmp_path, flags, has):
    assert hardware.cpu_has_bfloat16(cpu(tmp_path, flags)) is has


def test_a_system_that_says_nothing_counts_as_without(tmp_path):
    assert not hardware.cpu_has_bfloat16(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["trainer.precision=bf16-mixed"], r"trainer\.precision is 'bf16-mixed', but this CPU .* set it to 32-true"),
        (["+model.arguments.dtype=bfloat16"], r"model\.arguments\.dtype is 'bfloat16', but this CPU"),
    ],
)
def test_bfloat16_is_refused_on_a_cpu_without_it(monkeypatch, overrides, says):
    settings = train_settings(*overrides)
    trainer = build_trainer(settings.trainer)
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: False)
    with pytest.raises(ConfigError, match=says):
        hardware.check_precision(settings, trainer)
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: True)
    hardware.check_precision(settings, trainer)


IN_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


@pytest.mark.parametrize("launcher", [IN_PROCESS, JOBLIB, RAY])
def test_a_sweep_of_this_process_over_several_devices_is_refused_with_the_way_out(launcher):
    settings = train_settings(*TWO_ON_A_CPU)
    with pytest.raises(ConfigError, match=r"2 devices a job.*trainer\.devices=1, .* hydra/launcher=slurm"):
        hardware.check_devices(settings, build_trainer(settings.trainer), job(launcher))


def test_a_sweep_with_one_device_a_job_or_given_to_slurm_goes_ahead():
    one, two = train_settings(), train_settings(*TWO_ON_A_CPU)
    hardware.check_devices(one, build_trainer(one.trainer), job(IN_PROCESS))
    hardware.check_devices(two, build_trainer(two.trainer), job(SUBMITIT))
    hardware.check_devices(two, build_trainer(two.trainer), job())


def test_four_bit_weights_are_not_shared_among_devices():
    settings = train_settings("trainer=fsdp", "trainer.accelerator=cpu", "trainer.precision=32-true", "adapter=qlora")
    with pytest.raises(ConfigError, match=r"adapter=qlora; choose trainer=ddp or adapter=lora"):
        hardware.check_devices(settings, build_trainer(settings.trainer), job())


def of_bytes(size):
    return Footprint((PartFootprint("language_model", 0, size, 0, size, 0),))


def test_every_process_of_a_machine_needs_its_own_copy(monkeypatch):
    monkeypatch.setattr(hardware, "free_host_bytes", lambda: 15_000_000_000)
    one, two = (build_trainer(train_settings(*words).trainer) for words in ((), TWO_ON_A_CPU))
    assert isinstance(two, lightning.Trainer)
    hardware.check_room(of_bytes(10**10), of_bytes(10**10), one)
    with pytest.raises(ConfigError, match=r"needs 20\.0 GB on the machine beside activations, where 15\.0 GB are free"):
        hardware.check_room(of_bytes(10**10), of_bytes(10**10), two)


@pytest.mark.parametrize(
    ("cores", "devices", "most", "expected"),
    [(2, 1, 4, 1), (1, 1, 4, 1), (16, 1, 4, 4), (16, 4, 4, 2), (8, [0, 1], 4, 2), (16, "auto", 4, 4), (2, 8, 4, 1)],
)
def test_cores_are_shared_by_two_tasks_of_every_process(monkeypatch, cores, devices, most, expected):
    monkeypatch.setattr("mixlab.cli.run._cpu_count", lambda: cores)
    assert _cores(devices, most) == expected


@pytest.mark.parametrize("adapter", ["lora", "qlora", "dora", "rslora", "full", "none"])
def test_every_adapter_composes_and_tells_its_table_before_a_weight_is_loaded(adapter):
    loaded, trained = estimate(train_settings(f"adapter={adapter}"))
    assert loaded.parameters == 1_181_568
    assert (trained.trainable > 0) is (adapter != "none")
    assert trained.training_bytes == trained.weight_bytes + trained.gradient_bytes + trained.optimizer_bytes
    assert adapter not in ("lora", "qlora", "dora", "rslora") or "28" in trained.table()[-2]


def devices(**changes):
    """The settings of a trainer, with other devices."""
    return train_settings().trainer.but(**changes)


@pytest.mark.parametrize(
    ("changes", "gpus", "says"),
    [
        ({"accelerator": "gpu"}, 0, "trainer.accelerator is 'gpu', but PyTorch finds no such device"),
        ({"accelerator": "cuda"}, 0, "trainer.accelerator is 'cuda'"),
        ({"accelerator": "mps"}, 1, "trainer.accelerator is 'mps'"),
        ({"accelerator": "gpu", "devices": 3}, 2, "trainer.devices is 3, but this machine has the GPUs 0 to 1"),
        ({"accelerator": "gpu", "devices": [0, 2]}, 2, "set it to 1 to 2"),
        ({"devices": 10_000}, 0, "trainer.devices is 10000, but this machine has"),
        ({"devices": -1}, 0, "trainer.devices is -1"),
        ({"devices": [0]}, 0, "cores, which have no numbers"),
        ({"num_nodes": 2}, 0, "trainer.num_nodes is 2, but this process would wait for the other machines in vain"),
    ],
)
def test_devices_that_the_machine_lacks_are_refused_by_key(monkeypatch, changes, gpus, says):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(MPSAccelerator, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=re.escape(says)):
        check_devices_there(devices(**changes))


@pytest.mark.parametrize(
    ("changes", "gpus"),
    [
        ({}, 0),
        ({"devices": "auto"}, 0),
        ({"accelerator": "gpu", "devices": -1}, 2),
        ({"accelerator": "auto", "devices": [1]}, 2),
    ],
)
def test_devices_that_are_there_are_taken(monkeypatch, changes, gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    check_devices_there(devices(**changes))


def test_several_machines_are_taken_where_a_launcher_started_the_process(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    check_devices_there(devices(num_nodes=2))


def test_a_run_that_has_had_its_steps_is_not_gone_on_with():
    settings = train_settings("ckpt_path=outputs/a/run", "trainer.max_steps=600")
    require_steps_left(settings, 599)
    with pytest.raises(ConfigError, match=r"ckpt_path is 'outputs/a/run', a run of 600 steps, .* set it above 600"):
        require_steps_left(settings, 600)


def test_every_option_of_lightning_is_one_of_ours_or_refused_with_a_reason():
    options = set(inspect.signature(lightning.Trainer).parameters)
    ours = set(TrainerSettings.model_fields) - {"threads", "features"}
    assert ours | set(TrainerSettings.refused) == options
    assert not ours & set(TrainerSettings.refused)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+trainer.overfit_batches=1", "'trainer.overfit_batches' is 1: every epoch draws new examples; set data."),
        ("+trainer.fast_dev_run=true", "choose debug=fast"),
        ("+trainer.limit_train_batches=0", "'trainer.limit_train_batches' is 0"),
        ("+trainer.val_check_interval=1000", "'trainer.val_check_interval' is 1000: a run validates after every data."),
        ("+trainer.check_val_every_n_epoch=0", "set that"),
        (
            "+trainer.max_epochs=0",
            "'trainer.max_epochs' is 0: a run ends by its optimizer steps; set",
        ),
        ("+trainer.callbacks=[1]", "'trainer.callbacks' is [1]: mixlab settles it itself; leave it out"),
        ("+trainer.accumulate_grad_batches=0", "'trainer.accumulate_grad_batches' is 0"),
        ("+trainer.accumulate_grad_batches=1.5", "'trainer.accumulate_grad_batches' is 1.5"),
        ("+trainer.max_time=abc", "'trainer.max_time' is 'abc'"),
        ("+trainer.deterministic=banana", "'trainer.deterministic' is 'banana'"),
        ("+trainer.profiler=foo", "'trainer.profiler' is 'foo'"),
        ("+trainer.num_nodes=0", "'trainer.num_nodes' is 0"),
        ("+trainer.strategy=foo", "'trainer.strategy' is 'foo': give auto or ddp"),
        ("trainer.precision=64-true", "'trainer.precision' is '64-true': input should be '32-true'"),
        ("trainer.accelerator=tpu", "'trainer.accelerator' is 'tpu': input should be 'cpu'"),
        ("trainer.devices=0", "'trainer.devices' is 0: give how many"),
        ("trainer.devices=[0,0]", "'trainer.devices' is [0, 0]"),
        ("trainer.devices=many", "'trainer.devices' is 'many'"),
        ("trainer.max_steps=-1", "'trainer.max_steps' is -1"),
        ("trainer.gradient_clip_val=-1", "'trainer.gradient_clip_val' is -1"),
        ("trainer.log_every_n_steps=0", "'trainer.log_every_n_steps' is 0"),
        ("trainer.num_sanity_val_steps=-1", "'trainer.num_sanity_val_steps' is -1"),
        ("trainer.threads=100000", "'trainer.threads' is 100000"),
        ("+trainer.maxsteps=4", "unknown key 'trainer.maxsteps' (did you mean 'max_steps'?)"),
    ],
)
def test_an_option_of_lightning_that_cannot_work_is_refused_when_it_is_parsed(override, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        train_settings(override)


def test_options_that_are_left_to_lightning_are_not_written_down():
    settings = train_settings("+trainer.accumulate_grad_batches=2").trainer
    assert settings.options["accumulate_grad_batches"] == settings.plain()["accumulate_grad_batches"] == 2
    assert "profiler" not in {**settings.options, **settings.plain()}
