"""Room baselines: the loudness rule, which compares each stem's BS.1770 loudness with what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mixlab.baselines.base import Baseline, ListenedItem, require_items
from mixlab.baselines.decision import ThresholdDecision
from mixlab.language.advice import Advice
from mixlab.synthesis.problem import Problem


class LoudnessRule(Baseline):
    """Loudness of each candidate relative to the anchor, minus its mean over training songs, is its estimated error.

    The mean is that of the unmodified segments, known in training because the injected errors are; every song counts
    once. Threshold, scale of each stem and slope are tuned on the training items, and how much a claim counts.
    """

    name = "loudness_rule"
    label = "loudness rule"
    reads_claims = True

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._decision: ThresholdDecision | None = None
        self._means_db: dict[tuple[str, str], float] = {}

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        self._means_db = {
            pair: float(np.mean([level for _, level in songs.values()]))
            for pair, songs in self._song_levels_db(train_items).items()
        }
        stems = sorted({stem for item in train_items for stem in item.problem.candidates})
        self._decision = ThresholdDecision(stems, self.rounding_db)
        self._decision.fit(self._estimates_db(train_items), [item.problem for item in train_items])

    def advise(self, items: Sequence[ListenedItem]) -> list[Advice]:
        if self._decision is None:
            raise RuntimeError("fit the baseline before it advises")
        return self._decision.advise(self._estimates_db(items), [item.problem for item in items])

    def figures(self) -> dict[str, float]:
        return {} if self._decision is None else self._decision.figures()

    def to_json(self) -> dict[str, Any]:
        """What fitting found, as JSON values, for `from_json`: what is usual by ``anchor/stem``, and the decision."""
        if self._decision is None:
            raise RuntimeError("fit the baseline before it is written down")
        usual_db = {"/".join(pair): round(mean_db, 3) for pair, mean_db in sorted(self._means_db.items())}
        return {"usual_db": usual_db, "decision": self._decision.to_json()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The fitted rule that `to_json` described."""
        rule = cls(state["decision"]["rounding_db"])
        rule._decision = ThresholdDecision.from_json(state["decision"])
        for key, mean_db in state["usual_db"].items():
            rule._keep_usual_db(key.split("/"), mean_db)
        return rule

    def _keep_usual_db(self, key: Sequence[str], mean_db: float) -> None:
        anchor, stem = key
        self._means_db[anchor, stem] = mean_db

    def lufs(self, item: ListenedItem) -> Mapping[str, float]:
        """The loudness of each stem that the rule goes by."""
        return item.segment_lufs

    def usual_db(self, problem: Problem, stem: str) -> float:
        """Usual loudness of `stem` relative to the problem's anchor in dB; NaN where training never had the pair."""
        return self._means_db.get((problem.anchor, stem), np.nan)

    def _estimates_db(self, items: Sequence[ListenedItem]) -> NDArray[np.float64]:
        """Estimated errors, shape (items, stems); NaN where a stem is no candidate, unknown or silent."""
        assert self._decision is not None
        estimates = np.full((len(items), len(self._decision.stems)), np.nan)
        for row, item in zip(estimates, items, strict=True):
            for index, stem in enumerate(self._decision.stems):
                if stem in item.problem.candidates:
                    row[index] = self._relative_db(item, stem) - self.usual_db(item.problem, stem)
        return np.where(np.isfinite(estimates), estimates, np.nan)

    def _relative_db(self, item: ListenedItem, stem: str) -> float:
        """Loudness of the stem's clip relative to the anchor's, as heard."""
        lufs = self.lufs(item)
        return lufs.get(stem, np.nan) - lufs.get(item.problem.anchor, np.nan)

    def _song_levels_db(self, items: Sequence[ListenedItem]) -> dict[tuple[str, str], dict[str, tuple[str, float]]]:
        """(anchor, stem) -> song -> (genre, mean relative loudness of its segments, the injected errors undone)."""
        levels: dict[tuple[str, str], dict[str, list[float]]] = {}
        genres: dict[str, str] = {}
        for item in items:
            problem = item.problem
            genres[problem.song_id] = problem.genre or ""
            for stem in problem.candidates:
                level_db = self._relative_db(item, stem) - problem.relative_error_db(stem)
                if np.isfinite(level_db):
                    levels.setdefault((problem.anchor, stem), {}).setdefault(problem.song_id, []).append(level_db)
        return {
            pair: {song: (genres[song], float(np.mean(values))) for song, values in songs.items()}
            for pair, songs in levels.items()
        }


class LoudnessRuleGenre(LoudnessRule):
    """The loudness rule that knows the genre: the same with a mean for each genre.

    A genre's mean is shrunk to the global one by empirical Bayes, the more the fewer its songs and the less genres
    differ; a genre that training never had gets the global mean.
    """

    name = "loudness_rule_genre"
    label = "loudness rule by genre"
    told = "the genre"

    def __init__(self, rounding_db: float = 1.0) -> None:
        super().__init__(rounding_db)
        self._genre_means_db: dict[tuple[str, str, str], float] = {}

    def fit(self, train_items: Sequence[ListenedItem]) -> None:
        require_items(train_items, self.name)
        self._genre_means_db = {}
        for pair, songs in self._song_levels_db(train_items).items():
            by_genre: dict[str, list[float]] = {}
            for genre, level_db in songs.values():
                by_genre.setdefault(genre, []).append(level_db)
            for genre, mean_db in shrunk_means(by_genre).items():
                self._genre_means_db[(*pair, genre)] = mean_db
        super().fit(train_items)

    def to_json(self) -> dict[str, Any]:
        """As the rule's own, with what is usual by ``anchor/stem/genre`` too."""
        state = super().to_json()
        by_genre = {"/".join(key): round(mean_db, 3) for key, mean_db in sorted(self._genre_means_db.items())}
        return state | {"usual_db": state["usual_db"] | by_genre}

    def _keep_usual_db(self, key: Sequence[str], mean_db: float) -> None:
        if len(key) == 2:
            super()._keep_usual_db(key, mean_db)
        else:
            anchor, stem, genre = key
            self._genre_means_db[anchor, stem, genre] = mean_db

    def usual_db(self, problem: Problem, stem: str) -> float:
        usual_db = self._genre_means_db.get((problem.anchor, stem, problem.genre or ""))
        return super().usual_db(problem, stem) if usual_db is None else usual_db


class LoudnessRuleSource(LoudnessRule):
    """The loudness rule as a meter in the studio would have it: at the source's own rate and channels."""

    name = "loudness_rule_source"
    label = "loudness rule at the source's rate"
    told = "the loudness at the source"

    def lufs(self, item: ListenedItem) -> Mapping[str, float]:
        return item.source_lufs


class LoudnessRuleSourceGenre(LoudnessRuleGenre):
    """The loudness rule at the source's own rate and channels that knows the genre."""

    name = "loudness_rule_source_genre"
    label = "rule by genre at the source's rate"
    told = "the genre and the loudness at the source"

    def lufs(self, item: ListenedItem) -> Mapping[str, float]:
        return item.source_lufs


def shrunk_means(groups: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean of each group, shrunk to the mean of all values by the ratio of variances within and between groups."""
    values = np.concatenate([np.asarray(group, dtype=np.float64) for group in groups.values()])
    overall = float(values.mean())
    means = {name: float(np.mean(group)) for name, group in groups.items()}
    spare = values.size - len(groups)
    within = 0.0
    if spare > 0:
        within = sum(float(np.sum((np.asarray(group) - means[name]) ** 2)) for name, group in groups.items()) / spare
    sampling = float(np.mean([within / len(group) for group in groups.values()]))
    between = max(0.0, float(np.var(list(means.values()))) - sampling)
    shrunk = {}
    for name, group in groups.items():
        total = between + within / len(group)
        weight = between / total if total > 0 else 1.0
        shrunk[name] = overall + weight * (means[name] - overall)
    return shrunk
