"""What the machine cannot do is said in one sentence before any long work."""

from pathlib import Path

import lightning
import pytest

from mixlab.cli.run import _cores
from mixlab.errors import ConfigError
from mixlab.models.footprint import Footprint, PartFootprint
from mixlab.runs.job import Job
from mixlab.runs.trainer import build_trainer
from mixlab.training import hardware
from mixlab.training.build import estimate
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
