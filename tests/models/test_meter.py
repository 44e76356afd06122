"""A meter beside a model's ears: readings as numbers go into the projector, train with it and are saved with it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mixlab.chat.readings import Meter, ReadingForm, Readings
from mixlab.errors import CheckpointError, ConfigError
from mixlab.models import checkpoints
from mixlab.models.adapters import trainable_state
from mixlab.models.backbones.base import FAMILIES
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.checkpoints import give_readings, load_trained, save_trained
from mixlab.models.generate import generate_texts

from .backbones.miniatures import miniature
from .conftest import batches_of, make_problem, response_loss, small_lora
from .test_checkpoints import describe

RELATIVE = Readings(meter=Meter.RELATIVE, form=ReadingForm.NUMBER)
WORDS = Readings(meter=Meter.RELATIVE, form=ReadingForm.WORDS)


def states_of(backbone, batch):
    with torch.no_grad():
        return backbone.model.model(**backbone.family.inputs(batch), use_cache=False).last_hidden_state


@pytest.fixture
def metered(base):
    """The tiny model with a meter whose matrix is not zero."""
    give_readings(base, RELATIVE)
    with torch.no_grad():
        base.part("projector").reading.weight.normal_(std=0.3)
    return base


def test_a_new_meter_changes_nothing_until_it_trains(base):
    before = states_of(base, batches_of(base)([make_problem(0)]))
    give_readings(base, RELATIVE)
    torch.testing.assert_close(states_of(base, batches_of(base, readings=RELATIVE)([make_problem(0)])), before)


def test_a_reading_is_heard_and_one_that_is_missing_is_not(metered):
    batch = batches_of(metered, readings=RELATIVE)([make_problem(0)])
    silent = {key: value for key, value in batch.items() if key != "readings_db"}
    missing = batch | {"readings_db": torch.full_like(batch["readings_db"], torch.nan)}
    torch.testing.assert_close(states_of(metered, missing), states_of(metered, silent))
    assert not torch.allclose(states_of(metered, batch), states_of(metered, silent))


def test_readings_beyond_the_scale_count_as_its_ends(metered):
    vectors = metered.part("projector").of_readings(torch.tensor([-24.0, -40.0, 24.0, 60.0, 0.0]))
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(vectors[2], vectors[3])
    assert not torch.allclose(vectors[0], vectors[4])


def test_a_step_trains_the_meter_with_the_projector(base):
    give_readings(base, RELATIVE)
    trained = replace(base, model=small_lora(base))
    loss, _ = response_loss(trained, gain_weight=0.5, move_weight=0.5)(
        trained.model, batches_of(base, readings=RELATIVE)([make_problem(0)])
    )
    loss.backward()
    (gradient,) = [p.grad for name, p in trained.model.named_parameters() if "reading" in name and p.requires_grad]
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("layout", ["stems", "none"])
def test_a_batch_gives_the_texts_of_single_prompts_with_readings(metered, layout):
    problems = [make_problem(0), make_problem(1, stems=("bass", "other")), make_problem(2, gain_db=-9.0)]
    make = batches_of(metered, layout, RELATIVE)
    together = generate_texts(metered, make(problems, generation=True), 8)
    assert together == [generate_texts(metered, make([one], generation=True), 8)[0] for one in problems]


def test_an_adapter_comes_back_with_its_meter(tmp_path):
    description = describe(readings=RELATIVE)
    base = description.build()
    model = small_lora(base)
    with torch.no_grad():
        for tensor in trainable_state(model).values():
            tensor.normal_(std=0.1)
    save_trained(tmp_path, replace(base, model=model), description)
    loaded = load_trained(tmp_path)
    assert loaded.description.readings == RELATIVE
    expected = dict(model.named_parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.backbone.model.named_parameters())


def test_a_base_that_reads_comes_back_from_its_folder_and_reads_no_other_meter(metered, tmp_path):
    metered.save(tmp_path)
    again = Pretrained(str(tmp_path)).build()
    give_readings(again, RELATIVE)
    torch.testing.assert_close(again.part("projector").reading.weight, metered.part("projector").reading.weight)
    with pytest.raises(ConfigError, match="was taught to read 'relative'"):
        give_readings(again, Readings(meter=Meter.LUFS, form=ReadingForm.NUMBER))


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"qwen2_audio"}))
def test_a_family_without_a_place_for_numbers_says_so(name):
    with pytest.raises(ConfigError, match=r"set readings\.form=words"):
        give_readings(miniature(name), RELATIVE)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_answers_from_readings_in_words_alone(name):
    backbone = miniature(name)
    make = batches_of(backbone, "none", WORDS)
    problems = [make_problem(0), make_problem(1, gain_db=-9.0)]
    together = generate_texts(backbone, make(problems, generation=True), 8)
    assert together == [generate_texts(backbone, make([one], generation=True), 8)[0] for one in problems]
    loss, _ = response_loss(backbone, gain_weight=0.5, move_weight=0.5)(backbone.model, make(problems))
    assert torch.isfinite(loss)


def test_a_checkpoint_whose_backbone_cannot_read_numbers_is_refused(monkeypatch):
    unable = SimpleNamespace(build=lambda: miniature("voxtral"))
    monkeypatch.setattr(checkpoints, "recipe_of", lambda builder, arguments: unable)
    with pytest.raises(CheckpointError, match=r"readings\.form=words"):
        describe(readings=RELATIVE).build()
