"""Many runs at a glance, as a page without an account and as a W&B workspace that is built without a key."""

import pytest

from mixlab.errors import ConfigError, InputFileError
from mixlab.reports.dashboard import dashboard_sheets, tracked_runs, write_dashboard
from mixlab.reports.dashboard_command import DashboardSettings
from mixlab.reports.workspace import build_report, build_workspace, save_dashboard
from mixlab.runs.folder import RunFolder
from mixlab.settings import parse
from tests.conftest import composed, train_settings


def run_folder(folder, anchor, rank, accuracy):
    run = RunFolder(folder)
    run.write_config(train_settings("prompt=audio_only", f"anchor={anchor}", f"adapter.r={rank}", "error=default"))
    figures = {"direction_accuracy": accuracy, "gain_mae_db": 2.0}
    keys = {f"test/{key}": value for key, value in figures.items()}
    run.write_metrics(keys | {f"test/prompt_category=audio_only/{key}": value for key, value in figures.items()})


@pytest.fixture
def runs(tmp_path):
    run_folder(tmp_path / "sweep" / "0", "bass", 4, 0.5)
    run_folder(tmp_path / "sweep" / "1", "bass", 16, 0.7)
    run_folder(tmp_path / "sweep" / "2", "drums", 16, 0.9)
    return tracked_runs([tmp_path / "sweep", tmp_path / "sweep" / "0"])


def cells(sheets, name):
    (sheet,) = (sheet for sheet in sheets if sheet.name == name)
    return {line.label: line.cells for line in sheet.lines}


def test_a_run_that_is_named_twice_is_shown_once(runs):
    assert [name for name, _ in runs] == ["0", "1", "2"]


def test_runs_that_share_a_value_are_one_line_with_their_spread(runs):
    sheets = dashboard_sheets(runs)
    assert cells(sheets, "anchor")["bass"]["direction_accuracy"] == pytest.approx((0.6, 0.5, 0.7))
    assert list(cells(sheets, "rank")) == ["4", "16"]
    assert cells(sheets, "error_range")["3 to 12 dB"]["items"] == (3.0, 3.0, 3.0)
    assert cells(sheets, "prompt_category")["audio only"]["gain_mae_db"] == pytest.approx((2.0, 2.0, 2.0))


def test_the_page_needs_nothing_from_the_network_and_says_what_demo_songs_show(runs, tmp_path):
    page = write_dashboard(runs, tmp_path / "out").read_text()
    assert "only music can show" in page
    assert "<svg" in page
    assert "src=" not in page
    assert (tmp_path / "out" / "tables" / "anchor.csv").is_file()


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(InputFileError, match=str(tmp_path)):
        tracked_runs([tmp_path])


def test_a_dashboard_of_nothing_is_refused_in_a_sentence():
    with pytest.raises(ConfigError, match="local run folders for a page"):
        parse(composed(name="dashboard"), DashboardSettings)


def test_the_workspace_and_the_report_are_built_without_a_key_and_chart_both_metrics_by_every_axis():
    texts = [build(*("me", "mixlab"))._to_model().model_dump_json() for build in (build_workspace, build_report)]
    for text in texts:
        for axis in ("anchor", "error_range", "prompts", "rank"):
            assert text.replace("\\", "").count(f"axes.value.{axis}") >= 2
        for metric in ("direction_accuracy", "gain_mae_db"):
            assert f"test/{metric}" in text
            assert f"test/prompt_category=audio_only/{metric}" in text


def test_an_account_without_a_key_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="wandb login"):
        save_dashboard("me", "mixlab")
