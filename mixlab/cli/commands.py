"""Room cli: the command that the first words of a command line name, found and run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from mixlab import __version__
from mixlab.cli.errors import fail, one_sentence_errors
from mixlab.cli.help import all_commands, help_text
from mixlab.cli.table import COMMANDS
from mixlab.runs.signals import unwind_on_sigterm
from mixlab.settings import close_to


def run_verb(words: Sequence[str]) -> None:
    """Run the command that the first words name, with the others; exits."""
    if not words or words[0] in ("-h", "--help"):
        with one_sentence_errors():
            print(all_commands())
        return
    if words[0] == "--version":
        print(__version__)
        return
    verb = next((v for v in (" ".join(words[:2]), words[0]) if v in COMMANDS), None)
    if verb is None:
        with one_sentence_errors():
            fail(_unknown(words))
    assert verb is not None
    unwind_on_sigterm()
    command, rest = COMMANDS[verb], list(words[len(verb.split()) :])
    if any(word in ("-h", "--help") for word in rest):
        with one_sentence_errors():
            print(help_text(verb))
        return
    if command.config is None:
        with one_sentence_errors():
            importlib.import_module(command.place[0]).main(rest)
        return
    from mixlab.cli.run import run

    run(verb, command, rest)


def _unknown(words: Sequence[str]) -> str:
    verbs = list(COMMANDS)
    asked = " ".join(words[:2]) if words[0] == "study" else words[0]
    if words[0] == "study":
        known = ", ".join(verb.split()[1] for verb in verbs if verb.startswith("study "))
        return f"mixlab study needs one of {known}{close_to(asked, verbs)}; `mixlab` lists all commands."
    return f"There is no command '{asked}'{close_to(asked, verbs)}; `mixlab` lists all commands."
