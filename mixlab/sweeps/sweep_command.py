"""Look at a sweep, or go on with it.

    mixlab sweep status outputs/bass_anchor/sweep_<time>
    mixlab sweep resume outputs/bass_anchor/sweep_<time>

`status` shows the jobs that are done, running, failed, killed and waiting, with the time left, and how to run each of
those that did not come to their end alone. `resume` starts the sweep again with its own command line: jobs that are
done are skipped, the others go on from their last checkpoints.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mixlab.escaping import say
from mixlab.sweeps.plan import resume, status_page


def main(words: Sequence[str]) -> None:
    """Read the command line and do what it asks."""
    parser = argparse.ArgumentParser("mixlab sweep", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["status", "resume"])
    parser.add_argument("folder", type=Path, help="the folder of the sweep (hydra.sweep.dir)")
    asked = parser.parse_args(words)
    if asked.action == "resume":
        resume(asked.folder)
    say(status_page(asked.folder))
