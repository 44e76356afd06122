"""A folder may come from a stranger: whatever it names, nothing is imported, called or looked up for it."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mixlab.cli.commands import COMMANDS, run_verb
from mixlab.cli.run import _hydras_own
from mixlab.errors import CheckpointError, ConfigError, InputFileError
from mixlab.evaluation import evaluate_command
from mixlab.hub import export_command
from mixlab.models.adapters import LANGUAGE_MODEL_LINEARS, lora
from mixlab.models.backbones.source import TINY_FOLDER
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.checkpoints import Description, read_description, save_trained
from mixlab.runs.folder import RunFolder
from mixlab.sweeps import plan
from mixlab.training.fit import read_checkpoint
from tests.conftest import composed

SECRET = "hunter2"
CALLS = {"_target_": "os.system", "command": "touch canary"}


@pytest.fixture(autouse=True)
def trap(tmp_path, monkeypatch):
    """A folder to stand in with what a stranger would like to be run; nothing of it may leave a canary."""
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('canary').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SECRET", SECRET)
    yield
    assert not (tmp_path / "canary").exists()
    assert "evil" not in sys.modules


@pytest.fixture
def refused(monkeypatch, capsys):
    """Runs a command that has to end with code 2 and one sentence, which is returned."""
    from hydra.core.global_hydra import GlobalHydra

    def call(*words):
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", ["mixlab", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_verb(words)
        said = capsys.readouterr()
        assert ended.value.code == 2, said
        assert "Traceback" not in said.err
        assert SECRET not in said.err + said.out
        (sentence,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
        return sentence

    return call


@pytest.fixture(scope="session")
def honest(tmp_path_factory):
    """A run folder with an adapter, a configuration and figures."""
    folder = tmp_path_factory.mktemp("strangers") / "run"
    description = Description(
        builder="tiny", arguments={"base": "listener", "seed": 0}, feature_mean=None, feature_deviation=None,
        inputs="stems", anchors=["bass"], stems=["bass", "drums", "vocals", "other"], segment_s=10.0,
        headroom_dbfs=-32.0, max_new_tokens=8,
    )  # fmt: skip
    base = Tiny("listener").build()
    model = lora(base, 2, 4, 0.0, LANGUAGE_MODEL_LINEARS, train_projector=True)
    save_trained(folder / "adapter", replace(base, model=model), description)
    config = composed("+experiment=bass_anchor", "dataset=demo_small")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(
        json.dumps({"test/joint_accuracy": 0.5, "test/items": 9, "test/songs": 3, "test/direction_accuracy": 0.6})
    )
    return folder


@pytest.fixture
def spoilt(honest, tmp_path):
    """The run folder with something put at a dotted key of its configuration."""

    def make(key, value):
        folder = shutil.copytree(honest, tmp_path / "runs" / "run")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        *groups, last = key.split(".")
        node = config
        for group in groups:
            node = node.setdefault(group, {})
        node[last] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return folder

    return make


PLANTED = {
    "a choice": ("dataset", CALLS, "dataset._target_"),
    "an argument": ("dataset.seed", CALLS, "dataset.seed._target_"),
    "a list of an argument": ("dataset.stems", [{"a": [CALLS]}], "dataset.stems[0].a[0]._target_"),
    "a target that is no text": ("dataset._target_", ["os.system"], "dataset._target_"),
    "a group that is not rebuilt": ("optim", CALLS, "optim._target_"),
    "a strategy": ("trainer.strategy", CALLS, "trainer.strategy._target_"),
    "plugins": ("plugins", ["evil"], "plugins"),
    "plugins as a text": ("plugins", "evil", "plugins"),
    "plugins of the trainer": ("trainer.plugins", [CALLS], "trainer.plugins"),
    "the environment": ("dataset.root", "${oc.env:SECRET}", "dataset.root"),
    "the environment in a list": ("anchor.stem", ["${ oc.env:SECRET}"], "anchor.stem[0]"),
    "a resolver of mixlab": ("data.workers", "${cores:1,2}", "data.workers"),
    "a list of defaults": ("defaults", ["/dataset@_here_: evil"], "defaults"),
    "a search path": ("hydra.searchpath", ["file:///tmp/evil"], "hydra"),
    "a callback": ("hydra.callbacks.x", CALLS, "hydra"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_rebuilt_from_a_run_folder_names_nothing_to_be_run(spoilt, planted):
    key, value, named = PLANTED[planted]
    folder = spoilt(key, value)
    with pytest.raises(CheckpointError) as raised:
        RunFolder(folder).read_config()
    assert f"{folder}/config.yaml " in str(raised.value)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "checkpoint={run}", "out=out"),
        ("publish", "checkpoint={run}", "repo=me/it", "what=[model]", "out=out"),
        ("publish", "checkpoint={run}", "repo=me/it", "what=[dataset]", "out=out"),
        ("study", "build", "runs={{it: {run}}}", "out=out"),
    ],
    ids=" ".join,
)
def test_every_command_that_rebuilds_refuses_in_a_sentence(spoilt, refused, words):
    folder = spoilt("dataset", CALLS)
    sentence = refused(*(word.format(run=folder) for word in words))
    assert f"{folder}/config.yaml names 'os.system' to be called (dataset._target_)" in sentence


@pytest.mark.parametrize("planted", PLANTED)
def test_pages_of_such_a_run_show_words_and_call_nothing(spoilt, planted):
    key, value, _ = PLANTED[planted]
    folder = spoilt(key, value)
    run = RunFolder(folder)
    assert run.held("dataset.kind") in ("demo", "os.system")
    assert isinstance(run.is_demo, bool)
    if planted not in ("the environment in a list",):
        assert run.axes["anchor"] == "bass"


def test_a_sweep_s_page_shows_a_run_whose_class_nobody_knows(spoilt):
    folder = spoilt("dataset", CALLS | {"kind": None})
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "overrides.yaml").write_text("['+dataset._target_=os.system', seed=1]")
    other = shutil.copytree(folder, folder.with_name("other"))
    (other / ".hydra" / "overrides.yaml").write_text("[dataset=demo, seed=1]")
    run_verb(("report", str(folder.parent), "--out", "page"))
    assert "os.system" in Path("page/report.html").read_text()


def test_a_run_of_ones_own_class_is_described_and_is_evaluated_where_the_command_line_names_the_class_again(spoilt):
    folder = spoilt("dataset", {"_target_": "my_lab.Songs", "root": "/songs"})
    run = RunFolder(folder)
    assert (run.config["dataset"], run.is_demo) == ({"kind": "my_lab.Songs", "root": "/songs"}, False)
    assert run.axes["rank"] == run.settings.adapter.arguments["r"]
    again = ("~dataset.kind", "+dataset._target_=my_lab.Songs", "~dataset.seed")
    values = composed(f"checkpoint={folder}", *again, name="evaluate")
    dataset = evaluate_command.settings(values, again).dataset
    assert (dataset.target, dataset.arguments) == ("my_lab.Songs", {"root": "/songs"})
    with pytest.raises(CheckpointError, match="name your own class on the command line"):
        evaluate_command.settings(composed(f"checkpoint={folder}", name="evaluate"), ())
    dropped = composed(f"checkpoint={folder}", "~dataset.seed", name="evaluate")
    with pytest.raises(CheckpointError, match=r"dataset\._target_"):
        evaluate_command.settings(dropped, ("~dataset.seed",))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "a: &a [*a]",
        "[" * 1200,
        "a: !!python/object/apply:os.system ['touch canary']",
        "x: " + "y" * 2_000_000,
        "- a",
        "a: \x00",
    ],
    ids=["aliases", "a circle", "depth", "a tag", "size", "a list", "NUL"],
)
def test_a_configuration_that_no_yaml_should_be_is_refused_soon(spoilt, text):
    folder = spoilt("name", "x")
    (folder / "config.yaml").write_text(text)
    (folder / ".hydra").mkdir()
    for name in ("overrides.yaml", "hydra.yaml"):
        (folder / ".hydra" / name).write_text(text)
    run = RunFolder(folder)
    with pytest.raises(CheckpointError, match="cannot be read as the configuration of a run"):
        run.read_config()
    with pytest.raises(CheckpointError, match="cannot be read as the configuration of a run"):
        _ = run.config
    assert run.choices == {}
    assert isinstance(run.overrides, dict)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"builder": "os.system", "arguments": {"command": "touch canary"}}, "os.system"),
        ({"arguments": {"base": CALLS}}, "arguments.base._target_"),
        ({"arguments": {"base": None, "architectures": {"x": [CALLS]}}}, "arguments.architectures.x[0]._target_"),
        ({"arguments": {"base": "${oc.env:SECRET}"}}, "arguments.base"),
        ({"_target_": "os.system"}, "_target_"),
        ({"plugins": ["evil"]}, "plugins"),
    ],
)
def test_an_adapter_folder_names_nothing_to_be_run(honest, tmp_path, refused, change, named):
    folder = shutil.copytree(honest / "adapter", tmp_path / "adapter")
    description = json.loads((folder / "mixlab.json").read_text())
    (folder / "mixlab.json").write_text(json.dumps(description | change))
    with pytest.raises(CheckpointError, match=r"mixlab\.json|builder") as raised:
        read_description(folder).build()
    assert named in str(raised.value)
    if "builder" not in change:
        assert named in refused("evaluate", f"checkpoint={folder}", "out=out")


@pytest.mark.parametrize("key", ["_target_", "auto_map", "modules_to_call"])
def test_the_configuration_of_an_adapter_is_that_of_peft_alone(honest, tmp_path, refused, key):
    folder = shutil.copytree(honest / "adapter", tmp_path / "adapter")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: "evil.run"}))
    sentence = refused("merge", f"checkpoint={folder}", "out=out")
    assert f"{path} sets {key} to 'evil.run'" in sentence


def test_the_code_of_a_base_folder_never_runs(tmp_path, refused):
    folder = shutil.copytree(TINY_FOLDER, tmp_path / "base")
    shutil.copy("evil.py", folder)
    classes = {name: "evil.Model" for name in ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor")}
    for name in ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            values = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(values | {"auto_map": classes} | CALLS))
    assert Tiny(str(folder)).build().model.config.model_type == "qwen2_audio"
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary()))
    sentence = refused(
        "evaluate", "checkpoint=null", "model.builder=from_pretrained", f"+model.arguments.name={folder}",
        "~model.arguments.base", "~model.arguments.seed", "out=out",
    )  # fmt: skip
    assert str(folder) in sentence


class Canary:
    """Its pickle leaves a canary."""

    def __reduce__(self):
        import os

        return os.system, ("touch canary",)


def test_a_checkpoint_is_no_pickle_that_runs(tmp_path):
    for name, content in (("a", pickle.dumps(Canary())), ("b", pickle.dumps({"state_dict": Canary()}))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="is no checkpoint of mixlab"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dataset": CALLS}, "settings.dataset._target_"),
        ({"anchor": {"stem": [CALLS]}}, "settings.anchor.stem[0]._target_"),
        ({"plugins": ["evil"]}, "settings.plugins"),
        ({"prompt": {"prompts": "${oc.env:SECRET}"}}, "settings.prompt.prompts"),
    ],
)
def test_an_exported_data_set_names_nothing_to_be_run(copied, refused, change, named):
    path = copied / "mixlab_export.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"settings": manifest["settings"] | change}))
    for words in (("export", f"rebuild={copied}"), ("train", "dataset=jsonl", f"dataset.root={copied}")):
        sentence = refused(*words)
        assert str(path) in sentence
        assert named in sentence


def test_the_songs_of_a_rebuilding_are_those_of_the_command_line(copied):
    path = copied / "mixlab_export.json"
    manifest = json.loads(path.read_text())
    theirs = {"dataset": {"kind": "folder", "root": "/etc"}, "paths": {"cache": "/etc"}}
    path.write_text(json.dumps(manifest | {"settings": manifest["settings"] | theirs}))
    asked = export_command.settings(composed(f"rebuild={copied}", name="export"), ())
    assert (asked.dataset.kind, asked.paths.cache) == ("demo", composed(name="export")["paths"]["cache"])


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../../secret": {"bytes": 1, "sha256": ""}}},
        {"files": {"/etc/passwd": {"bytes": 1, "sha256": ""}}},
        {"files": ["a"]},
        {"settings": [1]},
        {"songs": 5},
        {"items": {"train": "many"}},
        {"roles": 7},
        {"_target_": "os.system"},
    ],
)
def test_a_manifest_of_other_types_or_that_leads_out_is_refused_by_name(copied, refused, change):
    path = copied / "mixlab_export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert f"{path} cannot be read as a manifest" in refused("train", "dataset=jsonl", f"dataset.root={copied}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (json.dumps(CALLS), "mode"),
        (json.dumps({"_target_": "os.system", "mode": "rate", "plugins": ["evil"]}), "study.json"),
        ("[" * 100_000, "study.json"),
    ],
)
def test_a_study_folder_names_nothing_to_be_run(tmp_path, refused, text, named):
    (tmp_path / "study.json").write_text(text)
    assert named in refused("study", "invite", f"study={tmp_path}")


RESUMED = [
    "plugins=[evil]",
    "+plugins=[evil]",
    "dataset._target_=os.system",
    "+dataset={_target_: os.system, command: 'touch canary'}",
    "dataset.root=${oc.env:SECRET}",
    "hydra.searchpath=[file:///tmp/evil]",
    "hydra.callbacks.sweep._target_=os.system",
    "+hydra.callbacks.x={_target_: evil.X}",
    "hydra/callbacks=evil",
    "hydra.launcher.setup=[touch canary]",
    "hydra.sweep.subdir=../../elsewhere",
    "hydra.job.env_set.PYTHONPATH=/tmp/evil",
    "--config-dir=/tmp/evil",
    "-cd",
    "--config-path",
    "trainer.plugins=[evil]",
]


@pytest.mark.parametrize("argument", RESUMED)
def test_a_sweep_folder_starts_no_command_line_that_runs_a_strangers_code(tmp_path, refused, monkeypatch, argument):
    monkeypatch.setattr(plan.os, "execv", lambda *_: pytest.fail("it was started"))
    sweep = {"command": "train", "arguments": ["-m", argument], "jobs": {"a": "mixlab train"}, "launcher": "Basic"}
    (tmp_path / plan.PLAN_FILE).write_text(json.dumps(sweep))
    sentence = refused("sweep", "resume", str(tmp_path))
    assert f"{tmp_path / plan.PLAN_FILE} says '{argument[:60]}' (arguments)" in sentence
    assert "type its command yourself: mixlab train -m" in sentence


def test_a_sweep_folder_starts_no_other_command_and_an_honest_one_is_resumed(tmp_path, refused, monkeypatch):
    started = []
    monkeypatch.setattr(plan.os, "execv", lambda _, words: started.append(words))
    honest = [
        "hydra.job.chdir=false", "-m", "+experiment=bass_anchor", "adapter.r=2,4", "hydra/launcher=slurm",
        "hydra.launcher.timeout_min=60", "hydra.launcher.partition=gpu", "hydra.launcher.gpus_per_node=null",
        "+hydra.launcher.ray.init.num_cpus=2", "hydra.sweep.dir=sweep", "trainer=ddp",
    ]  # fmt: skip
    sweep = {"command": "publish", "arguments": honest, "jobs": {"a": "mixlab train"}, "launcher": "Basic"}
    (tmp_path / plan.PLAN_FILE).write_text(json.dumps(sweep))
    assert "says 'publish'" in refused("sweep", "resume", str(tmp_path))
    (tmp_path / plan.PLAN_FILE).write_text(json.dumps(sweep | {"command": "train"}))
    door = "+hydra.callbacks.door={_target_:mixlab.cli.run.Door,verb:'train'}"
    (tmp_path / plan.PLAN_FILE).write_text(json.dumps(sweep | {"command": "train", "arguments": [door, *honest]}))
    plan.resume(tmp_path)
    assert started[0][3:-1] == ["train", *(word for word in honest if word != "hydra.sweep.dir=sweep")]


def test_what_mixlab_adds_to_a_command_line_does_not_keep_a_sweep_from_being_resumed():
    words = ["-m", "+experiment=bass_anchor", "adapter.r=2,4"]
    whole = [*_hydras_own("train", COMMANDS["train"], words), *words]
    assert not all(map(plan.is_plain, whole))
    assert all(map(plan.is_plain, plan.typed(whole)))
    assert set(words) <= set(plan.typed(whole))


@pytest.mark.parametrize("change", [{"jobs": [1]}, {"arguments": "x"}, {"command": 1}, {"jobs": {"a": {}}}])
def test_a_plan_of_other_types_is_refused_by_name(tmp_path, change):
    sweep = {"command": "train", "arguments": ["-m"], "jobs": {"a": "mixlab train"}, "launcher": "Basic"}
    (tmp_path / plan.PLAN_FILE).write_text(json.dumps(sweep | change))
    with pytest.raises(InputFileError, match=r"sweep\.json"):
        plan.status_page(tmp_path)


def test_the_study_of_a_search_holds_no_pickle_and_no_folder_of_its_own(tmp_path, refused):
    optuna = pytest.importorskip("optuna")
    from mixlab.sweeps.search import _trial_folder

    study = optuna.create_study(study_name="lora", storage=f"sqlite:///{tmp_path}/study.db")
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, "cma:optimizer:0", pickle.dumps(Canary()).hex())
    study.tell(trial, 1.0)
    sampler = ("search.sampler._target_=optuna.samplers.CmaEsSampler", "~search.sampler.constant_liar")
    sentence = refused("search", "+experiment=bass_anchor", f"hydra.run.dir={tmp_path}", *sampler)
    assert "which holds the pickled state of a sampler" in sentence
    trial = study.ask()
    trial.set_user_attr("folder", "../../elsewhere")
    with pytest.raises(ConfigError, match="has a trial in the folder"):
        _trial_folder(tmp_path, trial)


def test_hydra_itself_refuses_the_worst_targets():
    from hydra.errors import HydraException
    from hydra.utils import instantiate

    with pytest.raises(HydraException):
        instantiate({"_target_": "logging.os.system", "command": "touch canary"})
