"""Under the grammar even an untrained model says only what can be read back."""

from __future__ import annotations

import sys

import pytest

from mixlab.errors import ConfigError
from mixlab.models.constrained import GrammarDecoder
from mixlab.models.generate import predict

from .conftest import make_problem

STEMS = [("bass", "drums", "vocals"), ("bass", "other"), ("bass", "drums", "vocals", "other")]


@pytest.fixture
def decoder(base):
    pytest.importorskip("xgrammar")
    return GrammarDecoder(base)


def test_an_untrained_model_is_always_readable_and_speaks_of_stems_that_it_hears(base, make_batch, decoder):
    problems = [make_problem(number, stems=stems) for number, stems in enumerate(STEMS)]
    free = predict(base, make_batch(problems, generation=True), 96)
    barred = predict(base, make_batch(problems, generation=True), 96, decoder)
    assert any(prediction.advice is None for prediction in free)
    for prediction, stems in zip(barred, STEMS, strict=True):
        assert prediction.advice is not None, prediction.text
        assert {move.stem for move in prediction.advice.moves} <= set(stems)


def test_a_barred_batch_gives_the_texts_of_single_prompts(base, make_batch, decoder):
    problems = [make_problem(number, stems=stems) for number, stems in enumerate(STEMS)]
    together = predict(base, make_batch(problems, generation=True), 96, decoder)
    single = [predict(base, make_batch([problem], generation=True), 96, decoder)[0] for problem in problems]
    assert [prediction.text for prediction in together] == [prediction.text for prediction in single]


def test_without_xgrammar_a_sentence_says_what_to_install(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgrammar", None)
    with pytest.raises(ConfigError, match=r"mixlab\[constrained\]"):
        GrammarDecoder(base)
