"""Responses: the longest one that can be asked for fits the limit of the tiny model."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from mixlab.language.advice import Advice, Claim, Direction, Move, State, Verdict
from mixlab.language.banks import response_bank
from mixlab.language.templates import PartWording, ResponseWording, describing, fill_response
from mixlab.language.wording import RangeForm
from mixlab.multitrack.song import STEMS
from mixlab.storage import config_folder

STATES = {Direction.RAISE: State.TOO_QUIET, Direction.LOWER: State.TOO_LOUD}


@pytest.fixture(scope="module")
def longest(processor):
    """The number of tokens of the longest way to say an advice of one move or none, with or without a verdict."""

    def count(advice: Advice, anchor: str, claim: Claim | None = None) -> int:
        bank = response_bank()
        direction = advice.moves[0].direction if advice.moves else Direction.LEAVE
        choices = (
            range(len(describing(bank, advice.moves[0] if advice.moves else None))),
            range(len(bank.solutions[direction])),
            RangeForm if advice.moves else [RangeForm.TO],
            range(len(bank.verdicts[advice.verdict][claim.state])) if claim is not None else [0],
        )
        texts = (
            fill_response(advice, anchor, claim, ResponseWording((PartWording(*part),), verdict))
            for *part, verdict in product(*choices)
        )
        return max(len(processor.tokenizer(f" {text}", add_special_tokens=False)["input_ids"]) for text in texts)

    return count


@pytest.mark.parametrize("anchor", STEMS)
def test_three_moves_by_a_range_after_a_verdict_fit_the_limit_of_the_tiny_model(longest, anchor):
    limit = yaml.safe_load((Path(config_folder()) / "model" / "qwen2_audio_tiny.yaml").read_text())["max_new_tokens"]
    others = [stem for stem in STEMS if stem != anchor]
    moves = sum(
        max(
            longest(Advice((Move(stem, *ends),)), anchor)
            for ends in ((6.0, 12.0), (-12.0, -6.0), (10.0, 12.0), (-12.0, -10.0))
        )
        for stem in others
    )
    balanced = longest(Advice(), anchor)
    claims = [Claim(state, others[-1]) for state in STATES.values()]
    denied = max(longest(Advice((), Verdict.CORRECTED), anchor, claim) for claim in claims)
    end = 1
    assert denied - balanced + moves + end <= limit
