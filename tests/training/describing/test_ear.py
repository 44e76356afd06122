"""The first stage of the base: single clips, and heads that read what a tower hears."""

import numpy as np
import pytest
import torch

from mixlab.audio.levels import apply_gain
from mixlab.chat.encoder import ChatEncoder
from mixlab.models.backbones.tiny import Tiny
from mixlab.models.optim import AdamWCosine
from mixlab.multitrack.demo.source import DemoSource
from mixlab.multitrack.preparation import prepare
from mixlab.multitrack.segments import Gates, list_segments
from mixlab.multitrack.song import STEMS
from mixlab.settings import parse
from mixlab.training.describing.ear import MIDDLE_LUFS, SCALE_LU, EarClips, EarModule, ListeningHeads
from mixlab.training.describing.protocol import DescribingProtocol
from tests.conftest import composed


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    source = DemoSource(3, 0, 0, 0, duration_s=12.0, purpose="listening")
    encoder = ChatEncoder(Tiny(base=None).read_chat())
    store = prepare(source, tmp_path_factory.mktemp("cache"), encoder.sample_rate, workers=1)
    segments, _ = list_segments(store, store.split("train"), "bass", 10.0, 1.0, Gates())
    genres = sorted({str(song.genre) for song in store.songs.values()})
    protocol = parse(composed(name="pretrain")["protocol"], DescribingProtocol)
    clips = EarClips(store, segments, genres, STEMS, protocol, encoder, seed=0)
    return store, segments, encoder, clips


def test_a_clip_is_a_function_of_epoch_and_index(listening):
    clips = listening[-1]
    np.testing.assert_array_equal(clips[0, 1]["input_features"], clips[0, 1]["input_features"])
    assert clips[0, 1]["lufs"] != clips[1, 1]["lufs"]


def test_features_and_loudness_are_those_of_the_sound_after_its_gain(listening):
    store, segments, encoder, clips = listening
    pairs = [(segment, stem) for segment in segments for stem in segment.stems]
    for index in range(5):
        item = clips[0, index]
        fitting = [(segment, stem) for segment, stem in pairs if STEMS.index(stem) == item["stems"]]
        errors = []
        for segment, stem in fitting:
            sound = store.read(segment.song_id, [stem], segment.start_s, segment.duration_s)[stem]
            heard = encoder.features([apply_gain(sound, float(item["lufs"]) - segment.lufs[stem])])[0]
            errors.append(np.abs(heard - item["input_features"]).max())
        assert min(errors) < 1e-3


def test_heads_that_know_a_clip_lose_nothing_on_its_level():
    heads = ListeningHeads(3, stems=2, genres=2)
    torch.nn.init.zeros_(heads.level.weight)
    torch.nn.init.constant_(heads.level.bias, (-25.0 - MIDDLE_LUFS) / SCALE_LU)
    batch = {"stems": torch.tensor([0, 1]), "genres": torch.tensor([1, 1])}
    audio = torch.zeros(2, 8, 3)
    _, exact = heads(audio, batch | {"lufs": torch.tensor([-25.0, -25.0])})
    _, off = heads(audio, batch | {"lufs": torch.tensor([-22.0, -28.0])})
    assert exact["ear_rmse_lu"] == pytest.approx(0.0, abs=1e-4)
    assert off["ear_rmse_lu"] == pytest.approx(3.0, abs=1e-4)


def test_the_first_stage_trains_tower_and_projector_and_no_word():
    model = Tiny(base=None).build().model
    optim = AdamWCosine(lr=1e-3, weight_decay=0.0, warmup_steps=1, lora_b_factor=1.0)
    module = EarModule(model, ListeningHeads(128, 4, 6), optim)
    names = {name.split(".")[0] for name, _ in module.named_parameters()}
    assert names == {"tower", "projector", "heads"}
