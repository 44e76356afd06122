"""Report on a sweep: a table of all its runs, curves, heat maps, the best run and paired tests.

    mixlab report outputs/bass_anchor/sweep_<time>
    mixlab report outputs/first_sweep outputs/second_sweep --out outputs/both

Writes report.html and tables/ (Markdown and CSV) into report/ below the first folder, or where --out says. Runs that
differ in their seed alone are taken together; runs without figures are listed with the reason.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str]) -> None:
    """Read the command line, write the report and print where it lies."""
    parser = argparse.ArgumentParser(
        "mixlab report", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="+", help="folders with runs below them")
    parser.add_argument("--out", type=Path, help="folder of the report; default: report/ in the first folder")
    asked = parser.parse_args(words)
    from mixlab.reports.sweep_page import write_report

    print(f"Report: {write_report(asked.folder, asked.out)}")
