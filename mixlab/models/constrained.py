"""Decoding under a grammar, so that every response can be read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mixlab.errors import ConfigError
from mixlab.language.grammar import response_grammar

if TYPE_CHECKING:
    from mixlab.models.backbones.base import Backbone


class GrammarDecoder:
    """Bars all tokens with which a response would leave the language of advice; of the others the likeliest is said.

    Uses xgrammar (Dong et al. 2024), which compiles a grammar against the tokenizer once and masks logits in each step.

    Args:
        backbone: whose tokenizer, end token and number of logits the masks are made for.
        max_moves: how many stems a response may move.

    Raises:
        ConfigError: if xgrammar is not installed.
    """

    def __init__(self, backbone: Backbone, max_moves: int = 1) -> None:
        try:
            import xgrammar
        except ImportError as error:
            raise ConfigError(
                "Constrained answers need xgrammar, which is not installed; pip install 'mixlab[constrained]'."
            ) from error
        chat, head = backbone.chat, backbone.model.get_output_embeddings()
        info = xgrammar.TokenizerInfo.from_huggingface(
            chat.tokenizer, vocab_size=head.weight.shape[0], stop_token_ids=[chat.end_token_id]
        )
        self._compiler = xgrammar.GrammarCompiler(info)
        self._max_moves = max_moves

    def processors(self, stems: Sequence[Sequence[str]]) -> list[Any]:
        """Logits processors for one call of `generate`.

        Args:
            stems: that may be spoken of, for each prompt of the batch.
        """
        from xgrammar.contrib.hf import LogitsProcessor

        grammars = [response_grammar(tuple(names), self._max_moves) for names in stems]
        compiled = {text: self._compiler.compile_grammar(text) for text in dict.fromkeys(grammars)}
        return [LogitsProcessor([compiled[text] for text in grammars])]
