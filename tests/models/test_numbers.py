"""Soft targets for numbers: a neighbour in dB is nearer than a stranger, whatever pieces a tokenizer makes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mixlab.models.numbers import NumberTargets

SIGMA_DB = 1.0


def digit_tokenizer():
    """Cuts numbers into digits and leaves the space before them alone, as Qwen's tokenizer does."""
    vocabulary = {piece: index for index, piece in enumerate(["?", " ", *"0123456789", ".", "by", "to", "dB"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")


@pytest.fixture(scope="module")
def whole(processor):
    """The tiny model's tokenizer, with one token a number, and its targets."""
    return processor.tokenizer, NumberTargets(processor.tokenizer, SIGMA_DB)


DIGITS = digit_tokenizer()
OF_DIGITS = NumberTargets(DIGITS, SIGMA_DB)
OF_HALVES = NumberTargets(DIGITS, SIGMA_DB, step_db=0.5)


def rows_of(tokenizer, targets, text, counts=True):
    labels = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    return labels[0], targets.rows(labels, torch.full_like(labels, counts, dtype=torch.bool))[0]


def distribution(targets, row):
    return {
        int(token): float(share) for token, share in zip(targets.tokens, targets.targets[row], strict=True) if share
    }


def test_where_numbers_are_tokens_the_target_is_a_normal_distribution_over_db(whole):
    tokenizer, targets = whole
    labels, rows = rows_of(tokenizer, targets, "lower it by 9 dB")
    (place,) = (rows >= 0).nonzero()[:, 0].tolist()
    found = distribution(targets, rows[place])
    (eight,), (nine,), (two,) = (tokenizer(f" {n}", add_special_tokens=False)["input_ids"] for n in (8, 9, 2))
    assert labels[place] == nine
    assert found[nine] > found[eight] > 1e6 * found[two]
    assert found[eight] / found[nine] == pytest.approx(math.exp(-0.5 / SIGMA_DB**2), rel=1e-5)


def test_a_wrong_nine_costs_less_where_eight_is_right_than_where_two_is(whole):
    tokenizer, targets = whole
    (nine,) = tokenizer(" 9", add_special_tokens=False)["input_ids"]
    says_nine = torch.full((1, len(tokenizer)), -12.0).index_fill(1, torch.tensor([nine]), 0.0).log_softmax(dim=-1)
    losses = []
    for right in (9, 8, 2):
        _, rows = rows_of(tokenizer, targets, f" {right}")
        losses.append(float(targets.loss(says_nine, rows)))
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize(("form", "count"), [("lower it by 3 to 6 dB", 2), ("3-6 dB louder", 2), ("the bass", 0)])
def test_each_number_of_a_range_has_its_own_target(whole, form, count):
    tokenizer, targets = whole
    _, rows = rows_of(tokenizer, targets, form)
    values = targets.row_values[rows[rows >= 0]].tolist()
    assert values == [3.0, 6.0][:count]


def test_numbers_that_are_no_amounts_keep_their_plain_target(whole):
    _, rows = rows_of(*whole, "lower it by 9 dB", counts=False)
    assert (rows == -1).all()


@given(st.integers(0, 60))
def test_pieces_multiply_to_the_distribution_over_numbers_of_that_length(value):
    _, rows = rows_of(DIGITS, OF_DIGITS, f"by {value} dB")
    rows = rows[rows >= 0]
    assert OF_DIGITS.row_values[rows].tolist() == [value] * len(str(value))
    likeliest = [max(found := distribution(OF_DIGITS, row), key=found.get) for row in rows]
    assert DIGITS.convert_ids_to_tokens(likeliest) == list(str(value))
    assert all(math.isclose(sum(distribution(OF_DIGITS, row).values()), 1.0, rel_tol=1e-5) for row in rows)


def test_a_digit_counts_for_the_numbers_that_begin_with_it():
    _, rows = rows_of(DIGITS, OF_DIGITS, "9")
    shares = distribution(OF_DIGITS, rows[0])
    one, *below = DIGITS.convert_tokens_to_ids(list("187654"))
    # 10 to 14 are as near to 9 as 8 to 4 are, and 1 is far.
    assert shares[one] == pytest.approx(sum(shares[digit] for digit in below), rel=1e-5)


def test_halves_of_a_decibel_are_numbers_where_the_grid_has_them():
    _, rows = rows_of(DIGITS, OF_HALVES, "by 4.5 dB")
    assert OF_HALVES.row_values[rows[rows >= 0]].tolist() == [4.5] * 3
    last = distribution(OF_HALVES, rows[rows >= 0][2])
    assert list(last) == [DIGITS.convert_tokens_to_ids("5")]


@pytest.mark.parametrize("text", ["by 61 dB", "by 1234567 dB", "by 07 dB"])
def test_numbers_beyond_the_grid_keep_their_plain_target(text):
    _, rows = rows_of(DIGITS, OF_DIGITS, text)
    assert (rows == -1).all()
