"""Room cli: how a command fails: one sentence on stderr and an exit code; imports nothing heavy."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from mixlab.errors import MixlabError
from mixlab.escaping import line as one_line
from mixlab.escaping import say
from mixlab.runs.signals import EXIT_INTERRUPTED, Terminated

EXIT_WRONG_INPUT = 2
EXIT_NO_READER = 141


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """End the process for a block that fails.

    Errors in the configuration and in the user's files end in one sentence on stderr and exit code 2, Ctrl-C in code
    130, SIGTERM in code 143, and a reader of the output who leaves early (``| head``) in code 141; anything else is a
    defect of mixlab and keeps its traceback.
    """
    try:
        yield
        sys.stdout.flush()
    except MixlabError as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except Terminated:
        print("Stopped by SIGTERM.", file=sys.stderr)
        raise
    except BrokenPipeError:
        if not _reader_left():
            raise
        # Python writes what is left when it ends, and would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_NO_READER)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("hydra", "omegaconf"):
            raise
        fail(hydra_sentence(error))


def fail(sentence: str) -> NoReturn:
    """End the process for wrong input, with one sentence on stderr."""
    say(f"error: {one_line(sentence)}", sys.stderr)
    sys.exit(EXIT_WRONG_INPUT)


def hydra_sentence(error: Exception) -> str:
    """Hydra's and OmegaConf's messages of several lines as one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = []
    for line in lines:
        if line.startswith("Config search path"):
            break
        if not line.startswith(("full_key:", "object_type=", "See https")):
            kept.append(line.rstrip("."))
    return re.sub(r":;", ":", "; ".join(kept)) + "; --help lists the groups and --cfg job the keys."


def _reader_left() -> bool:
    """Whether nobody reads the output any more; pipes to other processes break, too."""
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False
