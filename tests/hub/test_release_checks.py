"""What is refused before anything goes to the Hub, and what a Space's requirements are."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import httpx2
import pytest
import yaml
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError

from mixlab.errors import CheckpointError, ConfigError, InputFileError, MixlabError
from mixlab.hub.checks import check_card, check_private
from mixlab.hub.record import RunRecord, read_run
from mixlab.hub.space import _settings, requirements
from mixlab.hub.upload import Upload, check_token, upload
from mixlab.models.remote import locate_checkpoint
from mixlab.runs.folder import RunFolder

CHECKOUT = Path(__file__).parent.parent.parent
CARD = "---\nlicense: apache-2.0\n---\n\n# A card\n"


@pytest.fixture
def api():
    """The Hub's own interface with its signatures, which does nothing."""
    found = create_autospec(HfApi, instance=True, endpoint="https://hub.invalid")
    found.repo_info.return_value = SimpleNamespace(private=True)
    return found


def what(tmp_path, **changes):
    return Upload(**{"kind": "space", "folder": tmp_path, "repo": "someone/balance", "private": True} | changes)


def test_an_upload_makes_the_repository_private_and_sends_the_folder(api, tmp_path):
    assert upload(what(tmp_path), "message", api) == "https://hub.invalid/spaces/someone/balance"
    api.create_repo.assert_called_once_with(
        "someone/balance", repo_type="space", private=True, exist_ok=True, space_sdk="gradio"
    )
    api.upload_folder.assert_called_once_with(
        repo_id="someone/balance", repo_type="space", folder_path=tmp_path, commit_message="message"
    )


def test_a_repository_that_is_public_already_is_not_written_to_unasked(api, tmp_path):
    api.repo_info.return_value = SimpleNamespace(private=False)
    with pytest.raises(MixlabError, match="is public"):
        upload(what(tmp_path), "message", api)
    api.upload_folder.assert_not_called()


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not know the token"), (403, "may not write"), (500, "try again")]
)
def test_a_refusal_of_the_hub_is_one_sentence(status, words, api, tmp_path):
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://hub.invalid"))
    api.create_repo.side_effect = HfHubHTTPError("no", response=response)
    with pytest.raises(MixlabError, match=words):
        upload(what(tmp_path), "message", api)


def test_an_upload_that_is_cut_off_says_how_it_goes_on(api, tmp_path):
    api.upload_folder.side_effect = httpx2.ConnectError("gone")
    with pytest.raises(MixlabError, match="start the same command again"):
        upload(what(tmp_path), "message", api)


def test_without_a_token_the_way_to_one_is_said(monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(MixlabError, match="hf auth login"):
        check_token()


def test_a_run_without_figures_gets_no_card(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    (copy / "metrics.json").unlink()
    with pytest.raises(InputFileError, match="mixlab evaluate"):
        read_run(copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# No front matter\n", "license"),
        ("---\nlicense: [\n---\n", "not valid"),
        ("---\nlicense: other\nlicense_link: LICENSE.md\n---\n", "license_link"),
        (CARD.replace("---\n\n", "model-index:\n- name: x\n  results:\n  - task: {type: y}\n---\n\n"), "not valid"),
    ],
)
def test_a_card_that_the_hub_would_not_read_is_named(text, reason, tmp_path):
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(InputFileError, match=reason):
        check_card(tmp_path, "model")


def test_the_results_in_a_card_come_back_as_they_are_in_the_figures(run_folder):
    from mixlab.hub.model_card import Licences, model_card
    from mixlab.hub.model_folder import Base, Published
    from mixlab.models.checkpoints import read_description

    record = read_run(run_folder)
    published = Published(
        read_description(run_folder / "adapter"), Base(None, None, "float32", True), "adapter", True, 16_000
    )
    text = model_card(
        record, published, Licences("apache-2.0", "apache-2.0", ["CC0-1.0"], True), "someone/balance", None
    )
    results = {result.metric_type: result.metric_value for result in ModelCard(text).data.eval_results}
    assert results == {"accuracy": 0.78, "mae": 1.9}
    assert all(row in text for row in ("| text alone |", "| loudness rule by genre |", "| oracle |"))


def test_songs_that_forbid_commercial_use_make_a_model_that_forbids_it(run_folder, tmp_path):
    from mixlab.hub.model_card import licence_text, model_licences
    from mixlab.hub.model_folder import Base

    record = read_run(run_folder)
    config = yaml.safe_load((run_folder / "config.yaml").read_text()) | {"dataset": {"kind": "musdb18hq"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    musdb = RunRecord(RunFolder(tmp_path))
    base = Base("Qwen/Qwen2-Audio-7B-Instruct", "abc", "bfloat16", True)
    assert model_licences(record, base, "apache-2.0", None).name == "apache-2.0"
    licences = model_licences(musdb, base, "apache-2.0", None)
    assert not licences.is_commercial
    assert "research" in licence_text(licences)
    with pytest.raises(ConfigError, match="allow no commercial use"):
        model_licences(musdb, base, "apache-2.0", "apache-2.0")


def test_a_base_whose_licence_nobody_stated_grants_no_commercial_use(run_folder):
    from mixlab.hub.model_card import licence_text, model_card, model_licences
    from mixlab.hub.model_folder import Base, Published
    from mixlab.models.checkpoints import read_description

    record = read_run(run_folder)
    base = Base("Qwen/Qwen2-Audio-7B-Instruct", "abc", "bfloat16", True)
    licences = model_licences(record, base, None, None)
    assert not licences.is_commercial
    assert "check the base's card" in licence_text(licences)
    published = Published(read_description(run_folder / "adapter"), base, "adapter", False, 16_000)
    card = model_card(record, published, licences, "someone/balance", None)
    assert "The licence of its base is unknown: check the base's card" in card
    assert "license_name: non-commercial" in card
    with pytest.raises(ConfigError, match="base_licence="):
        model_licences(record, base, None, "apache-2.0")


def test_paths_of_this_machine_and_the_token_are_found_in_any_text(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"base": str(CHECKOUT / "mixlab")}))
    with pytest.raises(InputFileError, match="names a folder of this machine"):
        check_private(folder, [CHECKOUT], None)
    (folder / "config.json").write_text('{"note": "hf_secret"}')
    with pytest.raises(InputFileError, match="holds the token") as found:
        check_private(folder, [CHECKOUT], "hf_secret")
    assert "hf_secret" not in str(found.value)


def test_a_space_needs_the_versions_that_everything_was_tested_with():
    tested = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line.split("==")[1]
        for line in (CHECKOUT / "constraints.txt").read_text().split()
        if "==" in line
    }
    pins = dict(line.split("==") for line in requirements(_settings()["requirements"]).split())
    assert {"gradio", "torch", "transformers", "peft"} <= set(pins)
    assert not {"bitsandbytes", "lightning", "wandb", "musdb"} & set(pins)
    assert {name: version for name, version in pins.items() if tested.get(name, version) != version} == {}


@pytest.mark.parametrize("address", ["hf://user", "hf://user/name@", "hf://user/name/more", "hf://../name x"])
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(CheckpointError, match="no address"):
        locate_checkpoint(address)


def test_a_model_that_is_not_in_the_cache_is_not_found_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="cannot be reached"):
        locate_checkpoint("hf://nobody/nothing")
