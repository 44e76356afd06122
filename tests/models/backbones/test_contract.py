"""What holds for every family of backbones, on a tiny random model of its real class."""

from dataclasses import replace

import pytest
import torch

from mixlab.chat.encoder import IGNORED, ChatEncoder
from mixlab.models.adapters import full
from mixlab.models.backbones.base import FAMILIES
from mixlab.models.backbones.pretrained import Pretrained
from mixlab.models.checkpoints import load_trained, save_trained
from mixlab.models.footprint import footprint
from mixlab.models.generate import generate_texts

from ..conftest import batches_of, examples_of, make_problem, response_loss, small_lora
from ..test_checkpoints import describe as described
from .miniatures import miniature

STEMS = [("bass", "drums", "vocals"), ("bass", "other"), ("bass", "vocals"), ("bass", "drums", "other")]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def name(request):
    """A family."""
    return request.param


@pytest.fixture
def backbone(name):
    """Its tiny model."""
    return miniature(name)


@pytest.fixture
def make_batch(backbone):
    """Collates problems with the clips of anchor and rest, which every family takes."""
    return batches_of(backbone, "anchor_rest")


def embedded(backbone, batch):
    """What the language model is given at each token, shape (batch, tokens, width)."""
    seen = []
    hook = backbone.part("language_model").register_forward_pre_hook(
        lambda module, arguments, named: seen.append(named["inputs_embeds"].detach()), with_kwargs=True
    )
    with torch.no_grad():
        backbone.model.model(**backbone.family.inputs(batch), use_cache=False)
    hook.remove()
    return seen[0]


def adapted(backbone, **changes):
    return replace(backbone, model=small_lora(backbone, **changes))


def test_every_token_of_the_prompt_is_a_token_and_every_clip_ends_once(backbone, make_batch):
    batch = make_batch([make_problem(number, stems=stems) for number, stems in enumerate(STEMS)])
    assert int(batch["clip_ends"].sum()) == 2 * len(STEMS)
    encoder = ChatEncoder(backbone.chat)
    example = examples_of("anchor_rest").example(make_problem(1))
    text = encoder.prompt_text(example.clips, example.prompt)
    whole = encoder.encode_text(example.clips, example.prompt, example.response)
    assert [text.index(clip.label) for clip in example.clips] == sorted(
        text.index(clip.label) for clip in example.clips
    )
    assert text.index(example.clips[-1].label) < text.index(example.prompt)
    said = backbone.chat.tokenizer.decode(whole.labels[whole.labels != IGNORED])
    assert said.startswith(example.response)
    assert whole.labels[-1] == backbone.chat.end_token_id


def test_a_step_trains_the_adapter_and_the_projector_and_nothing_else(backbone, make_batch):
    trained = adapted(backbone)
    counts = {part.part: part.trainable for part in footprint(trained).parts}
    assert counts.pop("language_model") > 0
    assert counts.pop("projector") > 0
    assert set(counts.values()) == {0}
    loss_of = response_loss(trained, decisive_weight=2.0, gain_weight=0.5, move_weight=0.5)
    loss, _ = loss_of(trained.model, make_batch([make_problem(0)]))
    loss.backward()
    for parameter_name, parameter in trained.model.named_parameters():
        if parameter.requires_grad and "lora_A" not in parameter_name:  # lora_B is zero at first
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.abs().max() > 0, parameter_name


def test_one_batch_can_be_learnt_by_heart(backbone, make_batch):
    batch = make_batch([make_problem(0), make_problem(1, gain_db=-8.0)])
    model = full(backbone)
    loss_of = response_loss(backbone)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(60):
        loss, _ = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_a_batch_gives_the_texts_of_single_prompts(backbone, make_batch):
    problems = [make_problem(number, stems=stems) for number, stems in enumerate(STEMS)]
    together = generate_texts(backbone, make_batch(problems, generation=True), 8)
    assert together == [generate_texts(backbone, make_batch([one], generation=True), 8)[0] for one in problems]
    assert len(set(together)) > 1


def test_generation_computes_the_logits_of_one_position_for_each_word(backbone, make_batch):
    lengths = []
    counting = backbone.part("head").register_forward_hook(lambda _, inputs, logits: lengths.append(logits.shape[1]))
    generate_texts(backbone, make_batch([make_problem(0), make_problem(1)], generation=True), 3)
    counting.remove()
    assert set(lengths) == {1}


def test_generation_goes_on_as_the_model_without_a_cache_would(backbone, make_batch):
    batch = make_batch([make_problem(0)], generation=True)
    said = generate_texts(backbone, batch, 3)
    for _ in range(3):
        with torch.no_grad():
            states = backbone.model.model(**backbone.family.inputs(batch), use_cache=False).last_hidden_state
            token = backbone.part("head")(states[:, -1]).argmax(-1, keepdim=True)
        batch["input_ids"] = torch.cat([batch["input_ids"], token], dim=1)
        batch["attention_mask"] = torch.nn.functional.pad(batch["attention_mask"], (0, 1), value=1)
    tokens = batch["input_ids"][:, -3:]
    assert backbone.chat.tokenizer.batch_decode(tokens, skip_special_tokens=True)[0].strip() == said[0]


def test_six_db_more_change_the_embeddings_of_that_clip(backbone, make_batch):
    """And of no other, where each clip is a sound of its own."""
    quiet, loud = (make_batch([make_problem(0, gain_db=gain_db)], generation=True) for gain_db in (0.1, 6.1))
    audio = quiet["input_ids"][0] == backbone.chat.audio_token_id
    changed = (embedded(backbone, quiet) - embedded(backbone, loud))[0].abs().amax(dim=-1)
    anchor_end, rest_end = quiet["clip_ends"][0].nonzero()[:, 0].tolist()
    positions = torch.arange(audio.numel())
    anchor, rest = audio & (positions <= anchor_end), audio & (positions > anchor_end) & (positions <= rest_end)
    assert changed[rest].min() > 1e-3
    if len(quiet["input_features"]) == 2:
        assert changed[anchor].max() == 0.0
    else:
        # The tower lets every state see all of the window, but what goes into it moves only where the clip is
        # (the bands that are clamped below the loudest of the window aside).
        features = torch.stack([quiet["input_features"][0], loud["input_features"][0]])
        moved = (features[0] - features[1]).abs() * (features > features.amin(dim=(1, 2), keepdim=True)).all(dim=0)
        assert moved[:, :30].max() < 1e-6
        assert moved[:, 40:60].max() == pytest.approx(6 / 40, abs=1e-3)


def quiet_clips():
    from mixlab.synthesis.example import Clip

    sound = torch.zeros(160000).numpy()
    return [Clip("Anchor, bass:", ("bass",), sound), Clip("Rest:", ("drums",), sound)]


def test_a_saved_model_loads_through_the_hub_loader(backbone, make_batch, tmp_path):
    backbone.save(tmp_path)
    loaded = Pretrained(str(tmp_path)).build()
    assert loaded.family is backbone.family
    expected = backbone.model.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in loaded.model.state_dict().items())
    batch = make_batch([make_problem(0)], generation=True)
    assert generate_texts(loaded, batch, 4) == generate_texts(backbone, batch, 4)
    assert {part.part: part.parameters for part in footprint(Pretrained(str(tmp_path)).outline()).parts} == {
        part.part: part.parameters for part in footprint(backbone).parts
    }


def test_a_checkpoint_rebuilds_the_model_and_its_encoder(backbone, make_batch, tmp_path):
    from mixlab.advising.listener import read_encoder

    backbone.save(tmp_path / "base")
    name = {"name": str(tmp_path / "base")}
    description = described(
        builder="from_pretrained",
        arguments=name,
        inputs="anchor_rest",
        family=backbone.family.name,
        feature_mean=None,
        feature_deviation=None,
    )
    trained = adapted(backbone)
    with torch.no_grad():
        for parameter in trained.model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    save_trained(tmp_path / "adapter", trained, description)
    loaded = load_trained(tmp_path)
    batch = make_batch([make_problem(0)], generation=True)
    assert generate_texts(loaded.backbone, batch, 6) == generate_texts(trained, batch, 6)
    encoder = read_encoder(tmp_path / "adapter", description)
    ids = encoder.encode_text(quiet_clips(), "How is it?", None).input_ids
    assert (ids == ChatEncoder(backbone.chat).encode_text(quiet_clips(), "How is it?", None).input_ids).all()
