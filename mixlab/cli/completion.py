"""Tab completion: verbs, then the groups, choices and keys of a command's configuration.

eval "$(mixlab completion bash)"      in ~/.bashrc, or for this shell alone
"""

from __future__ import annotations

from collections.abc import Sequence

from mixlab.cli.table import COMMANDS
from mixlab.errors import ConfigError

SCRIPT = """\
_mixlab() {
  local word="${COMP_WORDS[COMP_CWORD]}" verb="${COMP_WORDS[1]}" skip=1
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "%(verbs)s" -- "$word")); return
  fi
  if [ "$verb" = study ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "%(study)s" -- "$word")); return; fi
    verb="study ${COMP_WORDS[2]}"; skip=2
  fi
  case "$verb" in %(plain)s) compopt -o default; return;; esac
  local line="${COMP_LINE#*mixlab}" i
  for ((i = 0; i < skip; i++)); do line="${line#"${line%%%%[! ]*}"}"; line="${line#* }"; done
  COMPREPLY=($(COMP_LINE="mixlab $line" COMP_POINT=${#line} mixlab $verb -sc query=bash 2> /dev/null))
  compopt -o nospace
}
complete -F _mixlab mixlab
"""
"""Hydra completes what follows the verb; `= ` and `:` stay part of a word."""


def main(words: Sequence[str]) -> None:
    """Print the script.

    Raises:
        ConfigError: for another shell than bash.
    """
    if list(words) != ["bash"]:
        raise ConfigError('mixlab completion knows bash alone; write eval "$(mixlab completion bash)".')
    verbs = dict.fromkeys(verb.split()[0] for verb in COMMANDS)
    print(
        SCRIPT
        % {
            "verbs": " ".join(verbs),
            "study": " ".join(verb.split()[1] for verb in COMMANDS if verb.startswith("study ")),
            "plain": "|".join(verb for verb, command in COMMANDS.items() if command.config is None),
        },
        end="",
    )
