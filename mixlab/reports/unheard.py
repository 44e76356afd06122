"""Rows beside answers of which only texts and labels are at hand: methods that hear nothing."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mixlab.baselines.base import ListenedItem, predictions_of
from mixlab.baselines.constant import BestConstant, Chance
from mixlab.language.advice import Advice
from mixlab.scoring.closed_loop import closed_loop
from mixlab.scoring.prediction import Prediction
from mixlab.scoring.results import Row
from mixlab.scoring.scores import score

SHUFFLED = "shuffled_answers"


def shuffled(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Every item with the answer that was given to another one with the same anchor and prompt (a claim or none).

    A method that listens loses by this; one that reads only what the user says, or has a favourite answer, does not.
    The shuffle depends on the names of the items alone, and an item alone of its kind keeps its answer.
    """
    alike: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, prediction in enumerate(predictions):
        problem = prediction.problem
        # Whether a claim is right is in the audio alone, so items with right and wrong claims stand together.
        kind = "claim" if problem.prompt_category.has_claim else str(problem.prompt_category)
        # How far off a stem is said to be makes no kind of its own, of which an item would soon be the only one.
        said = "" if problem.claim is None else f"{problem.claim.state} {problem.claim.stem}"
        alike[problem.anchor, kind, said].append(index)
    answers = list(predictions)
    for members in alike.values():
        # In a random order, every item gets the answer of the next one, so that none keeps its own.
        members.sort(key=lambda index: zlib.crc32(predictions[index].problem.item_id.encode()))
        for index, other in zip(members, np.roll(members, -1).tolist(), strict=True):
            answers[index] = replace(predictions[index], text=predictions[other].text, advice=predictions[other].advice)
    return answers


def unheard_rows(predictions: Sequence[Prediction], resamples: int) -> list[Row]:
    """Rows for chance, for the best constant answer and for the answers themselves, shuffled among the items.

    The constant is the best one for these very items, since there are no others to choose it on: that flatters it.
    """
    silence = np.zeros((0, 0, 0), dtype=np.float32)
    items = [ListenedItem(prediction.problem, Advice(), {}, {}, silence, ()) for prediction in predictions]
    rows = []
    for baseline in (Chance(), BestConstant()):
        baseline.fit(items)
        said = predictions_of(items, baseline.advise(items))
        scores = score(said, resamples, reads_claims=baseline.reads_claims)
        rows.append(Row(baseline.name, "baseline", scores, closed_loop(said, resamples)))
    said = shuffled(predictions)
    rows.append(Row(SHUFFLED, "baseline", score(said, resamples), closed_loop(said, resamples)))
    return rows
