"""Room study: who is left out by rules that were fixed beforehand, and why.

Nobody is left out for disagreeing with the planted wrong advice, or for any opinion on any system: only for missing
what an instructed item says in so many words, or for giving the same trial another answer the second time.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixlab.study.answers import Answers


@dataclass(frozen=True)
class Rules:
    """The preregistered rules.

    Attributes:
        instructed_most_wrong: instructed items that may be missed; an item is missed where any of its points is another
            than the one asked for.
        repeat_most_points: mean distance, in points, that a trial and its hidden repeat may have over all criteria.
    """

    instructed_most_wrong: int
    repeat_most_points: float


@dataclass(frozen=True)
class Exclusions:
    """Who is left out: rule -> participants; someone may break both."""

    by_rule: dict[str, list[str]]

    @property
    def participants(self) -> list[str]:
        """All of them, each once."""
        return sorted({name for names in self.by_rule.values() for name in names})


def exclusions(answers: Answers, rules: Rules) -> Exclusions:
    """Apply the rules."""
    missed = missed_instructed(answers)
    distances = repeat_distances(answers)
    return Exclusions(
        {
            f"more than {rules.instructed_most_wrong} instructed items missed": sorted(
                name for name, count in missed.items() if count > rules.instructed_most_wrong
            ),
            f"hidden repeat more than {rules.repeat_most_points:g} points away": sorted(
                name for name, points in distances.items() if points > rules.repeat_most_points
            ),
        }
    )


def missed_instructed(answers: Answers) -> dict[str, int]:
    """Participant -> how many instructed items were missed; those who saw none are left out."""
    rows = answers.ratings[answers.ratings["is_instructed"] == 1]
    wrong = rows.assign(wrong=rows["rating"] != rows["instructed_answer"])
    trial = ["participant", "item", "instructed_answer"]
    by_trial = wrong.groupby(trial)["wrong"].any().groupby("participant").sum()
    return {str(name): int(count) for name, count in by_trial.items()}


def repeat_distances(answers: Answers) -> dict[str, float]:
    """Participant -> mean absolute distance in points between trials and their hidden repeats."""
    keys = ["participant", "item", "system", "criterion"]
    rows = answers.ratings[answers.ratings["is_instructed"] == 0]
    again = rows[rows["is_repeat"] == 1][[*keys, "rating"]]
    pairs = again.merge(answers.main[[*keys, "rating"]], on=keys, suffixes=("_again", ""))
    distance = (pairs["rating_again"] - pairs["rating"]).abs().groupby(pairs["participant"]).mean()
    return {str(name): float(points) for name, points in distance.items()}
