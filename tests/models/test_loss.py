import torch
import torch.nn.functional as F

from mixlab.data.encoder import IGNORED
from mixlab.models.loss import ResponseLoss

from .conftest import make_problem


def test_the_loss_is_the_mean_cross_entropy_of_response_tokens(base, make_batch):
    batch = make_batch([make_problem(0), make_problem(1)])
    loss, _ = ResponseLoss()(base.model, batch)
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "input_features", "feature_attention_mask")}
    logits = base.model(**inputs).logits[:, :-1].float()
    labels = batch["labels"][:, 1:]
    expected = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED)
    torch.testing.assert_close(loss, expected)


def test_the_prompt_has_no_part_in_the_loss(base, make_batch):
    batch = make_batch([make_problem(0)])
    loss, _ = ResponseLoss()(base.model, batch)
    batch["labels"][0, int((batch["labels"][0] != IGNORED).nonzero()[0])] = IGNORED
    shorter, _ = ResponseLoss()(base.model, batch)
    assert loss != shorter


def test_decisive_words_weigh_more_and_the_logged_entropy_stays_plain(base, make_batch):
    batch = make_batch([make_problem(0)])
    plain, entropy = ResponseLoss(1.0)(base.model, batch)
    weighted, same_entropy = ResponseLoss(5.0)(base.model, batch)
    assert weighted > plain
    torch.testing.assert_close(entropy, plain.detach())
    torch.testing.assert_close(entropy, same_entropy)


def test_the_loss_is_float32_for_a_bfloat16_model(base, make_batch):
    base.model.to(torch.bfloat16)
    loss, _ = ResponseLoss()(base.model, make_batch([make_problem(0)]))
    assert loss.dtype == torch.float32
