"""The main job on a few songs, through the command line as a user calls it."""

import csv
import json
import random
import signal
import subprocess
import time

import pytest
import torch
import yaml

from mixlab.models.checkpoints import load_trained
from mixlab.reports.table import label_of
from tests import commands

FAST = ("+experiment=bass_anchor", "debug=fast")
CONTRACT = ("joint_accuracy", "direction_accuracy", "stem_accuracy", "balanced_accuracy", "gain_mae_db", "parse_rate")
RIVALS = ("loudness_rule_heard", "bayes_unknown", "bayes_heard", "bayes_known", "anchor_deaf", "boosting")
BASELINES = (
    *(
        "chance",
        "most_common",
        "text_only",
        "loudness_rule",
        "loudness_rule_genre",
        "ridge",
        "base_unadapted",
        "oracle",
    ),
    *RIVALS,
)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """A folder for runs and the cache of songs."""
    return tmp_path_factory.mktemp("workplace")


def command(workplace, *overrides):
    return commands.command(workplace, "train", *overrides)


def run(workplace, *overrides):
    return commands.run(workplace, "train", *overrides)


SECRETS = {"WANDB_API_KEY": "0123456789" * 4, "HF_TOKEN": "hf_" + "planted" * 5}


@pytest.fixture(scope="session")
def finished(workplace, tmp_path_factory):
    """One run from end to end, with keys in its environment: what it printed, and its folder."""
    called = command(workplace, *FAST, "logger=wandb")
    staged = {"WANDB_MODE": "offline", "WANDB_DATA_DIR": str(tmp_path_factory.mktemp("staged"))}
    called["env"] |= SECRETS | staged
    done = subprocess.run(**called, capture_output=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = (workplace / "outputs" / "bass_anchor").iterdir()
    return done, folder


def test_a_run_folder_says_all_about_the_run(finished):
    _, folder = finished
    for name in ("config.yaml", "metrics.json", "predictions.jsonl", "report.html", "logs/metrics.csv"):
        assert (folder / name).stat().st_size > 0
    for name in ("adapter/adapter_model.safetensors", "adapter/mixlab.json", "checkpoints/last.ckpt"):
        assert (folder / name).is_file()


def test_metrics_hold_the_contract_for_the_model_and_every_baseline(finished):
    _, folder = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    wanted = [f"test/{name}" for name in CONTRACT] + ["closed_loop/residual_db"]
    for baseline in BASELINES:
        wanted += [f"baselines/{baseline}/{name}" for name in CONTRACT]
        wanted.append(f"baselines/{baseline}/closed_loop/residual_db")
        wanted += [f"baselines/{baseline}/model_lead{end}" for end in ("", "_low", "_high")]
    for heard in ("", "segments_2/", "segments_4/", "segments_all/"):
        wanted += [f"ceiling/{heard}joint_accuracy{end}" for end in ("", "_low", "_high")]
    assert [key for key in wanted if key not in metrics] == []
    lead = metrics["test/joint_accuracy"] - metrics["baselines/ridge/joint_accuracy"]
    assert metrics["baselines/ridge/model_lead"] == pytest.approx(lead)


def test_the_first_line_of_the_result_names_the_strongest_rival_and_the_table_every_row(finished):
    done, _ = finished
    assert "the strongest rival that knows no more than it" in " ".join(done.stdout.split())
    for method in ("base_unadapted", "lora_untrained_base", "from_scratch", "ridge", "oracle"):
        assert label_of(method) in done.stdout


def test_checkpoints_hold_only_what_trains(finished):
    _, folder = finished
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert state
    assert all("lora_" in name or "modules_to_save" in name or "_head." in name for name in state)


def test_the_wandb_run_holds_the_whole_configuration_and_every_figure_and_says_how_to_upload_it(finished, read_back):
    done, folder = finished
    (path,) = folder.glob("wandb/offline-run-*")
    assert f"wandb sync {path}" in done.stderr
    records = read_back(path)
    config = records["run"][0]["config"]["update"]
    wanted = yaml.safe_load((folder / "config.yaml").read_text())
    assert {key: config[key] for key in wanted} == wanted
    assert config["axes"] == {
        "anchor": "bass",
        "error_range": "3 to 12 dB",
        "prompts": "all",
        "rank": wanted["adapter"]["r"],
    }
    summary = {key: value for record in records["summary"] for key, value in record["update"].items()}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {key: summary.get(key) for key in metrics} == pytest.approx(metrics)
    with (folder / "logs" / "metrics.csv").open(newline="") as handle:
        steps = set(next(csv.reader(handle))) - {"step"}
    logged = {key for record in records["history"] for key in record["item"]}
    assert steps <= logged
    for table in (folder / "tables").glob("*.csv"):
        assert f"tables/{table.stem}._type" in summary
    assert records["stats"]


def test_controls_are_wandb_runs_of_their_own_in_the_group_of_the_model(finished, read_back):
    _, folder = finished
    (model,) = (read_back(path)["run"][0] for path in folder.glob("wandb/offline-run-*"))
    controls = [read_back(path)["run"][0] for path in folder.glob("controls/*/wandb/offline-run-*")]
    assert len(controls) == 2
    assert {control["run_group"] for control in controls} == {model["run_group"]}
    assert len({run["run_id"] for run in [model, *controls]}) == 3


def test_no_key_or_token_is_in_any_file_of_a_run_folder(finished):
    done, folder = finished
    for secret in SECRETS.values():
        assert secret not in done.stdout + done.stderr
        holding = [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
        assert holding == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "anchor", "more"),
    [
        ("relative", "random", ["data.augmentation.polarity_probability=0.5", "data.augmentation.start_jitter_s=0.5"]),
        ("several", "most_active", ["data.augmentation.cross_song_probability=0.5"]),
    ],
)
def test_other_errors_and_anchors_go_through_training_and_evaluation(workplace, error, anchor, more):
    chosen = (f"error={error}", f"evaluation/error={error}", f"anchor={anchor}", f"name={error}", "controls=[]")
    done = run(workplace, *FAST, *chosen, *more)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Training has" not in done.stderr + done.stdout
    (folder,) = (workplace / "outputs" / error).iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    joint = {name: metrics[f"baselines/{name}/joint_accuracy"] for name in ("oracle", "loudness_rule_genre", "chance")}
    assert joint["oracle"] > joint["chance"] + 0.2, joint
    assert joint["loudness_rule_genre"] > joint["chance"], joint
    description = json.loads((folder / "adapter" / "mixlab.json").read_text())
    assert set(description["anchors"]) == {"bass", "drums", "vocals", "other"}


def test_a_run_goes_on_from_the_last_epoch_of_the_newest_run(workplace, finished):
    _, folder = finished
    before = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    done = run(
        workplace, *FAST, "ckpt_path=last", "trainer.max_steps=6", "controls=[]", "evaluation.baselines=[chance]"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    newest = max((workplace / "outputs" / "bass_anchor").iterdir(), key=lambda path: path.name)
    after = torch.load(newest / "checkpoints" / "last.ckpt", weights_only=True)
    assert (before, after["global_step"]) == (4, 6)


@pytest.mark.slow
def test_a_run_that_goes_on_remembers_its_best_checkpoint(workplace, finished):
    _, folder = finished
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    (key,) = (name for name in last["callbacks"] if name.startswith("BestCheckpoint"))
    state = last["callbacks"][key]
    unbeatable = torch.zeros(())
    state |= {"best_model_score": unbeatable, "best_k_models": {state["best_model_path"]: unbeatable}}
    torch.save(last, workplace / "unbeatable.ckpt")
    goes_on = (f"ckpt_path={workplace}/unbeatable.ckpt", "trainer.max_steps=6", "name=goes_on", "controls=[]")
    done = run(workplace, *FAST, *goes_on, "evaluation.baselines=[chance]")
    assert done.returncode == 0, done.stderr[-3000:]
    (newest,) = (workplace / "outputs" / "goes_on").iterdir()
    before, after = (
        torch.load(path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"] for path in (folder, newest)
    )
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_file_that_is_no_checkpoint_is_refused_by_name(workplace):
    (workplace / "song.ckpt").write_bytes(b"not a checkpoint")
    said = commands.refused(workplace, "train", *FAST, "name=wrong", f"ckpt_path={workplace}/song.ckpt")
    assert "song.ckpt is no checkpoint of mixlab" in said


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_a_usable_run_folder_that_a_run_goes_on_from(workplace, number, code):
    name = f"stopped_{code}"
    arguments = command(workplace, *FAST, f"name={name}", "trainer.max_steps=5000", "data.examples_per_epoch=160")
    process = subprocess.Popen(**arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(workplace.glob(f"outputs/{name}/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    (folder,) = (workplace / "outputs" / name).iterdir()
    assert process.returncode == code, stderr[-3000:]
    assert "go on with ckpt_path=" in stderr
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    status = json.loads((folder / "status.json").read_text())
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert status["state"] == "stopped"
    assert f"Stopped at step {saved}." in stderr


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["lora", "qlora"])
def test_a_run_that_was_killed_at_any_step_ends_in_the_same_weights_as_one_that_was_not(workplace, adapter):
    whole_name, name = f"whole_{adapter}", f"killed_{adapter}"
    steps = (*FAST, f"adapter={adapter}", "trainer.max_steps=9", "data.examples_per_epoch=80", "data.workers=1")
    steps += ("controls=[]", "evaluation.baselines=[chance]")
    whole = run(workplace, *steps, f"name={whole_name}")
    assert whole.returncode == 0, whole.stderr[-3000:]
    # In the first epoch or in the second, in its middle or at its end: wherever it is caught in writing or computing.
    kill_after = random.Random(adapter).randint(1, 7)
    process = subprocess.Popen(**command(workplace, *steps, f"name={name}"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while last_step(workplace / "outputs" / name) < kill_after and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert kill_after <= last_step(workplace / "outputs" / name) < 9
    goes_on = run(workplace, *steps, f"name={name}", "ckpt_path=last")
    assert goes_on.returncode == 0, goes_on.stderr[-3000:]
    newest = max((workplace / "outputs" / name).iterdir(), key=lambda path: path.name)
    (expected,) = (workplace / "outputs" / whole_name).iterdir()
    one, other = (torch.load(p / "checkpoints" / "last.ckpt", weights_only=True) for p in (expected, newest))
    assert one["global_step"] == other["global_step"] == 9
    assert all(torch.equal(one["state_dict"][name], other["state_dict"][name]) for name in one["state_dict"])


def last_step(runs):
    """The step of the newest checkpoint of the only run in a folder; 0 where there is none yet."""
    return max(
        (torch.load(path, weights_only=True)["global_step"] for path in runs.glob("*/checkpoints/last.ckpt")), default=0
    )


@pytest.mark.slow
def test_zero_shot_says_so_and_evaluates_and_advises_without_training(workplace):
    done = run(workplace, *FAST, "adapter=none", "name=zero_shot", "evaluation.baselines=[chance]")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Nothing trains (adapter=none)" in done.stderr
    (folder,) = (workplace / "outputs" / "zero_shot").iterdir()
    assert not (folder / "checkpoints").exists()
    assert "test/joint_accuracy" in json.loads((folder / "metrics.json").read_text())
    assert load_trained(folder).backbone.model is not None


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("anchor=banjo",), "There is no anchor=banjo"),
        (("anchor.stem=banjo",), "anchor.stem is 'banjo'"),
        (("error.categories.loud.low_db=9",), "the range is inverted (9 to 6 dB)"),
        (("erorr.rounding_db=2",), "There is no key 'erorr.rounding_db' (did you mean 'error.rounding_db'?)"),
        (("+data.rate=2",), "unknown key 'data.rate'"),
        (("dataset=folder", "dataset.root=/no/such/folder"), "/no/such/folder"),
        (("dataset=folder",), "dataset.root"),
        (("ckpt_path=/no/such/run",), "ckpt_path is '/no/such/run'"),
        (("model.arguments.base=/no/such/base",), "model.arguments.base is '/no/such/base'"),
        (("evaluation.baselines=[clairvoyant]",), "clairvoyant"),
        (("adapter.r=0",), "adapter.r is 0; use a rank of at least 1"),
        (("+adapter.rank=4",), "unknown key 'adapter.rank'"),
        (("adapter.target_modules=nothing",), "which matches no module of the model"),
        (("adapter.target_modules=all-linear",), "modules of the audio tower"),
        (("trainer.precision=17",), "'trainer.precision' is 17"),
        (("+trainer.speed=11",), "unknown key 'trainer.speed'"),
        (("+optim.momentum=0.9",), "unknown key 'optim.momentum'"),
    ],
)
def test_wrong_configuration_ends_in_one_sentence_before_any_long_work(workplace, overrides, sentence):
    assert sentence in commands.refused(workplace, "train", *FAST, "name=wrong", *overrides)


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_key(workplace, finished):
    _, folder = finished
    other = ("name=wrong", f"ckpt_path={folder}", "adapter.r=3", "controls=[]")
    assert "use the run's own model and adapter" in commands.refused(workplace, "train", *FAST, *other)
