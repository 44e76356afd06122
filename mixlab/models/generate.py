"""Room models: greedy generation in batches, with a KV cache."""

from __future__ import annotations

from typing import Any

import torch

from mixlab.audio.log_mel import LogMel
from mixlab.data.collate import Batch, with_features
from mixlab.language.parse import parse
from mixlab.scoring.prediction import Prediction


@torch.inference_mode()
def generate_texts(model: torch.nn.Module, processor: Any, batch: Batch, max_new_tokens: int) -> list[str]:
    """The model's responses to a batch of prompts (padded on the left), greedily, without special tokens.

    A batch of N gives the texts of N batches of one (tested).
    """
    tokenizer = processor.tokenizer
    batch = with_features(batch, LogMel.of(processor.feature_extractor))
    was_training = model.training
    model.eval()
    try:
        tokens = model.generate(  # type: ignore[operator]
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            input_features=batch["input_features"],
            feature_attention_mask=batch["feature_attention_mask"],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
            pad_token_id=tokenizer.pad_token_id,
        )
    finally:
        model.train(was_training)
    responses = tokens[:, batch["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(responses, skip_special_tokens=True)]


def predict(model: torch.nn.Module, processor: Any, batch: Batch, max_new_tokens: int) -> list[Prediction]:
    """Generated advice for a batch of prompts that carries its examples, read back by the parser."""
    texts = generate_texts(model, processor, batch, max_new_tokens)
    return [
        Prediction(
            example.problem,
            text,
            parse(text, stems=example.problem.stems).advice,
            prompt=example.prompt,
            reference=example.response,
        )
        for example, text in zip(batch["examples"], texts, strict=True)
    ]
