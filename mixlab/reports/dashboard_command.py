"""Show many runs at a glance: direction accuracy and error in dB by anchor, error range, prompt category and rank.

    mixlab dashboard runs=[RUN,FOLDER,...]              one HTML page, without an account
    mixlab dashboard entity=ACCOUNT project=mixlab      a W&B workspace and report

The second needs ``pip install 'mixlab[dashboard]'`` and a W&B key.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from mixlab.settings import FilePath, Many, Settings


class DashboardSettings(Settings):
    """The whole configuration of `mixlab dashboard`."""

    runs: Many[FilePath]
    entity: str | None
    project: str
    out: FilePath

    @model_validator(mode="after")
    def _shows_something(self) -> DashboardSettings:
        if not self.runs and self.entity is None:
            raise ValueError("set runs=[...], local run folders for a page, or entity=..., a W&B account")
        return self


def main(settings: DashboardSettings) -> None:
    """Write the page, the workspace or both, and print where they are."""
    from mixlab.reports.dashboard import tracked_runs, write_dashboard
    from mixlab.reports.workspace import save_dashboard

    if settings.runs:
        runs = tracked_runs([Path(run).expanduser() for run in settings.runs])
        print(f"Dashboard: {write_dashboard(runs, Path(settings.out).expanduser())}")
    if settings.entity is not None:
        print("\n".join(save_dashboard(settings.entity, settings.project)))
