"""The data module: the same bytes for any number of workers, and what validation is served with."""

import hashlib

import numpy as np
import pytest

from mixlab.chat.collate import with_features
from mixlab.training.data import MixDataModule

AUGMENTED = [
    f"data.augmentation.{key}=0.5" for key in ("polarity_probability", "start_jitter_s", "cross_song_probability")
]


@pytest.fixture(scope="module")
def build_data(demo_source, build_small, encoder):
    """Builds data modules over the demo songs, a clip a stem; overrides are given as on the command line."""

    def build(*overrides, features_in_worker=True):
        items = ("evaluation.items_per_song=4", "evaluation.validation_items_per_song=2")
        bank = build_small(demo_source, "inputs.layout=stems", "seed=0", *items, *overrides)
        return MixDataModule(bank, encoder, features_in_worker)

    return build


def digests(module, epoch: int = 0) -> list[str]:
    """A digest of each training example of an epoch: its ids and labels without padding, and its features."""
    clip_start = module.encoder.tokenizer.convert_tokens_to_ids("<|audio_bos|>")
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    found = []
    for batch in loader:
        batch = with_features(batch, module.encoder.front_end)
        features = batch["input_features"].numpy()
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"].bool(), strict=True):
            clips = int((ids == clip_start).sum())
            parts = [ids[mask].numpy(), labels[mask].numpy(), features[:clips]]
            features = features[clips:]
            found.append(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
        assert len(features) == 0
    return found


def test_examples_are_the_same_for_any_batch_size_and_new_in_every_epoch(build_data):
    one_by_one, by_fives = (digests(build_data(f"data.batch_size={size}")) for size in (1, 5))
    assert len(set(one_by_one)) == 12
    assert by_fives == one_by_one
    assert digests(build_data(features_in_worker=False)) == one_by_one
    assert not set(digests(build_data(), epoch=1)) & set(one_by_one)


@pytest.mark.slow
def test_examples_are_the_same_for_0_1_and_4_workers(build_data):
    here = digests(build_data())
    assert digests(build_data("data.workers=1")) == here
    assert digests(build_data("data.workers=4", "data.batch_size=3")) == here


def test_augmented_examples_sound_different(build_data):
    assert len(set(digests(build_data(*AUGMENTED))) & set(digests(build_data()))) < 6


def test_validation_has_responses_for_the_loss_and_prompts_for_generation(build_data):
    module = build_data()
    teacher, generation = module.val_dataloader()
    with_responses, prompts = next(iter(teacher)), next(iter(generation))
    assert (with_responses["labels"] >= 0).any(dim=1).all()
    assert not (prompts["labels"] >= 0).any()
    assert [example.problem for example in prompts["examples"]] == module.bank.problems("validation")[:4]
    assert prompts["attention_mask"][:, -1].all(), "prompts are padded on the left"
    assert with_responses["attention_mask"][:, 0].all(), "conversations are padded on the right"


@pytest.mark.parametrize(("inputs", "clips"), [("stems", 4), ("anchor_rest", 2), ("mixture", 1)])
def test_every_clip_is_a_waveform_of_the_example(build_data, inputs, clips):
    module = build_data(f"inputs.layout={inputs}")
    training = module.bank.training()
    index = next(index for index in range(50) if len(training.problem(0, index).stems) == 4)
    assert len(module.training_examples()[0, index].waveforms) == clips


def test_feature_statistics_are_those_of_training_examples(build_data):
    module = build_data()
    mean, deviation = module.feature_statistics(examples=6)
    dataset = module.training_examples()
    features = np.concatenate([module.encoder.features(dataset[0, index].waveforms) for index in range(6)])
    np.testing.assert_allclose(mean, features.mean(axis=(0, 2)), rtol=1e-5)
    assert deviation == pytest.approx(features.std(), rel=1e-5)


def test_the_module_does_the_banks_long_work_and_its_listing(build_data):
    module = build_data()
    module.bank.segments = {}
    module.prepare_data()
    module.setup()
    assert set(module.bank.segments) == {"train", "validation", "test"}
