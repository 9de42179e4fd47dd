"""One department on two sites: how soon a withdrawal at one holds at the other, how soon silence closes, and what the feed writes when nothing happens.

    python bench/feed.py [--quick]

Two PostgreSQL with fsync on, two keepers, two data APIs as processes on this machine; the sites ask each other as they would anywhere, once a second
at most. What a network adds is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "data"), str(HERE.parent / "tests")]

from drive import quantiles  # noqa: E402
from progress import Progress  # noqa: E402
from results_file import Figure, write  # noqa: E402

from support.data_api import GRANTS, PEOPLE, READER, Issuer, subject  # noqa: E402
from support.postgres import HeritageServer  # noqa: E402
from support.two_sites import STALE_SECONDS, Department  # noqa: E402

REST_SECONDS = 30
WRITTEN = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint from pg_stat_user_tables where schemaname = 'feed'"


def travel(department: Department, count: int) -> list[float]:
    """Return, in seconds, how long after its answer at one site each withdrawal was refused at the other."""
    east, west = department.sites
    progress = Progress(f"{count} withdrawals", count)
    times = []
    for n in range(count):
        who, (here, there) = subject(f"P{1 + n}"), ((east, west) if n % 2 else (west, east))
        here.say(who, "Given")
        there.becomes(who, 200)
        here.say(who, "Withdrawn")
        times.append(there.becomes(who, 404))
        progress.at(n + 1)
    return times


def silence(department: Department) -> tuple[float, float]:
    """Return in how many seconds both sites close after the link is cut, and open after it heals."""
    who = subject("P150")
    department.east.say(who, "Given")
    department.west.becomes(who, 200)
    begun = time.monotonic()
    department.cut()
    for site in department.sites:
        site.becomes(who, 503, patience=60)
    closed, begun = time.monotonic() - begun, time.monotonic()
    department.heal()
    for site in department.sites:
        site.becomes(who, 200)
    return closed, time.monotonic() - begun


def rest(department: Department) -> float:
    """Return how many rows a minute the feed writes at one site while nothing happens."""
    before, begun = department.west.ask(WRITTEN), time.monotonic()
    asyncio.run(asyncio.sleep(REST_SECONDS))
    return float(department.west.ask(WRITTEN) - before) * 60 / (time.monotonic() - begun)


def main(*, quick: bool) -> None:
    """Measure and write bench/results/feed.json."""
    with HeritageServer() as heritage, Issuer() as issuer:
        asyncio.run(heritage.make("heritage", PEOPLE + READER + ";" + GRANTS))
        with Department(heritage, issuer) as department:
            times = travel(department, 20 if quick else 140)
            closed, opened = silence(department)
        with Department(heritage, issuer, stale_seconds=300) as department:
            written = rest(department)
    p50, p99 = (round(q, 3) for q in quantiles(times))
    bound = STALE_SECONDS + 1
    figures = [
        Figure(f"withdrawal at one site to refused at the other, p50 of {len(times)}", p50, "s"),
        Figure(
            f"withdrawal at one site to refused at the other, p99 of {len(times)}", p99, "s", f"<= {STALE_SECONDS}", p99 <= STALE_SECONDS
        ),
        Figure(
            f"link cut to closed at both sites, maxStalenessSeconds {STALE_SECONDS}", round(closed, 2), "s", f"<= {bound}", closed <= bound
        ),
        Figure("link healed to open at both sites", round(opened, 2), "s", f"<= {STALE_SECONDS}", opened <= STALE_SECONDS),
        Figure("rows the feed writes at rest, maxStalenessSeconds 300", round(written, 1), "rows/min", "<= 6", written <= 6),
    ]
    path = write("feed", "python bench/feed.py" + (" --quick" if quick else ""), figures, datetime.now(UTC))
    print(json.dumps(json.loads(path.read_text()), indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 withdrawals instead of 140")
    main(quick=parser.parse_args().quick)
