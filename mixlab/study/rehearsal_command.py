"""Start the server on a database of its own, let simulated raters with known effects take part over HTTP, export and
analyse what they said, and say whether the analysis finds what was planted.

    mixlab study rehearse study=studies/first raters=36

Writes export/, analysis/ and rehearsal.md into the folder; everything in them is called SIMULATED.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from pydantic import Field

from mixlab.errors import ConfigError, MixlabError
from mixlab.settings import Count, FilePath, Positive, PositiveCount, Seed, Share
from mixlab.storage import write_whole
from mixlab.study.analysis_command import require_analysis
from mixlab.study.serve_command import require_server
from mixlab.study.settings import Fitting, Kind, Latent, LogOdds, Name, Plan, StudyPlace, Truth

if TYPE_CHECKING:
    from mixlab.study.analysis import Analysis
    from mixlab.study.database import Database
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.rehearsal import SimulatedRater

READY_S = 300.0


class RehearseSettings(StudyPlace):
    """The whole configuration of `mixlab study rehearse`."""

    plan: Plan
    fitting: Fitting
    truth: Latent
    effects: dict[Name, dict[Name, LogOdds]] = Field(min_length=1)
    careless_share: Share
    raters: PositiveCount
    at_once: PositiveCount
    kills: Count
    kill_every_s: Positive
    seed: Seed
    out: FilePath | None


def main(settings: RehearseSettings) -> None:
    """Let simulated raters take part, analyse what they said, and say whether what was planted was found.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    require_analysis()
    require_server()
    from mixlab.study.analysis import analyse
    from mixlab.study.analysis_page import summary, write_analysis
    from mixlab.study.answers import read_answers
    from mixlab.study.database import Database
    from mixlab.study.exporting import export_study
    from mixlab.study.manifest import StudyFolder

    folder = StudyFolder(settings.study)
    _check(settings, folder.manifest.systems, folder.instrument.criteria)
    out = Path("rehearsal" if settings.out is None else settings.out).expanduser()
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"The key 'out' is '{out}', which is not empty; name a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database or f"sqlite:///{(out / 'rehearsal.sqlite').resolve()}")
    raters, kills = take_part(settings, folder, database, out)
    export_study(folder, database, out / "export")
    lost = missing(raters, database)
    database.close()
    analysis = analyse(read_answers(out / "export"), settings.plan, settings.fitting)
    write_analysis(out / "analysis", analysis)
    kept = [
        "SIMULATED: no person took part. What was planted is known, and should be found again.",
        f"{sum(len(rater.acknowledged) for rater in raters)} ratings of {len(raters)} raters were acknowledged, "
        f"{kills} times the server was killed meanwhile; {len(lost)} are not in the database as sent.",
        summary(analysis),
    ]
    table = found_again(analysis, settings)
    write_whole(out / "rehearsal.md", "\n\n".join(["# Rehearsal", *kept, table]) + "\n")
    print("\n".join([*kept, table, f"Written to {out}"]))
    if lost:
        raise MixlabError(f"Acknowledged ratings were lost or changed: {lost[0]} and {len(lost) - 1} more.")


def take_part(
    settings: RehearseSettings, folder: StudyFolder, database: Database, out: Path
) -> tuple[list[SimulatedRater], int]:
    """Let all raters take part, `at_once` at a time, while the server is killed and started again.

    Returns:
        The raters, and how often the server was killed: as often as asked, unless they were done before.
    """
    from mixlab.study.raters import Raters
    from mixlab.study.rehearsal import SimulatedRater
    from mixlab.study.sessions import Sessions

    truth = Truth(effects=settings.effects, careless_share=settings.careless_share, **dict(settings.truth))
    population = Raters(truth, settings.seed)
    invitations = Sessions(folder, database).invite(settings.raters)
    with _server(settings, str(database.engine.url.render_as_string(hide_password=False)), out) as (address, killed):
        kinds = ("headphones", "loudspeakers")
        people = [
            SimulatedRater(address, folder, database, population, f"r{number:03d}", kinds[number % 2])
            for number in range(settings.raters)
        ]
        with ThreadPoolExecutor(settings.at_once) as pool:
            raters = list(pool.map(lambda person, token: person.take_part(token), people, invitations))
    return raters, len(killed)


@contextmanager
def _server(settings: RehearseSettings, url: str, out: Path) -> Iterator[tuple[str, list[int]]]:
    """The study's server in a process of its own: its address, and the processes that were killed so far.

    It is killed and started again `kills` times, or until the block ends.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mixlab", "study", "serve", f"study='{settings.study}'", f"database='{url}'",
               f"port={port}", f"connections_per_address={2 * settings.at_once + 10}", "simulated=true",
               "backup_minutes=null"]  # fmt: skip
    done = threading.Event()
    killed: list[int] = []
    with (out / "server.log").open("w", encoding="utf-8") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log)]

        def kill() -> None:
            for _ in range(settings.kills):
                if done.wait(settings.kill_every_s):
                    return
                running[0].kill()
                running[0].wait()
                killed.append(running[0].pid)
                running[0] = subprocess.Popen(command, stdout=log, stderr=log)
                with suppress(MixlabError):
                    _wait(address, running[0])

        killer = threading.Thread(target=kill)
        try:
            _wait(address, running[0])
            killer.start()
            yield address, killed
        finally:
            done.set()
            if killer.ident is not None:
                killer.join()
            running[0].terminate()
            running[0].wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    raise MixlabError(f"The server did not start within {READY_S:g} s; server.log in the folder says why.")


def missing(raters: Sequence[SimulatedRater], database: Database) -> list[tuple[str, int, str, int]]:
    """Ratings that were acknowledged, but are not in the database exactly once with that point."""
    from sqlalchemy import select

    from mixlab.study.database import Participant, Rating, Trial

    with database.reading() as db:
        asked = select(Participant.link, Trial.position, Rating.criterion, Rating.rating)
        asked = asked.join(Trial, Trial.participant_id == Participant.id).join(Rating, Rating.trial_id == Trial.id)
        stored = Counter((link, int(number), name, int(point)) for link, number, name, point in db.execute(asked))
    return [(r.name, *said) for r in raters for said in r.acknowledged if stored[r.link, *said] != 1]


def found_again(analysis: Analysis, settings: RehearseSettings) -> str:
    """A table: each planted difference between systems, and whether the interval of the analysis holds it."""
    from mixlab.reports.sheets import Line, Sheet, alone

    lines, inside = [], 0
    for name, fit in analysis.kept.fits.items():
        for c in fit.contrasts:
            planted = settings.effects[name][c.a] - settings.effects[name][c.b]
            held = c.low <= planted <= c.high
            inside += held
            found = {"planted_difference": alone(planted), "difference": (c.estimate, c.low, c.high)}
            lines.append(Line(f"{name}: {c.a} - {c.b}", {**found, "held": "yes" if held else "no"}))
    kinds = {fit.kind for fit in analysis.kept.fits.values()}
    unit = "" if kinds == {Kind.CLMM} else " (the fallback estimates points, so that planted log odds do not compare)"
    columns = {"planted_difference": "planted", "difference": "found", "held": "held"}
    table = Sheet("found_again", "", columns, lines, "systems").markdown()
    return f"{inside} of {len(lines)} planted differences lie in their intervals{unit}.\n\n{table.rstrip()}"


def _check(settings: RehearseSettings, systems: Sequence[str], criteria: Iterable[str]) -> None:
    for name in criteria:
        if name not in settings.effects:
            raise ConfigError(f"The key 'effects' lacks the criterion '{name}' of the study; add it.")
        if absent := [system for system in systems if system not in settings.effects[name]]:
            raise ConfigError(f"The key 'effects.{name}' lacks the study's system '{absent[0]}'; add it, as in 0.0.")
