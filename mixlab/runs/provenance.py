"""Room runs: what a run was made with: versions, the command, the git revision and whether it was dirty."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from mixlab import __version__
from mixlab.settings import Plain

PACKAGES = ("torch", "transformers", "peft", "lightning", "hydra-core")


def provenance() -> dict[str, Plain]:
    """What is known of this process, as plain values; no environment, no keys.

    ``git_revision`` and ``git_dirty`` are null where the package does not run from a git checkout.
    """
    revision = _git("rev-parse", "HEAD")
    changes = None if revision is None else _git("status", "--porcelain", "--untracked-files=no")
    return {
        "mixlab": __version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "command": shlex.join(["mixlab", *sys.argv[1:]]),
        "git_revision": revision,
        "git_dirty": None if changes is None else bool(changes),
    }


def _git(*arguments: str) -> str | None:
    """What git says of the checkout that holds the package; None where it is none, or git is missing."""
    package = Path(__file__).resolve().parents[2]
    if not (package / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(package), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
