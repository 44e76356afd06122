"""Room study: its commands.

    python -m mixlab.study build runs='{fine_tuned: <run>, zero_shot: <run>, loudness_rule: <run>}' out=studies/first
    python -m mixlab.study invite study=studies/first count=20
    MIXLAB_STUDY_PASSWORD=... python -m mixlab.study serve study=studies/first
    python -m mixlab.study export study=studies/first out=results/first
    python -m mixlab.study analyse data=results/first

Needs ``pip install 'mixlab[study]'``. The name of a command comes first, then keys and values as everywhere in mixlab;
``python -m mixlab.study <command> --help`` explains one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from omegaconf import DictConfig

from mixlab import cli

COMMANDS = {
    "build": ("mixlab.study.build_command:main", "draw and render the stimuli of a study from evaluated runs"),
    "serve": ("mixlab.study.serve_command:main", "serve the study to its participants, and its monitor"),
    "invite": ("mixlab.study.run_commands:invite", "make invitation links"),
    "backup": ("mixlab.study.run_commands:backup", "copy the database while it is in use"),
    "export": ("mixlab.study.run_commands:export", "write what people said as CSV, with a codebook"),
    "analyse": ("mixlab.study.analysis_command:main", "analyse an export"),
    "power": ("mixlab.study.power_command:main", "say how many raters an effect of a given size needs"),
    "rehearse": ("mixlab.study.rehearsal_command:main", "let simulated raters with known effects take part"),
}
"""Name -> the function that is called with the composed configuration ``conf/<name>.yaml``, and what it does."""


def main() -> None:
    """Run the command that the command line names first."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(_usage())
        return
    if name not in COMMANDS:
        print(f"error: '{name}' is no command of mixlab.study; there are {', '.join(COMMANDS)}.", file=sys.stderr)
        sys.exit(cli.EXIT_WRONG_INPUT)
    # Hydra reads the rest by itself.
    del sys.argv[1]
    cli.run(_task(name), name, folder=str(Path(__file__).resolve().parent / "conf"))


def _task(name: str) -> Callable[[DictConfig], None]:
    module, function = COMMANDS[name][0].split(":")

    def task(cfg: DictConfig) -> None:
        # Imported once the configuration is composed, so that --help and --cfg are quick.
        getattr(import_module(module), function)(cfg)

    task.__name__ = name
    return task


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join(["python -m mixlab.study <command> key=value ...", "", *lines, "", "<command> --help says more."])


if __name__ == "__main__":
    main()
