"""Room cli: the table of commands, and where their configuration lies."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from mixlab.storage import config_folder

if TYPE_CHECKING:
    from mixlab.settings import Settings


@dataclass(frozen=True)
class Command:
    """A command of the table.

    Attributes:
        module: whose ``main`` (or the function named behind a colon) is called with the settings that its first
            parameter is annotated with; its docstring is the help.
        line: what it does, in the table.
        config: its YAML below `conf/`; None where it reads its words by itself.
        screen: logs go to the screen; otherwise it belongs to what the command prints.
        has_folder: Hydra makes a run folder for it.
    """

    module: str
    line: str
    config: str | None = None
    screen: bool = True
    has_folder: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Module and function."""
        module, _, function = f"mixlab.{self.module}".partition(":")
        return module, function or "main"


COMMANDS = {
    "train": Command(
        "training.train_command", "fine-tune a model and evaluate it; -m sweeps", "train", has_folder=True
    ),
    "evaluate": Command("evaluation.evaluate_command", "figures and a report for a model or a baseline", "evaluate"),
    "advise": Command("advising.advise_command", "advice on the balance of your own tracks", "advising/advise", False),
    "app": Command("web.app_command", "the same as a page in the browser, and as an API", "web/app", False),
    "prepare": Command(
        "reports.prepare_command", "songs into the store, and what they measure", "prepare", has_folder=True
    ),
    "compare": Command("reports.compare_command", "who beats whom among runs of the same items", "compare"),
    "score": Command("reports.score_command", "score anybody's answers against their labels", "score"),
    "similarity": Command(
        "judging.similarity_command", "predictions beside experts' words", "judging/similarity", False, has_folder=True
    ),
    "judge": Command(
        "judging.judge_command", "a language model judges advice", "judging/judge", False, has_folder=True
    ),
    "sweep": Command("sweeps.sweep_command", "status and resume of a sweep"),
    "report": Command("reports.report_command", "the page of a sweep, or of several runs"),
    "search": Command("sweeps.search_command", "search settings by validation figures", "search", has_folder=True),
    "dashboard": Command("reports.dashboard_command", "many runs at a glance, local or at W&B", "dashboard"),
    "export": Command("hub.export_command", "a fixed data set, or its missing clips", "export"),
    "merge": Command("models.merge_command", "an adapter and its backbone as one model", "merge"),
    "publish": Command("hub.publish_command", "folders for the Hugging Face Hub, and there", "hub/publish", False),
    "codebook": Command("training.codebook_command", "audio codes for model=unified", "codebook"),
    "assemble": Command("models.assemble_command", "the mini, out of Python packages", "assemble"),
    "pretrain": Command(
        "training.describing.pretrain_command", "make the tiny describing base", "pretrain", has_folder=True
    ),
    "study build": Command("study.build_command", "a study with people, from runs", "study/build", False),
    "study serve": Command("study.serve_command", "serve a study", "study/serve", False),
    "study invite": Command("study.run_commands:invite", "make links for participants", "study/invite", False),
    "study backup": Command("study.run_commands:backup", "back a study's answers up", "study/backup", False),
    "study export": Command("study.run_commands:export", "a study's ratings as tables", "study/export", False),
    "study analyse": Command("study.analysis_command", "ordinal mixed models of ratings", "study/analyse", False),
    "study power": Command("study.power_command", "how many raters a study needs", "study/power", False),
    "study rehearse": Command(
        "study.rehearsal_command", "simulated raters through the server", "study/rehearse", False
    ),
    "completion": Command("cli.completion", "print the script for tab completion: mixlab completion bash"),
}
"""Every command by its verb, in the order of the table."""


def config_place(config: str) -> tuple[Path, str]:
    """The folder that Hydra looks into for a command, and the name of its YAML there.

    A room's own folder, where its keys have the names of groups of a training (`anchor`, `prompt`, `model`).
    """
    path = config_folder() / config
    return path.parent, path.name


def kind_of(verb: str) -> type[Settings]:
    """The settings of a command: the annotation of its main's first parameter. Imports the command."""
    module, function = COMMANDS[verb].place
    kind: type[Settings] = next(iter(get_type_hints(getattr(importlib.import_module(module), function)).values()))
    return kind
