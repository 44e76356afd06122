"""Simulate studies of several sizes, and say how often the effect is found (p below 0.05).

    mixlab study power effect=0.8 raters=[12,24,36] items=[24,48]
    mixlab study power effect=0.8 plan.model=clmm studies=50     the primary model, seconds a study

By default the fallback's permutation test is made, which takes milliseconds; the ordinal model finds about as much.
Writes power.html, power.md, power.csv and preregistration.md, to be completed, into the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from mixlab.errors import ConfigError
from mixlab.settings import Count, FilePath, Many, Positive, PositiveCount, Seed, Settings, Share
from mixlab.study.analysis_command import require_analysis
from mixlab.study.settings import Kind, Latent, LogOdds, Name, Plan, Truth


class PowerSettings(Settings):
    """The whole configuration of `mixlab study power`."""

    plan: Plan
    truth: Latent
    effect: LogOdds
    systems: Annotated[Many[Name], Field(min_length=2)]
    raters: Annotated[Many[PositiveCount], Field(min_length=1)]
    items: Annotated[Many[PositiveCount], Field(min_length=1)]
    trials: PositiveCount
    repeats: Count
    instructed: Count
    criteria: PositiveCount
    studies: PositiveCount
    aim: Share
    timeout_s: Positive
    seed: Seed
    out: FilePath | None

    @model_validator(mode="after")
    def _fit_together(self) -> PowerSettings:
        if missing := [name for name in self.plan.pair if name not in self.systems]:
            raise ValueError(f"plan.pair names '{missing[0]}', which is not among systems; add it there")
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"systems holds {list(self.systems)}; name each once")
        if self.trials > min(self.items):
            raise ValueError(f"trials is {self.trials} but items {min(self.items)}; a rater meets every item once")
        if self.trials < len(self.systems) or self.trials % len(self.systems):
            raise ValueError(f"trials is {self.trials}, no multiple of the {len(self.systems)} systems")
        if min(self.raters) < 3 or min(self.items) < 3:
            raise ValueError("no model can be fitted to fewer than 3 raters or items; raise raters or items")
        return self


def main(settings: PowerSettings) -> None:
    """Simulate, write, and say how many raters are needed.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    require_analysis()
    from mixlab.storage import write_whole
    from mixlab.study.analysis_page import power_figure, templates, write_power
    from mixlab.study.exclusions import screening
    from mixlab.study.fits import KINDS
    from mixlab.study.ordinal import NoOrdinalModel
    from mixlab.study.power import null_range, power_sheet, raters_needed, simulate, sum_up

    plan = settings.plan
    kind = Kind.CLMM if plan.model is Kind.CLMM else Kind.LINEAR
    first, second = plan.pair
    # The pair in the order of the systems, so that an effect keeps its sign.
    systems = [first, second, *(name for name in settings.systems if name not in plan.pair)]
    effects = {name: settings.effect if name == first else 0.0 for name in systems}
    truth = Truth(effects={plan.primary: effects}, **dict(settings.truth))
    cells = []
    for items in settings.items:
        for raters in settings.raters:
            size = raters, items, settings.trials
            try:
                outcomes = simulate(
                    truth, (first, second), size, settings.studies, kind, settings.seed, settings.timeout_s
                )
            except NoOrdinalModel as error:
                raise ConfigError(f"The key 'plan.model' is clmm, but {error}; set plan.model=auto.") from None
            cells.append(sum_up(outcomes, raters, items, settings.effect))
            found, low, high = cells[-1].found
            print(f"{raters} raters, {items} items: found in {found:.2f} ({low:.2f} to {high:.2f})", flush=True)
    if settings.effect == 0.0:
        low_count, high_count = null_range(settings.studies)
        first_line = (
            f"There is no effect: what is found is a false positive. Of {settings.studies} studies {low_count} to "
            f"{high_count} may be (95 % of the binomial at 5 %)."
        )
    else:
        first_line = " ".join(
            f"With {items} items, none of the numbers tried ({max(settings.raters)} at most) reaches a power of "
            f"{settings.aim:g}."
            if count is None
            else f"With {items} items, {count} raters find the effect with a power of {settings.aim:g} or more."
            for items, count in raters_needed(cells, settings.aim).items()
        )
    test = "its permutation test without the model" if kind is Kind.LINEAR else "p by Wald's t"
    assumed = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.truth.plain().items())
    statements = [
        "Every number comes from simulated studies.",
        f"Effect: {settings.effect:g} log odds of {first} over {second} by {plan.primary}, no other differences; "
        f"{settings.trials} trials a rater of {len(systems)} systems in a Latin square. Test: {KINDS[kind]}, {test}, "
        "two-sided at 5 %.",
        f"Assumed on the latent scale: {assumed}; raters who are excluded come on top of the number.",
    ]
    out = Path("power" if settings.out is None else settings.out).expanduser()
    caption = "Share of simulated studies that find the effect, with its exact 95 % binomial interval."
    write_power(out, power_sheet(cells, caption), power_figure(cells, settings.aim), first_line, statements)
    ordinal = "cumulative-link mixed model (R, ordinal::clmm)"
    repeats, criteria, instructed = settings.repeats, settings.criteria, settings.instructed
    text = templates().get_template("preregistration.md.j2").render(
        plan=plan, systems=systems, trials=settings.trials, items=settings.items, effect=settings.effect,
        truth=settings.truth, power=first_line, model=KINDS[kind] if plan.model is Kind.LINEAR else ordinal,
        repeats=repeats, instructed=instructed, criteria=criteria,
        screened=screening(plan.exclusions, truth, repeats, criteria, instructed, settings.seed),
    )  # fmt: skip
    write_whole(out / "preregistration.md", text)
    print(f"{first_line}\nWritten to {out}")
