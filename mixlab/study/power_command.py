"""Room study: `power`: how many raters an effect needs, and the preregistration that says so."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from mixlab.errors import ConfigError
from mixlab.storage import write_whole
from mixlab.study.analysis_command import check_packages
from mixlab.study.analysis_schema import PowerSchema
from mixlab.study.schema import settings


def main(cfg: DictConfig) -> None:
    """Simulate, write, and say how many raters are needed.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    options = settings(cfg, PowerSchema)
    check_packages()
    from mixlab.study.analysis_page import power_figure, templates, write_power
    from mixlab.study.exclusions import Rules
    from mixlab.study.fits import KINDS, Kind
    from mixlab.study.ordinal import NoOrdinalModel
    from mixlab.study.power import null_range, power_sheet, raters_needed, simulate, sum_up
    from mixlab.study.raters import Truth
    from mixlab.study.screening import screening

    kind: Kind = "clmm" if options.plan.model == "clmm" else "linear"
    first, second = options.plan.pair
    # The pair in the order of the systems, so that an effect keeps its sign.
    systems = [first, second, *(name for name in options.systems if name not in options.plan.pair)]
    effects = {name: options.effect if name == first else 0.0 for name in systems}
    truth = Truth({options.plan.primary: effects}, **options.truth.model_dump())
    cells = []
    for items in options.items:
        for raters in options.raters:
            size = raters, items, options.trials
            try:
                outcomes = simulate(
                    truth, (first, second), size, options.studies, kind, options.seed, options.timeout_s
                )
            except NoOrdinalModel as error:
                raise ConfigError(f"The key 'plan.model' is clmm, but {error}; set plan.model=auto.") from None
            cells.append(sum_up(outcomes, raters, items, options.effect))
            found, low, high = cells[-1].found
            print(f"{raters} raters, {items} items: found in {found:.2f} ({low:.2f} to {high:.2f})", flush=True)
    needed = raters_needed(cells, options.aim)
    answers = [
        f"With {items} items, {count} raters find the effect with a power of {options.aim:g} or more."
        if count is not None
        else f"With {items} items, none of the numbers tried ({max(options.raters)} at most) reaches a power of "
        f"{options.aim:g}."
        for items, count in needed.items()
    ]
    if options.effect == 0.0:
        low_count, high_count = null_range(options.studies)
        answers = [
            "There is no effect: what is found is a false positive. Of "
            f"{options.studies} studies {low_count} to {high_count} may be (95 % of the binomial at 5 %)."
        ]
    first_line = " ".join(answers)
    test = "its permutation test without the model" if kind == "linear" else "p by Wald's t"
    statements = [
        "Every number comes from simulated studies.",
        f"Effect: {options.effect:g} log odds of {first} over {second} by {options.plan.primary}, no other "
        "differences; "
        f"{options.trials} trials a rater of {len(systems)} systems in a Latin square. Test: {KINDS[kind]}, "
        f"{test}, two-sided at 5 %.",
        "Assumed on the latent scale: "
        + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in options.truth.model_dump().items())
        + "; raters who are excluded come on top of the number.",
    ]  # fmt: skip
    out = Path("power" if options.out is None else options.out).expanduser()
    sheet = power_sheet(
        cells, "Share of simulated studies that find the effect, with its exact 95 % binomial interval."
    )
    write_power(out, sheet, power_figure(cells, options.aim), first_line, statements)
    model = "cumulative-link mixed model (R, ordinal::clmm)" if options.plan.model != "linear" else KINDS["linear"]
    rules = Rules(**options.plan.exclusions.model_dump())
    screened = screening(rules, truth, options.repeats, options.criteria, options.instructed, options.seed)
    text = templates().get_template("preregistration.md.j2").render(
        plan=options.plan, systems=systems, trials=options.trials, items=options.items, effect=options.effect,
        truth=options.truth, power=first_line, model=model,
        repeats=options.repeats, instructed=options.instructed, criteria=options.criteria, screened=screened,
    )  # fmt: skip
    write_whole(out / "preregistration.md", text)
    print(first_line)
    print(f"Written to {out}")
