"""`mixlab VERB`, also as `python -m mixlab VERB`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(leading: Sequence[str] = ()) -> None:
    """Run the command that the first words of the command line name.

    Args:
        leading: words that stand before those of the command line.
    """
    from mixlab.cli.commands import run_verb

    run_verb([*leading, *sys.argv[1:]])


if __name__ == "__main__":
    main()
