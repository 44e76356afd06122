"""The commands of mixlab as a user calls them, in a folder of the test's own."""

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).parent.parent


def command(folder, *words, **environment):
    """Arguments of the process that runs ``mixlab WORDS`` in a folder, with the songs' cache there."""
    settings = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MIXLAB_CACHE": str(folder / "cache")}
    known = {key: value for key, value in os.environ.items() if key != "WANDB_API_KEY"}
    return {
        "args": [sys.executable, "-m", "mixlab", *words],
        "cwd": folder,
        "env": known | settings | {"PYTHONPATH": str(CHECKOUT)} | environment,
        "text": True,
    }


def run(folder, *words, timeout_s=500, **environment):
    """The command, run to its end."""
    called = command(folder, *words, **environment)
    return subprocess.run(**called, capture_output=True, timeout=timeout_s, check=False)


def refused(folder, *words):
    """The sentence with which a command is refused; called in this process, where its imports are there already."""
    from mixlab.cli.commands import run_verb

    before, ignored = Path.cwd(), signal.getsignal(signal.SIGTERM)
    environment = command(folder)["env"]
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environment),
            mock.patch.object(sys, "argv", ["mixlab", *words]),
            redirect_stdout(io.StringIO()) as printed,
            redirect_stderr(io.StringIO()) as said,
        ):
            run_verb(words)
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        os.chdir(before)
        signal.signal(signal.SIGTERM, ignored)
    assert code == 2, (code, printed.getvalue(), said.getvalue())
    (sentence,) = [line for line in said.getvalue().splitlines() if line.strip()]
    assert sentence.startswith("error: ")
    return sentence
