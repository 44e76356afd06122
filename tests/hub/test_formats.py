"""What others document for audio chat: ms-swift, LLaMA-Factory and Hugging Face datasets each read an export."""

import json
from typing import Literal

import huggingface_hub
import pytest
from pydantic import BaseModel, ConfigDict, Field

from mixlab.items.manifest import read_manifest

AUDIO_TAG = "<audio>"


class Message(BaseModel):
    """A turn, as both ms-swift and LLaMA-Factory's OpenAI-like tags have it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["user", "assistant"]
    content: str = Field(min_length=1)


class SwiftItem(BaseModel):
    """ms-swift's standard format, multimodal fine-tuning: further columns are dropped in training."""

    model_config = ConfigDict(strict=True)
    messages: list[Message] = Field(min_length=2, max_length=2)
    audios: list[str]


class FactoryColumns(BaseModel):
    """Columns of LLaMA-Factory's sharegpt format with audio."""

    model_config = ConfigDict(extra="forbid", strict=True)
    messages: str
    audios: str


class FactoryTags(BaseModel):
    """Tags of LLaMA-Factory's sharegpt format."""

    model_config = ConfigDict(extra="forbid", strict=True)
    role_tag: str
    content_tag: str
    user_tag: str
    assistant_tag: str


class FactoryDescription(BaseModel):
    """An entry of dataset_info.json."""

    model_config = ConfigDict(extra="forbid", strict=True)
    file_name: str
    formatting: Literal["sharegpt"]
    columns: FactoryColumns
    tags: FactoryTags


SWIFT_MEANS_SOMETHING_ELSE_BY = {"label", "rejected_response", "images", "videos", "tools", "objects", "system"}


def records(folder, split):
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_every_item_is_one_of_ms_swift(exported):
    for split in read_manifest(exported).items:
        for record in records(exported, split):
            item = SwiftItem.model_validate(record)
            assert [message.role for message in item.messages] == ["user", "assistant"]
            assert not SWIFT_MEANS_SOMETHING_ELSE_BY & set(record)
            placeholders = sum(message.content.count(AUDIO_TAG) for message in item.messages)
            assert placeholders == len(item.audios) > 0
            assert all((exported / path).is_file() for path in item.audios)


def test_every_split_is_described_for_llama_factory(exported):
    described = json.loads((exported / "dataset_info.json").read_text())
    assert [entry["file_name"] for entry in described.values()] == [
        f"{split}.jsonl" for split in read_manifest(exported).items
    ]
    for entry in described.values():
        description = FactoryDescription.model_validate(entry)
        tags, columns = description.tags, description.columns
        for line in (exported / description.file_name).read_text().splitlines():
            record = json.loads(line)
            turns = record[columns.messages]
            assert [turn[tags.role_tag] for turn in turns] == [tags.user_tag, tags.assistant_tag]
            texts = [turn[tags.content_tag] for turn in turns]
            assert sum(text.count(AUDIO_TAG) for text in texts) == len(record[columns.audios])


def test_hugging_face_datasets_reads_the_folder(exported, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is a development dependency")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = datasets.load_dataset(str(exported), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == set(read_manifest(exported).items)
    for split, rows in loaded.items():
        assert list(rows) == records(exported, split)
        assert rows.features["audios"] == datasets.List(datasets.Value("string"))


def test_hugging_face_datasets_reads_a_set_whose_audio_is_left_out(exported, tmp_path):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is a development dependency")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "README.md").write_text((exported / "README.md").read_text())
    for split in read_manifest(exported).items:
        lines = [json.dumps(record | {"audios": None}) + "\n" for record in records(exported, split)]
        (tmp_path / "set" / f"{split}.jsonl").write_text("".join(lines))
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded["test"]["audios"]) == {None}


def test_the_users_message_is_the_models_own_layout(exported, encoder, build_small, demo_source):
    bank = build_small(demo_source)
    for index, record in enumerate(records(exported, "train")):
        example = bank.examples.example(bank.training().problem(0, index))
        text = encoder.prompt_text(example.clips, example.prompt)
        user = record["messages"][0]["content"]
        pieces = [piece.strip() for piece in user.split(AUDIO_TAG)]
        assert all(piece in text for piece in pieces)
        assert record["messages"][1]["content"] == example.response


def test_the_hub_reads_the_front_matter_of_the_card(exported):
    front = huggingface_hub.DatasetCard((exported / "README.md").read_text()).data
    assert front.license == "cc0-1.0"
    assert front.task_categories == ["audio-text-to-text"]
    assert front.size_categories == ["n<1K"]
    assert [entry["split"] for entry in front.configs[0]["data_files"]] == list(read_manifest(exported).items)
