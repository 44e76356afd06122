"""Room evaluation: the same items with other audio, at another level, and with all barred that is no advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mixlab.evaluation.probes.base import PROBES, Ask, LeftOut, Probe, ProbeKind, Probing, answer_class, stays
from mixlab.language.advice import Advice
from mixlab.scoring.metrics import outcomes
from mixlab.scoring.prediction import Prediction
from mixlab.synthesis.problem import Problem
from mixlab.synthesis.seeds import generator


def other_audio(problems: Sequence[Problem], seed: int) -> list[Problem] | None:
    """For each problem one of another song whose clips can take its clips' place; None where there is one song only.

    Clips are exchanged among problems of the same stems and anchor, so that the labels of the clips say nothing; only
    where those are all of one song, among all problems.
    """
    rng = generator(seed, "other audio")
    alike: dict[tuple[str, ...], list[int]] = {}
    for index in rng.permutation(len(problems)).tolist():
        alike.setdefault(problems[index].stems, []).append(index)
    found: dict[int, Problem] = {}
    left: list[int] = []
    for indices in alike.values():
        songs = Counter(problems[index].work_id for index in indices)
        most = max(songs.values())
        if len(indices) < 2 * most:
            left += indices
            continue
        # Songs stand together, so that a step as long as the longest of them always ends in another song.
        places = {song: place for place, song in enumerate(songs)}
        line = sorted(indices, key=lambda index: places[problems[index].work_id])
        found |= {index: problems[line[(i + most) % len(line)]] for i, index in enumerate(line)}
    for index in left:
        others = [problem for problem in problems if problem.work_id != problems[index].work_id]
        if not others:
            return None
        found[index] = others[rng.integers(len(others))]
    return [found[index] for index in range(len(problems))]


class ShuffledAudio(ProbeKind):
    """The probe `audio_shuffled`."""

    name = "audio_shuffled"
    title = "Does it listen?"
    caption = (
        "All test items, claims too, asked again with the clips of another song. Joint accuracy with the "
        "other audio; drop: what the right audio adds to that, about zero for a model that reads the text "
        "alone; same advice: the share of items where both answers move the same stems in the same "
        "directions."
    )
    varies = False

    def ask(self, probing: Probing) -> Probe:
        """Of all items."""
        if probing.shuffled is None:
            raise LeftOut("The probe audio_shuffled was left out: all items are of one song.")
        return self.of(probing.heard, probing.shuffled, probing.resamples)

    @classmethod
    def of(cls, heard: Sequence[Prediction], shuffled: Sequence[Prediction], resamples: int) -> Probe:
        """Does it listen: its answers to the audio beside those to another item's audio, for the same prompts.

        Figures: ``joint_accuracy`` with the other audio; ``drop``, what its own audio adds to that; ``same_advice``,
        the share of items where both answers move the same stems in the same directions.
        """
        songs = [prediction.problem.work_id for prediction in heard]
        own, other = (outcomes(predictions)["joint_accuracy"] for predictions in (heard, shuffled))
        same = [stays([a.advice, b.advice]) for a, b in zip(heard, shuffled, strict=True)]
        figures: dict[str, ArrayLike] = {"joint_accuracy": other, "drop": own - other, "same_advice": same}
        return cls.found(songs, {"": figures}, resamples)


class Constrained(ProbeKind):
    """The probe `constrained`."""

    name = "constrained"
    title = "What does a grammar of readable answers change?"
    caption = (
        "All test items answered again with everything barred that cannot be read back as advice. Gain: what "
        "that adds to joint accuracy; changed: the share of responses that differ; advice changed: of stems "
        "or directions."
    )
    varies = False

    def ask(self, probing: Probing) -> Probe:
        """Of all items."""
        return self.of(probing.heard, probing.constrained(), probing.resamples)

    @classmethod
    def of(cls, free: Sequence[Prediction], constrained: Sequence[Prediction], resamples: int) -> Probe:
        """What it costs or brings to bar all that cannot be read back: the same items, freely and under a grammar.

        Figures: ``joint_accuracy`` and ``parse_rate`` under the grammar; ``gain``, what the grammar adds to the joint
        accuracy; ``changed``, the share of responses that it changes; ``advice_changed``, of those that then move other
        stems or in other directions.
        """
        songs = [prediction.problem.work_id for prediction in free]
        own, other = (outcomes(predictions)["joint_accuracy"] for predictions in (free, constrained))
        pairs = list(zip(free, constrained, strict=True))
        figures: dict[str, ArrayLike] = {
            "joint_accuracy": other,
            "gain": other - own,
            "parse_rate": [float(prediction.advice is not None) for prediction in constrained],
            "changed": [float(a.text != b.text) for a, b in pairs],
            "advice_changed": [float(answer_class(a.advice) != answer_class(b.advice)) for a, b in pairs],
        }
        return cls.found(songs, {"": figures}, resamples)


class GlobalGain(ProbeKind):
    """The probe `global_gain`."""

    name = "global_gain"
    title = "Does the overall level change the advice?"
    caption = (
        "The same mix at several master levels. Stays: the same stems and directions at all of them, and at "
        "each beside 0 dB; gain change: how far advised gains move on average."
    )

    def ask(self, probing: Probing) -> Probe:
        """Of the chosen items."""
        return self.of(probing.chosen, {"": probing.model}, probing.settings.levels_db, probing.resamples)

    @classmethod
    def of(
        cls, problems: Sequence[Problem], methods: Mapping[str, Ask], levels_db: Sequence[float], resamples: int
    ) -> Probe:
        """Does the master level change the advice: the same item at 0 dB and at each of `levels_db`.

        Figures: ``stays``, the share of items with the same stems and directions at all levels;
        ``stays_at_db=<level>``, at that level and at 0 dB; ``gain_change_db``, how far advised gains move on average,
        over levels and candidates.
        """
        levels = (0.0, *levels_db)
        asked = [[replace(problem, master_gain_db=level_db) for level_db in levels] for problem in problems]
        flat = [variant for variants in asked for variant in variants]
        figures = {}
        for method, ask in methods.items():
            answers = iter(ask(flat))
            rows = []
            for variants in asked:
                first, *others = [next(answers) for _ in variants]
                changes = [
                    abs((other or Advice()).gain_db(stem) - (first or Advice()).gain_db(stem))
                    for other in others
                    for stem in variants[0].candidates
                ]
                at_level = [stays([first, other]) for other in others]
                rows.append((stays([first, *others]), *at_level, np.mean(changes)))
            names = ("stays", *(f"stays_at_db={level_db:g}" for level_db in levels_db), "gain_change_db")
            figures[method] = dict(zip(names, np.array(rows, dtype=float).T, strict=True))
        return cls.found([problem.work_id for problem in problems], figures, resamples)


PROBES.add(ShuffledAudio())
PROBES.add(Constrained())
PROBES.add(GlobalGain())
