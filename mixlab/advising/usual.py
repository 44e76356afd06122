"""Room advising: what the songs that we measured usually do, and the loudness rule's advice beside the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import yaml

from mixlab.advising.session import Session, SessionSegment
from mixlab.advising.summary import SegmentAnswer, Summary, summarise
from mixlab.audio.hearing import Heard
from mixlab.audio.loudness import POWER_HOP_S, integrated_lufs, k_weighted_power
from mixlab.baselines.base import ListenedItem
from mixlab.baselines.loudness import LoudnessRule, LoudnessRuleGenre
from mixlab.language.advice import Advice, Claim
from mixlab.multitrack.statistics import ALL_GENRES, Spread, UsualBalance
from mixlab.synthesis.problem import Problem, PromptCategory


@dataclass(frozen=True)
class Usual:
    """What measured songs do.

    Attributes:
        genres: those that the balance is known of, sorted.
        balance: loudness of stems above each other.
        rule, rule_by_genre: fitted loudness rules, without and with the genre known.
    """

    genres: tuple[str, ...]
    balance: UsualBalance
    rule: LoudnessRule
    rule_by_genre: LoudnessRuleGenre


@cache
def usual() -> Usual:
    """The demo songs' figures that come with the package."""
    data = yaml.safe_load(resources.files("mixlab.advising").joinpath("usual.yaml").read_text(encoding="utf-8"))
    spreads = {}
    for key, (songs, mean_lu, deviation_lu) in data["spreads"].items():
        anchor, stem, genre = key.split("/")
        spreads[genre, anchor, stem] = Spread(songs, mean_lu, deviation_lu)
    return Usual(
        genres=tuple(sorted({genre for genre, _, _ in spreads} - {ALL_GENRES})),
        balance=UsualBalance(spreads),
        rule=LoudnessRule.from_json(data["rules"][LoudnessRule.name]),
        rule_by_genre=LoudnessRuleGenre.from_json(data["rules"][LoudnessRuleGenre.name]),
    )


def segment_lufs(session: Session, segments: Sequence[SessionSegment]) -> list[dict[str, float]]:
    """BS.1770 loudness of each active stem in each segment, as the model hears it before the common gain."""
    found = []
    for segment in segments:
        start, end = (round(time_s * session.sample_rate) for time_s in (segment.start_s, segment.end_s))
        parts = {stem: session.signals[stem][None, start:end] for stem in segment.stems}
        found.append(
            {stem: float(integrated_lufs(k_weighted_power(part, session.sample_rate))) for stem, part in parts.items()}
        )
    return found


def played_lufs(heard: Mapping[str, Heard], segments: Sequence[SessionSegment]) -> list[dict[str, float]]:
    """BS.1770 loudness of each active stem in each segment as it is played: at its own rate, in the song's channels."""
    channels = max(one.channels for one in heard.values())
    found = []
    for segment in segments:
        hops = slice(*(round(time_s / POWER_HOP_S) for time_s in (segment.start_s, segment.end_s)))
        found.append({stem: float(integrated_lufs(heard[stem].k_power_in(channels)[hops])) for stem in segment.stems})
    return found


def above_anchor_lu(lufs: Sequence[Mapping[str, float]], anchor: str) -> dict[str, float]:
    """For each stem its loudness above the anchor in LU: the median over the segments in which both are heard."""
    values: dict[str, list[float]] = {}
    for found in lufs:
        for stem in sorted(found.keys() - {anchor}):
            difference = found[stem] - found[anchor]
            if np.isfinite(difference):
                values.setdefault(stem, []).append(difference)
    return {stem: float(np.median(differences)) for stem, differences in sorted(values.items())}


def rule_advice(
    session: Session,
    segments: Sequence[SessionSegment],
    lufs: Sequence[Mapping[str, float]],
    genre: str | None,
    claim: Claim | None,
) -> Summary | None:
    """The loudness rule's advice, put together over segments as the model's is.

    Args:
        lufs: of the segments as they are heard, from `segment_lufs`.
        genre: None where it is not known; the rule then goes by all songs.

    Returns:
        None where the anchor is one that the rule was never fitted for.
    """
    rule = usual().rule if genre is None else usual().rule_by_genre
    items = [_item(segment, found, session.anchor, genre, claim) for segment, found in zip(segments, lufs, strict=True)]
    if not any(np.isfinite(rule.usual_db(item.problem, stem)) for item in items for stem in item.problem.candidates):
        return None
    answers = [
        SegmentAnswer(segment.start_s, segment.end_s, segment.stems, "", item.problem.claim is not None, advice)
        for segment, item, advice in zip(segments, items, rule.advise(items), strict=True)
    ]
    return summarise(answers, session.anchor, session.others, claim)


def _item(
    segment: SessionSegment, lufs: Mapping[str, float], anchor: str, genre: str | None, claim: Claim | None
) -> ListenedItem:
    """A user's segment as the rule takes it: what chance decided elsewhere is not known here."""
    concerns = claim is not None and (claim.stem is None or claim.stem in segment.stems)
    problem = Problem(
        item_id="", song_id="", split="", genre=genre, start_s=segment.start_s,
        duration_s=segment.end_s - segment.start_s, anchor=anchor, stems=segment.stems, errors=(), error_category="",
        prompt_category=PromptCategory.CORRECT_DESCRIPTION if concerns else PromptCategory.AUDIO_ONLY,
        claim=claim if concerns else None, headroom_gain_db=segment.gain_db, master_gain_db=0.0, wording_seed=0,
    )  # fmt: skip
    return ListenedItem(problem, Advice(), lufs, {}, np.zeros((0, 0, 0), dtype=np.float32), ())
