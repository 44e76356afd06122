"""Simulated raters through the real server: nothing acknowledged is lost, and what was planted is found again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import conf

TIMEOUT_S = 3000.0


def rehearse(study: Path, out: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixlab", "study", "rehearse", f"study='{study}'", f"out='{out}'",
               "plan.pair=[fine_tuned,loudness_rule]", "plan.model=linear", *overrides]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.fixture
def postgresql(tmp_path):
    """The URL of an empty PostgreSQL database on a server of its own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or shutil.which("runuser") is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The server refuses to run as root, and its user cannot look into pytest's folders.
    place = Path(subprocess.check_output(["runuser", "-u", "postgres", "--", "mktemp", "-d"], text=True).strip())

    def as_postgres(*command):
        subprocess.run(["runuser", "-u", "postgres", "--", *map(str, command)], check=True, stdout=subprocess.DEVNULL)

    control = [programs[-1] / "pg_ctl", "-D", place / "data", "-w"]
    as_postgres(programs[-1] / "initdb", "-A", "trust", "-D", place / "data")
    options = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c max_connections=200"
    as_postgres(*control, "-l", place / "log", "-o", options, "start")
    try:
        as_postgres(programs[-1] / "createdb", "-h", "127.0.0.1", "-p", port, "study")
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/study"
    finally:
        as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)


def check(done: subprocess.CompletedProcess[str], out: Path, raters: int) -> None:
    assert done.returncode == 0, done.stderr[-2000:]
    said = (out / "rehearsal.md").read_text()
    assert "SIMULATED: no person took part." in said
    # Three criteria on a training trial, five others, one of them again, and one instructed.
    assert f"{raters * 8 * 3} ratings of {raters} raters were acknowledged, 5 times the server was killed" in said
    assert (out / "server.log").read_text().count("Serving") == 6
    assert "; 0 are not in the database as sent." in said
    assert (out / "analysis" / "analysis.html").is_file()


@pytest.mark.slow
def test_a_hundred_raters_at_once_lose_nothing_while_the_server_is_killed_five_times(built, tmp_path):
    done = rehearse(built, tmp_path / "out", "raters=100", "at_once=100", "kills=5", "kill_every_s=1")
    check(done, tmp_path / "out", 100)


@pytest.mark.slow
def test_the_same_holds_for_postgresql(built, tmp_path, postgresql):
    done = rehearse(
        built, tmp_path / "out", "raters=100", "at_once=100", "kills=5", "kill_every_s=1", f"database='{postgresql}'"
    )
    check(done, tmp_path / "out", 100)


@pytest.mark.slow
def test_kills_that_raters_did_not_live_to_see_are_not_reported(built, tmp_path):
    done = rehearse(built, tmp_path / "out", "raters=8", "kills=5", "kill_every_s=600")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        "of 8 raters were acknowledged, 0 times the server was killed"
        in (tmp_path / "out" / "rehearsal.md").read_text()
    )


@pytest.mark.slow
def test_effects_that_lack_a_system_of_the_study_are_refused_before_anybody_takes_part(built, tmp_path):
    done = rehearse(built, tmp_path / "out", "~effects.effectiveness.low_anchor")
    assert done.returncode == 2
    assert "'effects" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_shipped_effects_are_planted_by_every_criterion_of_the_shipped_instrument():
    assert set(conf("rehearse")["effects"]) == set(conf("instrument/mixing")["criteria"])
