"""The dashboard as a W&B workspace and a report, built by code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mixlab.errors import ConfigError
from mixlab.reports.panels import AXES, GROUPS, METRICS, group_key
from mixlab.runs.wandb import has_wandb_key

NAME = "mixlab"


def build_workspace(entity: str, project: str) -> Any:
    """The project's workspace, not saved yet: a section for each axis, with a bar chart for each metric.

    Raises:
        ConfigError: if wandb-workspaces is not installed.
    """
    api = _interface()
    sections = [api.ws.Section(name=heading, panels=panels, is_open=True) for heading, panels in _panels(api).items()]
    return api.ws.Workspace(entity=entity, project=project, name=NAME, sections=sections)


def build_report(entity: str, project: str) -> Any:
    """A report with the same charts, not saved yet."""
    api = _interface()
    blocks: list[Any] = [api.wr.P("Direction accuracy and error in dB on the test items of each run.")]
    for heading, panels in _panels(api).items():
        blocks += [api.wr.H2(heading), api.wr.PanelGrid(runsets=[api.wr.Runset()], panels=panels)]
    return api.wr.Report(entity=entity, project=project, title=NAME, description="mixlab's runs", blocks=blocks)


def save_dashboard(entity: str, project: str) -> list[str]:
    """Save workspace and report to an account; returns their addresses.

    Raises:
        ConfigError: without a W&B key.
    """
    if not has_wandb_key():
        raise ConfigError(f"entity is '{entity}', but no W&B key was found; run `wandb login`, or leave entity out.")
    workspace, report = build_workspace(entity, project), build_report(entity, project)
    workspace.save()
    report.save()
    return [workspace.url, report.url]


def _interface() -> SimpleNamespace:
    """wandb-workspaces' two modules."""
    try:
        from wandb_workspaces import workspaces
        from wandb_workspaces.reports import v2
    except ImportError as error:
        raise ConfigError(
            f"entity is set, but wandb-workspaces cannot be imported ({error}); pip install 'mixlab[dashboard]'."
        ) from error
    return SimpleNamespace(ws=workspaces, wr=v2)


def _panels(api: Any) -> dict[str, list[Any]]:
    """The charts under their headings."""
    charts = [
        (heading, title, [f"test/{metric}"], {"groupby": api.wr.Config(f"axes.{axis}"), "groupby_aggfunc": "mean",
                                              "groupby_rangefunc": "minmax"})
        for axis, heading in AXES.items()
        for metric, title in METRICS.items()
    ] + [
        (heading, title, [group_key(axis, group, metric) for group in groups], {})
        for axis, (heading, groups) in GROUPS.items()
        for metric, title in METRICS.items()
    ]  # fmt: skip
    found: dict[str, list[Any]] = {}
    for heading, title, keys, grouped in charts:
        chart = api.wr.BarPlot(title=f"{title}, {heading.lower()}", metrics=keys, **grouped)
        found.setdefault(heading, []).append(chart)
    return found
