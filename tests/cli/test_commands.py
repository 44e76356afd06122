"""The table of commands: help needs nothing heavy, and a mistyped word is answered with what was probably meant."""

import subprocess
import sys

import pytest

from mixlab.cli.table import COMMANDS
from tests.commands import CHECKOUT, command, run

HEAVY = ["torch", "transformers", "lightning", "scipy", "matplotlib", "hydra"]


@pytest.mark.parametrize("words", [(), ("--help",), ("train", "--help"), ("study", "serve", "--help")], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    code = (
        f"import sys; sys.argv = ['mixlab', *{words!r}]\n"
        "from mixlab.__main__ import main\n"
        "main()\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "mixlab" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_table_names_every_command(tmp_path):
    shown = run(tmp_path, timeout_s=60).stdout
    assert all(f"  {verb} " in shown for verb in COMMANDS)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("trian",), "did you mean 'train'?"),
        (("study", "srve"), "did you mean 'study serve'?"),
        (("train", "adaptor.r=4"), "did you mean 'adapter.r'?"),
        (("train", "+experiment=bas_anchor"), "did you mean 'bass_anchor'?"),
        (("train", "debug=fst"), "did you mean 'fast'?"),
    ],
)
def test_a_mistyped_word_is_answered_with_what_was_meant_and_leaves_no_folder(tmp_path, words, meant):
    done = subprocess.run(**command(tmp_path, *words), capture_output=True, timeout=120, check=False)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert meant in sentence
    assert list(tmp_path.iterdir()) == []
