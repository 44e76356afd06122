import numpy as np
import pytest
import torch

from mixlab.chat.encoder import IGNORED, ChatEncoder
from mixlab.models.backbones.tiny import Tiny
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.multitrack.song import STEMS
from mixlab.settings import parse
from mixlab.training.describing.dataset import DescribingDataset, collate_described
from mixlab.training.describing.protocol import DescribingProtocol
from tests.conftest import composed


@pytest.fixture(scope="module")
def base():
    return Tiny(base=None).build()


@pytest.fixture(scope="module")
def dataset(base, tmp_path_factory):
    source = DemoSource(6, 0, 0, 0, duration_s=12.0, purpose="listening")
    encoder = ChatEncoder(base.chat)
    store = prepare(source, tmp_path_factory.mktemp("cache"), encoder.sample_rate, workers=1)
    segments, _ = list_segments(store, store.split("train"), "bass", 10.0, 1.0, Gates())
    genres = sorted({str(song.genre) for song in store.songs.values()})
    bpm = {entry.song_id: 100.0 for entry in source.entries()}
    protocol = parse(composed(name="pretrain")["protocol"], DescribingProtocol).but(questions=3)
    return DescribingDataset(store, segments, bpm, genres, STEMS, ["fader", "mix"], protocol, encoder, seed=0)


def test_a_sample_is_a_function_of_epoch_and_index(dataset):
    first, again, other = dataset[0, 1], dataset[0, 1], dataset[1, 1]
    assert np.array_equal(first.input_ids, again.input_ids)
    assert np.array_equal(first.features, again.features)
    assert not np.array_equal(first.features, other.features)


def test_labels_lie_on_answers_only_and_decisive_words_within_them(dataset):
    sample = dataset[0, 0]
    assert (sample.labels[sample.blocks == 0] == IGNORED).all()
    assert (sample.labels[sample.decisive] != IGNORED).all()
    assert sample.decisive.any()


def test_no_question_sees_another(dataset, base):
    sample = dataset[0, 0]
    batch = collate_described([sample], base.processor.tokenizer.pad_token_id)
    inner = base.model.model.eval()

    def last_states(batch, block):
        states = inner.language_model(
            inputs_embeds=inner.get_input_embeddings()(batch["input_ids"]),
            attention_mask=batch["attention_mask"],
            position_ids=batch["position_ids"],
        ).last_hidden_state
        return states[0][torch.from_numpy(sample.blocks == block)]

    before = last_states(batch, 2)
    changed = dict(batch)
    changed["input_ids"] = torch.where(torch.from_numpy(sample.blocks == 1)[None], 300, batch["input_ids"])
    torch.testing.assert_close(last_states(changed, 2), before)
    changed["input_ids"] = torch.where(torch.from_numpy(sample.blocks == 0)[None], 300, batch["input_ids"])
    assert not torch.allclose(last_states(changed, 2), before)


def test_a_packed_question_gives_the_states_of_the_question_alone(dataset, base):
    sample = dataset[0, 2]
    batch = collate_described([sample], base.processor.tokenizer.pad_token_id)
    inner = base.model.model.eval()
    embeddings = inner.get_input_embeddings()
    packed = inner.language_model(
        inputs_embeds=embeddings(batch["input_ids"]),
        attention_mask=batch["attention_mask"],
        position_ids=batch["position_ids"],
    ).last_hidden_state
    alone_at = torch.from_numpy((sample.blocks == 0) | (sample.blocks == 3))
    alone = inner.language_model(inputs_embeds=embeddings(batch["input_ids"][:, alone_at])).last_hidden_state
    torch.testing.assert_close(packed[:, alone_at], alone, rtol=1e-4, atol=1e-4)


def test_loudness_follows_the_gain_of_the_clip(dataset):
    from mixlab.audio.loudness import integrated_lufs, k_weighted_power

    segment = dataset.by_song[dataset.song_ids[0]][0]
    clips, heard = dataset._clips(segment, True, np.random.default_rng(3))
    for clip, item in zip(clips, heard, strict=True):
        measured = integrated_lufs(k_weighted_power(clip.samples[None], 16000))
        assert measured == pytest.approx(item.lufs, abs=0.1)
