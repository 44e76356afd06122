"""What a participant may see and hear of a session at a moment; names of systems never leave this file."""

from __future__ import annotations

from typing import Any

from mixlab.language.wording import sentence_name
from mixlab.study.database import Participant, Trial
from mixlab.study.manifest import Item
from mixlab.study.trials import Trials


def step(person: Participant) -> str:
    """Where a session stands: ``background``, ``sound``, ``trials`` or ``done``."""
    if person.background is None:
        return "background"
    if person.playback is None:
        return "sound"
    return "trials" if person.finished is None else "done"


def stage(trial: Trial) -> str:
    """Where a trial stands: ``advice``, ``after``, ``pair``, ``annotate`` or ``final``."""
    if trial.final is not None:
        return "final"
    if trial.kind == "pair":
        return "pair"
    return "advice" if trial.locked is None else "after"


def current(person: Participant) -> int | None:
    """The number of the first trial that is not final; None where all are."""
    return next((trial.position for trial in person.trials if trial.final is None), None)


def session_view(person: Participant) -> dict[str, Any]:
    """The state of a session as JSON values."""
    return {
        "step": step(person),
        "current": current(person),
        "trials": [{"number": t.position, "stage": stage(t), "opened": t.opened is not None} for t in person.trials],
    }


def trial_view(trials: Trials, person: Participant, trial: Trial) -> dict[str, Any]:
    """A trial that is open as JSON values: what is read, heard and asked now, and what was answered so far."""
    item, rates = trials.item(trial), trials.rates
    now = stage(trial) if rates or trial.final is not None else "annotate"
    given = {rating.criterion: rating.rating for rating in trial.ratings}
    criteria = [
        {"name": name, "question": c.question, "points": c.points, "rating": given.get(name), "when": c.when}
        for name, c in trials.instrument.criteria.items()
        if rates and trial.kind != "pair" and (c.when == "advice" or trial.locked is not None)
    ]
    place = {"number": trial.position, "of": len(person.trials), "training": trial.kind == "training", "stage": now}
    return place | {
        "anchor": sentence_name(item.anchor),
        "prompt": item.prompt,
        "advice": _advice(trials, trial, item) if rates else [],
        "versions": [{"label": label, "file": file} for label, file in _versions(trials, trial, item)],
        "criteria": criteria,
        "comment": trial.comment,
        "preferred": trial.preferred,
    }


def audible(trials: Trials, person: Participant) -> set[str]:
    """The audio files that a participant may hear now: those of the sound check and of trials that were opened."""
    manifest = trials.folder.manifest
    names = {manifest.level, *(tone.file for tone in manifest.tones)}
    for trial in person.trials:
        if trial.opened is not None:
            names |= {file for _, file in _versions(trials, trial, trials.item(trial))}
    return names


def _advice(trials: Trials, trial: Trial, item: Item) -> list[str]:
    if trial.instructed is not None:
        return [trials.instrument.instructed.format(answer=trial.instructed)]
    return [item.systems[name].text or "(It says nothing.)" for name in trial.systems]


def _versions(trials: Trials, trial: Trial, item: Item) -> list[tuple[str, str]]:
    """What can be heard in a trial: headings and files."""
    name = sentence_name(item.anchor)
    heard = [("Mix as it is", item.before), (f"{name[0].upper()}{name[1:]} alone", item.anchor_alone)]
    if trial.kind == "pair":
        pair = zip("AB", trial.systems, strict=True)
        return heard + [(f"After advice {letter}", item.systems[system].after) for letter, system in pair]
    if trial.locked is None:
        return heard
    # Who was told what to choose hears the same mix again.
    after = item.systems[trial.systems[0]].after if trial.systems else item.before
    return [heard[0], ("Mix after the advice", after), heard[1]]
