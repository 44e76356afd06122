from dataclasses import replace
from math import nan

import torch
import torch.nn.functional as F

from mixlab.chat.collate import MOVES
from mixlab.chat.encoder import IGNORED
from mixlab.language.advice import Direction

from .conftest import make_problem, response_loss


def loss_of(base, batch, **settings):
    torch.manual_seed(0)
    return response_loss(base, **settings)(base.model, batch)


def test_the_loss_is_the_mean_cross_entropy_of_response_tokens(base, make_batch):
    batch = make_batch([make_problem(0), make_problem(1)])
    loss, _ = loss_of(base, batch)
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "input_features", "feature_attention_mask")}
    logits = base.model(**inputs).logits[:, :-1].float()
    labels = batch["labels"][:, 1:]
    expected = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED)
    torch.testing.assert_close(loss, expected)


def test_the_prompt_has_no_part_in_the_loss(base, make_batch):
    batch = make_batch([make_problem(0)])
    loss, _ = loss_of(base, batch)
    batch["labels"][0, int((batch["labels"][0] != IGNORED).nonzero()[0])] = IGNORED
    shorter, _ = loss_of(base, batch)
    assert loss != shorter


def test_decisive_words_weigh_more_and_the_logged_entropy_stays_plain(base, make_batch):
    batch = make_batch([make_problem(0)])
    plain, entropy = loss_of(base, batch)
    weighted, same_entropy = loss_of(base, batch, decisive_weight=5.0)
    assert weighted > plain
    torch.testing.assert_close(entropy, plain.detach())
    torch.testing.assert_close(entropy, same_entropy)


def test_the_loss_is_float32_for_a_bfloat16_model(base, make_batch):
    base.model.to(torch.bfloat16)
    loss, _ = loss_of(base, make_batch([make_problem(0)]))
    assert loss.dtype == torch.float32


def test_the_helper_reads_the_error_of_each_clip_that_is_heard(base, make_batch):
    batch = make_batch([make_problem(0, gain_db=5.0), make_problem(1, stems=("bass", "other"))])
    expected = [
        [0.0, nan, nan, nan],
        [nan, 0.0, nan, nan],
        [nan, nan, 5.0, nan],
        [0.0, nan, nan, nan],
        [nan] * 3 + [5.0],
    ]
    torch.testing.assert_close(batch["clip_error_db"], torch.tensor(expected), equal_nan=True)
    plain, entropy = loss_of(base, batch)
    helped, same_entropy = loss_of(base, batch, gain_weight=1.0)
    assert helped > plain
    torch.testing.assert_close(entropy, same_entropy)


def test_the_other_helper_reads_at_the_prompts_end_what_to_do_with_each_stem(base, make_batch):
    balanced = replace(make_problem(2), errors=())
    batch = make_batch([make_problem(0, gain_db=5.0), make_problem(1, stems=("bass", "other")), balanced])
    leave, lower = MOVES.index(Direction.LEAVE), MOVES.index(Direction.LOWER)
    assert batch["moves"].tolist() == [
        [IGNORED, leave, lower, IGNORED],
        [IGNORED, IGNORED, IGNORED, lower],
        [IGNORED, leave, leave, IGNORED],
    ]
    plain, entropy = loss_of(base, batch)
    helped, same_entropy = loss_of(base, batch, move_weight=1.0)
    assert helped > plain
    torch.testing.assert_close(entropy, same_entropy)


def test_the_number_aware_loss_changes_what_numbers_cost_and_nothing_else(base, make_batch):
    batch = make_batch([make_problem(0, gain_db=5.0)])
    plain, entropy = loss_of(base, batch)
    spread, same_entropy = loss_of(base, batch, number_sigma_db=1.0)
    assert spread != plain
    torch.testing.assert_close(entropy, same_entropy)
    without_numbers = dict(batch, decisive=torch.zeros_like(batch["decisive"]))
    torch.testing.assert_close(loss_of(base, without_numbers, number_sigma_db=1.0)[0], plain)


def test_a_narrow_spread_is_the_plain_cross_entropy(base, make_batch):
    batch = make_batch([make_problem(0, gain_db=5.0)])
    torch.testing.assert_close(loss_of(base, batch, number_sigma_db=0.05)[0], loss_of(base, batch)[0])
