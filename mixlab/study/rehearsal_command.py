"""Room study: `rehearse`: a server of its own, simulated raters, the export, the analysis, and what it found again."""

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

from omegaconf import DictConfig

from mixlab.errors import ConfigError, MixlabError
from mixlab.storage import write_whole
from mixlab.study.analysis_command import check_packages
from mixlab.study.analysis_schema import AnalyseSchema, RehearseSchema
from mixlab.study.schema import settings
from mixlab.study.serve_command import check_packages as check_server_packages

if TYPE_CHECKING:
    from mixlab.study.analysis import Analysis
    from mixlab.study.database import Database
    from mixlab.study.rehearsal import SimulatedRater

READY_S = 300.0


def main(cfg: DictConfig) -> None:
    """Let simulated raters take part, analyse what they said, and say whether what was planted was found.

    Raises:
        MixlabError: one sentence on what is wrong.
    """
    options = settings(cfg, RehearseSchema)
    check_packages()
    check_server_packages()
    from mixlab.study.analysis import analyse
    from mixlab.study.analysis_page import summary, write_analysis
    from mixlab.study.answers import read_answers
    from mixlab.study.database import Database
    from mixlab.study.exporting import export_study
    from mixlab.study.manifest import StudyFolder

    folder = StudyFolder(options.study)
    _check(options, folder.manifest.systems, folder.instrument.criteria)
    out = Path("rehearsal" if options.out is None else options.out).expanduser()
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"The key 'out' is '{out}', which is not empty; name a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    database = Database(options.database or f"sqlite:///{(out / 'rehearsal.sqlite').resolve()}")
    raters, kills = take_part(options, database, out)
    export_study(folder, database, out / "export")
    lost = missing(raters, database)
    database.close()
    values = {"plan": options.plan, "fitting": options.fitting, "data": str(out / "export"), "runs": {}, "judge": {}}
    analysis = analyse(read_answers(out / "export"), AnalyseSchema.model_validate(values | {"out": None}))
    write_analysis(out / "analysis", analysis)
    kept = [
        "SIMULATED: no person took part. What was planted is known, and should be found again.",
        f"{sum(len(rater.acknowledged) for rater in raters)} ratings of {len(raters)} raters were acknowledged, "
        f"{kills} times the server was killed meanwhile; {len(lost)} are not in the database as sent.",
        summary(analysis),
    ]
    table = found_again(analysis, options)
    write_whole(out / "rehearsal.md", "\n\n".join(["# Rehearsal", *kept, table]) + "\n")
    print("\n".join([*kept, table, f"Written to {out}"]))
    if lost:
        raise MixlabError(f"Acknowledged ratings were lost or changed: {lost[0]} and {len(lost) - 1} more.")


def take_part(options: RehearseSchema, database: Database, out: Path) -> tuple[list[SimulatedRater], int]:
    """Let all raters take part, `at_once` at a time, while the server is killed and started again.

    Returns:
        The raters, and how often the server was killed: as often as asked, unless they were done before.
    """
    from mixlab.study.manifest import StudyFolder
    from mixlab.study.raters import Raters, Truth
    from mixlab.study.rehearsal import SimulatedRater
    from mixlab.study.sessions import Sessions

    folder = StudyFolder(options.study)
    truth = Truth(options.effects, careless_share=options.careless_share, **options.truth.model_dump())
    population = Raters(truth, options.seed)
    invitations = Sessions(folder, database).invite(options.raters)
    with _server(options, str(database.engine.url.render_as_string(hide_password=False)), out) as (address, killed):
        kinds = ("headphones", "loudspeakers")
        people = [
            SimulatedRater(address, folder, database, population, f"r{number:03d}", kinds[number % 2])
            for number in range(options.raters)
        ]
        with ThreadPoolExecutor(options.at_once) as pool:
            raters = list(pool.map(lambda person, token: person.take_part(token), people, invitations))
    return raters, len(killed)


@contextmanager
def _server(options: RehearseSchema, url: str, out: Path) -> Iterator[tuple[str, list[int]]]:
    """The study's server in a process of its own: its address, and the processes that were killed so far.

    It is killed and started again `kills` times, or until the block ends.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mixlab.study", "serve", f"study='{options.study}'", f"database='{url}'",
               f"port={port}", f"connections_per_address={2 * options.at_once + 10}", "simulated=true",
               "backup_minutes=null"]  # fmt: skip
    done = threading.Event()
    killed: list[int] = []
    with (out / "server.log").open("w", encoding="utf-8") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log)]

        def kill() -> None:
            for _ in range(options.kills):
                if done.wait(options.kill_every_s):
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
        rows = db.execute(
            select(Participant.link, Trial.position, Rating.criterion, Rating.rating)
            .join(Trial, Trial.participant_id == Participant.id)
            .join(Rating, Rating.trial_id == Trial.id)
        )
        stored = Counter((link, int(number), name, int(point)) for link, number, name, point in rows)
    return [
        (rater.name, number, criterion, point)
        for rater in raters
        for number, criterion, point in rater.acknowledged
        if stored[rater.link, number, criterion, point] != 1
    ]


def found_again(analysis: Analysis, options: RehearseSchema) -> str:
    """A table: each planted difference between systems, and whether the interval of the analysis holds it."""
    lines = ["| criterion | systems | planted | found | 95 % | held |", "|---|---|---:|---:|---:|---|"]
    inside = 0
    for name, fit in analysis.kept.fits.items():
        planted = options.effects[name]
        for c in fit.contrasts:
            truth = planted[c.a] - planted[c.b]
            held = c.low <= truth <= c.high
            inside += held
            lines.append(
                f"| {name} | {c.a} - {c.b} | {truth:+.2f} | {c.estimate:+.2f} | {c.low:+.2f} to {c.high:+.2f} | "
                f"{'yes' if held else 'no'} |"
            )
    kinds = sorted({fit.kind for fit in analysis.kept.fits.values()})
    unit = "" if kinds == ["clmm"] else " (the fallback estimates points, so that planted log odds do not compare)"
    return "\n".join([f"{inside} of {len(lines) - 2} planted differences lie in their intervals{unit}.", "", *lines])


def _check(options: RehearseSchema, systems: Sequence[str], criteria: Iterable[str]) -> None:
    for name in criteria:
        if name not in options.effects:
            raise ConfigError(f"The key 'effects' lacks the criterion '{name}' of the study; add it.")
        if absent := [system for system in systems if system not in options.effects[name]]:
            raise ConfigError(f"The key 'effects.{name}' lacks the study's system '{absent[0]}'; add it, as in 0.0.")
