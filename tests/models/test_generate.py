from importlib import resources
from pathlib import Path

import pytest
import torch

from mixlab.chat.encoder import overlap
from mixlab.language.spans import naming_spans
from mixlab.models.checkpoints import load_trained
from mixlab.models.generate import OneAnswer, generate, generate_texts, predict

from .conftest import batches_of, make_problem

ADVISOR = Path(str(resources.files("mixlab.models"))) / "tiny_advisor"
STEMS = [("bass", "drums", "vocals"), ("bass", "other"), ("bass", "drums", "vocals", "other"), ("bass", "vocals")]


def test_a_batch_gives_the_texts_of_single_prompts(base, make_batch):
    problems = [make_problem(number, stems=stems) for number, stems in enumerate(STEMS)]
    together = generate_texts(base, make_batch(problems, generation=True), 12)
    single = [generate_texts(base, make_batch([problem], generation=True), 12)[0] for problem in problems]
    assert together == single


def test_features_computed_where_the_model_is_give_the_same_texts(base, make_batch):
    problems = [make_problem(number, stems=stems) for number, stems in enumerate(STEMS)]
    in_worker, travelling = (make_batch(problems, generation=True, features=features) for features in (True, False))
    assert "waveforms" in travelling
    texts = [generate_texts(base, batch, 12) for batch in (in_worker, travelling)]
    assert texts[0] == texts[1]


def test_swapping_the_audio_changes_the_logits(base, make_batch):
    batch = make_batch([make_problem(0)])
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "input_features", "feature_attention_mask")}
    before = base.model(**inputs).logits
    inputs["input_features"] = inputs["input_features"].flip(0)
    assert not torch.allclose(before, base.model(**inputs).logits)


def test_six_db_more_change_the_audio_embeddings(base, make_batch):
    quiet, loud = (make_batch([make_problem(0, gain_db=gain)])["input_features"] for gain in (0.1, 6.1))
    states = [base.model.model.audio_tower(features).last_hidden_state for features in (quiet, loud)]
    assert torch.equal(states[0][:2], states[1][:2])
    assert not torch.allclose(states[0][2], states[1][2], atol=1e-3)


def test_generation_leaves_the_model_in_the_mode_it_was_in(base, make_batch):
    base.model.train()
    generate_texts(base, make_batch([make_problem(0)], generation=True), 2)
    assert base.model.training


def test_a_prediction_carries_prompt_text_and_reference(base, make_batch):
    (prediction,) = predict(base, make_batch([make_problem(1)], generation=True), 4)
    assert prediction.prompt
    assert "5 dB" in prediction.reference
    assert prediction.problem == make_problem(1)


def test_scores_of_one_mix_are_added_up_and_those_of_others_are_not():
    scores = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 3.0]])
    found = OneAnswer([2, 1])(torch.zeros(3, 1), scores)
    log_p = scores.log_softmax(-1)
    assert torch.equal(found[0], found[1])
    assert found[0] == pytest.approx(((log_p[0] + log_p[1]) / 2).numpy())
    assert found[2] == pytest.approx(log_p[2].numpy())
    # A sure answer outweighs an unsure one, which a vote would not know.
    assert found[0].argmax() == 0


def test_prompts_of_one_mix_get_one_answer_whichever_batch_they_are_in(base, make_batch):
    problems = [make_problem(number, stems=STEMS[0]) for number in range(5)]
    together = predict(base, make_batch(problems, generation=True), 8, groups=[2, 3])
    assert [prediction.problem for prediction in together] == [problems[0], problems[2]]
    (first,) = predict(base, make_batch(problems[:2], generation=True), 8, groups=[2])
    (turned,) = predict(base, make_batch(problems[1::-1], generation=True), 8, groups=[2])
    assert first == together[0]
    assert turned.text == first.text
    alone = predict(base, make_batch(problems, generation=True), 8)
    twice = predict(base, make_batch([problems[0], problems[0]], generation=True), 8, groups=[2])
    assert twice == alone[:1]


def test_the_probability_of_an_answer_is_that_of_the_words_that_name_it():
    backbone = load_trained(ADVISOR).backbone
    make = batches_of(backbone)
    for problem in (make_problem(0, gain_db=9.0), make_problem(1)):
        batch = make([problem], generation=True)
        (said,) = generate(backbone, batch, 40)
        text = said.text if said.text[0].isupper() else f" {said.text}"
        words = backbone.chat.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = torch.cat([batch["input_ids"], torch.tensor([words["input_ids"]])], dim=1)
        with torch.no_grad():
            inputs = backbone.family.inputs(batch) | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            log_p = backbone.model(**inputs).logits[0].log_softmax(-1)
        start = batch["input_ids"].shape[1]
        names = overlap(words["offset_mapping"], naming_spans(text))
        named = [log_p[start + n - 1, ids[0, start + n]] for n, is_name in enumerate(names) if is_name]
        assert named
        assert said.probability == pytest.approx(float(torch.stack(named).sum().exp()), rel=1e-3)


def test_babble_has_no_probability(base, make_batch):
    (said,) = generate(base, make_batch([make_problem(0)], generation=True), 4)
    assert said.probability is None
