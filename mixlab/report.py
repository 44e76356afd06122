"""Report on a sweep: a table of all its runs, curves, heat maps, the best run and paired tests.

    python -m mixlab.report outputs/bass_anchor/sweep_<time>
    python -m mixlab.report outputs/first_sweep outputs/second_sweep --out outputs/both

Writes report.html and tables/ (Markdown and CSV) into report/ below the first folder, or where --out says. Runs that
differ in their seed alone are taken together; runs without figures are listed with the reason.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mixlab.cli import one_sentence_errors


def main() -> None:
    """Read the command line, write the report and print where it lies."""
    parser = argparse.ArgumentParser(
        "mixlab.report", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="+", help="folders with runs below them")
    parser.add_argument("--out", type=Path, help="folder of the report; default: report/ in the first folder")
    asked = parser.parse_args()
    from mixlab.reporting import write_report

    with one_sentence_errors():
        page = write_report(asked.folder, asked.out)
        settings = page.parent / "tables" / "settings.md"
        print(settings.read_text() if settings.is_file() else "")
        print(f"Report: {page}")


if __name__ == "__main__":
    main()
