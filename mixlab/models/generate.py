"""Greedy generation in batches, with a KV cache."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import LogitsProcessor, LogitsProcessorList

from mixlab.chat.collate import Batch, with_features
from mixlab.chat.encoder import overlap
from mixlab.language.parse import parse
from mixlab.language.said import Said
from mixlab.language.spans import naming_spans
from mixlab.language.wording import STEM_NAMES
from mixlab.models.backbones.base import Backbone
from mixlab.models.constrained import GrammarDecoder
from mixlab.scoring.prediction import Prediction


def generate_texts(backbone: Backbone, batch: Batch, max_new_tokens: int, processors: Sequence[Any] = ()) -> list[str]:
    """The texts of `generate`."""
    return [said.text for said in generate(backbone, batch, max_new_tokens, processors)]


@torch.inference_mode()
def generate(
    backbone: Backbone,
    batch: Batch,
    max_new_tokens: int,
    processors: Sequence[Any] = (),
    stems: Sequence[Sequence[str]] | None = None,
) -> list[Said]:
    """The model's responses to a batch of prompts (padded on the left), greedily.

    A batch of N gives the texts of N batches of one (tested).

    Args:
        processors: of the logits, in the order of the batch (`GrammarDecoder.processors`).
        stems: that each prompt speaks of; None for the usual ones.
    """
    likeliest = _Likeliest()
    model, chat = backbone.model, backbone.chat
    batch = with_features(batch, chat.front_end)
    was_training = model.training
    model.eval()
    try:
        # Compiled layers are for training: here every length would be compiled anew.
        with torch.compiler.set_stance("force_eager"), _last_position_only(backbone.part("head")):
            tokens = model.generate(
                **backbone.family.inputs(batch),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                logits_processor=LogitsProcessorList([*processors, likeliest]),
                eos_token_id=chat.end_token_id,
                pad_token_id=chat.pad_token_id,
            )
    finally:
        model.train(was_training)
    responses = tokens[:, batch["input_ids"].shape[1] :]
    texts = chat.tokenizer.batch_decode(responses, skip_special_tokens=True)
    log_probabilities = torch.stack(likeliest.seen, dim=1).tolist()
    return [
        Said(text.strip(), _named_with(chat.tokenizer, text, ids, found, named))
        for text, ids, found, named in zip(
            texts, responses.tolist(), log_probabilities, stems or [STEM_NAMES] * len(texts), strict=True
        )
    ]


class _Likeliest(LogitsProcessor):
    """Notes the log-probability of the likeliest token of each step, which greedy decoding takes."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores as they are."""
        self.seen.append(scores.float().log_softmax(dim=-1).amax(dim=-1))
        return scores


def _named_with(
    tokenizer: Any, text: str, ids: Sequence[int], log_probabilities: Sequence[float], stems: Sequence[str]
) -> float | None:
    """The probability of the tokens that name the answer, or None."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = naming_spans(text, stems)
    if not spans or list(ids[: len(read["input_ids"])]) != read["input_ids"]:
        return None
    names = overlap(read["offset_mapping"], spans)
    return math.exp(sum(found for found, is_name in zip(log_probabilities, names, strict=False) if is_name))


@contextmanager
def _last_position_only(head: nn.Module) -> Iterator[None]:
    """Have a model compute the logits of the last position of its input alone, the only ones that choose a token.

    Not every model of transformers takes `logits_to_keep`: Qwen2-Audio makes logits of the whole prompt, which for the
    7B and 8 prompts of 500 tokens are 1.2 GB.
    """
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][:, -1:],))
    try:
        yield
    finally:
        handle.remove()


class OneAnswer(LogitsProcessor):
    """Has prompts that are of one mix say the same: the log-probabilities of every next token are averaged over them.

    So the scores of answers are added up, a product of experts (Hinton 2002), and no texts are voted on.

    Args:
        groups: how many prompts in a row belong together, for all of a batch.
    """

    def __init__(self, groups: Sequence[int]) -> None:
        self.group_of = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(groups))
        self.sizes = torch.tensor(groups)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores of shape (prompts, tokens), equal within a group."""
        group_of, sizes = self.group_of.to(scores.device), self.sizes.to(scores.device)
        log_probabilities = scores.float().log_softmax(dim=-1)
        summed = log_probabilities.new_zeros(len(sizes), scores.shape[-1]).index_add_(0, group_of, log_probabilities)
        return (summed / sizes[:, None])[group_of]


def predict(
    backbone: Backbone,
    batch: Batch,
    max_new_tokens: int,
    decoder: GrammarDecoder | None = None,
    groups: Sequence[int] | None = None,
) -> list[Prediction]:
    """Generated advice for a batch of prompts that carries its examples, read back by the parser.

    Args:
        decoder: lets the model say only what can be read back; None lets it say anything.
        groups: how many prompts in a row are of one mix and get one answer; None where each gets its own.

    Returns:
        One a group, of its first prompt.
    """
    stems = [example.problem.stems for example in batch["examples"]]
    processors: list[Any] = [] if groups is None else [OneAnswer(groups)]
    processors += decoder.processors(stems) if decoder else []
    said = generate(backbone, batch, max_new_tokens, processors, stems)
    firsts = range(len(said)) if groups is None else np.cumsum([0, *groups[:-1]]).tolist()
    return [
        Prediction(
            example.problem,
            answer.text,
            parse(answer.text, stems=example.problem.stems).advice,
            prompt=example.prompt,
            reference=example.response,
            probability=answer.probability,
        )
        for example, answer in ((batch["examples"][place], said[place]) for place in firsts)
    ]
