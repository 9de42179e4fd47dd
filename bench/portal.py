"""The people's portal on one core: 200 people at once, 100 bodies of which three are down, and from the click to the refusal of the consumer's next read.

    python bench/portal.py [--quick]

The portal's process has a core of its own; issuer, data APIs, their two PostgreSQL (fsync on at the departments') and the load share the others. All
are the product's own processes, over HTTP on this machine: TLS and a network are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "data"), str(HERE.parent / "tests")]

from drive import quantiles  # noqa: E402
from portal_people import Denials, Load, People, Withdrawals, load  # noqa: E402
from portal_picture import spread  # noqa: E402
from portal_site import OTHERS, Site, site  # noqa: E402
from progress import Progress  # noqa: E402
from results_file import Figure, write  # noqa: E402

PEOPLE, ROUNDS, THINK = 200, 3, 5.0
BODIES, DOWN = 97, 3
MOST_MS, MOST_SECONDS, MOST_ABOVE_MS = 300, 1.0, 50
PAGES = {"/bodies": "your bodies", "/agreements": "agreements", "/agreements/body-00/yes": "one agreement with own values"}
BARE = "the bare API, in the same round"


def p95(times: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


async def crowd(running: Site, steps: Progress, *, quick: bool) -> tuple[list[Load], list[Load], list[Denials]]:
    """Return what people found who read what they open, people who do not, and people who withdraw, at a site of a few bodies."""
    count, rounds, seconds = (40, 1, 6.0) if quick else (PEOPLE, ROUNDS, 15.0)
    reading, restless, denials = [], [], []
    async with People(running, count) as people:
        steps.at(2)
        await load(people.all, list(PAGES), 2.0, THINK)  # each has a token for each body afterwards
        withdrawals = Withdrawals(running)
        for n in range(rounds):
            reading.append(await load(people.all, list(PAGES), seconds, THINK))
            restless.append(await load(people.all, list(PAGES), seconds / 3, 0))
            denials.append(await withdrawals.round(people.all, Progress(f"withdrawals, round {n + 1} of {rounds}", count)))
            tell(reading[-1], restless[-1], denials[-1])
            steps.at(2 + 6 * (n + 1) / rounds)
    return reading, restless, denials


def tell(reading: Load, restless: Load, denials: Denials) -> None:
    """Say what a round found."""
    for what, found in (("reading", reading), ("restless", restless)):
        pages = ", ".join(f"{said} {p95(found.times[page]) * 1e3:.0f}" for page, said in PAGES.items())
        print(
            f"  {what}: {found.rate:.0f} pages/s, {found.processor * 1e3:.1f} ms of processor a page, p95 in ms: {pages}; refused as too many: {found.refused}",
            flush=True,
        )
    for way in ("portal", "bare"):
        median, most = (q * 1e3 for q in quantiles(getattr(denials, way)))
        print(f"  click to denial, {way}: p50 {median:.1f} ms, p99 {most:.1f} ms", flush=True)


async def many(running: Site, visits: int) -> dict[str, list[float]]:
    """Return the seconds that pages over many bodies took: the first, for which every token is exchanged, and later ones. RuntimeError if a body is missing."""
    found: dict[str, list[float]] = {f"{when} {page}": [] for when in ("first", "later") for page in list(PAGES)[:2]}
    async with People(running, visits) as people:
        progress = Progress(f"pages over {len(running.bodies) + DOWN} bodies", visits)
        for n, one in enumerate(people.all):
            pages = list(PAGES)[:2] if n % 2 else list(PAGES)[1::-1]
            for when, page in (("first", pages[0]), *(("later", page) for page in pages * 3)):
                found[f"{when} {page}"].append(await one.timed(page))
            listed = await one.get("/agreements")
            missing = [name for name in running.bodies if f"/agreements/{name}/yes" not in listed]
            if missing:
                raise RuntimeError(f"missing on the page: {missing}")
            progress.at(n + 1)
    for what, times in found.items():
        print(f"  {len(running.bodies) + DOWN} bodies, {what}: {', '.join(f'{t:.2f}' for t in times)} s", flush=True)
    return found


def figures_of_crowd(reading: Sequence[Load], restless: Sequence[Load]) -> list[Figure]:
    """Return the figures of 200 people."""
    who = f"{PEOPLE} people at once, each opens a page every {THINK:.0f} s"
    out = []
    for page, said in PAGES.items():
        runs = [round(p95(found.times[page]) * 1e3, 1) for found in reading]
        out.append(
            Figure(f"{said}, p95 of {who}", statistics.median(runs), "ms", f"<= {MOST_MS}", statistics.median(runs) <= MOST_MS, runs=runs)
        )
    return [
        *out,
        _median(f"served to {who}", "pages/s", [found.rate for found in reading]),
        _median("the portal's own processor time for one of their pages", "ms", [found.processor * 1e3 for found in reading]),
        _median(f"served to {PEOPLE} people who open the next page at once", "pages/s", [found.rate for found in restless]),
        _median(
            f"refused as too many, of {PEOPLE} people who open the next page at once", "pages", [float(found.refused) for found in restless]
        ),
        _median(f"a page, p95 of {PEOPLE} people who open the next page at once", "ms", [p95(found.all) * 1e3 for found in restless]),
    ]


def figures_of_many(found: dict[str, list[float]]) -> list[Figure]:
    """Return the figures of 100 bodies: the slowest of each kind of page."""
    out = []
    for what, times in found.items():
        when, page = what.split()
        slowest = round(max(times), 2)
        named = f"{PAGES[page]} over {BODIES + DOWN} bodies, three down, {when} visit, slowest of {len(times)}"
        out.append(Figure(named, slowest, "s", f"<= {MOST_SECONDS:.0f}", slowest <= MOST_SECONDS, runs=[round(t, 3) for t in times]))
    return out


def figures_of_denials(rounds: Sequence[Denials]) -> list[Figure]:
    """Return the figures of withdrawal: what the portal adds to the bare API's p99, round by round."""
    portal, bare = ([quantiles(getattr(found, way))[1] * 1e3 for found in rounds] for way in ("portal", "bare"))
    above = [round(mine - theirs, 1) for mine, theirs in zip(portal, bare, strict=True)]
    stale, count = sum(found.stale for found in rounds), sum(len(found.portal) for found in rounds)
    value = statistics.median(above)
    return [
        _median("click to denial through the portal, p50", "ms", [quantiles(found.portal)[0] * 1e3 for found in rounds]),
        _median("click to denial through the portal, p99", "ms", portal),
        _median("withdrawal through the bare API to denial, p99", "ms", bare),
        Figure("click to denial through the portal, p99 above", value, "ms", f"<= {MOST_ABOVE_MS}", value <= MOST_ABOVE_MS, BARE, above),
        Figure(f"stale reads after {2 * count} withdrawals", stale, "reads", "0", stale == 0),
    ]


def _median(name: str, unit: str, runs: Sequence[float]) -> Figure:
    return Figure(name, round(statistics.median(runs), 1), unit, runs=[round(run, 1) for run in runs])


def main() -> None:
    """Measure and write bench/results/portal.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer people and bodies, once; nothing is written")
    quick = parser.parse_args().quick
    os.sched_setaffinity(0, OTHERS)
    steps = Progress("all of bench/portal", 12)
    with tempfile.TemporaryDirectory() as around:
        with site(Path(around) / "three", 3, down=False) as running:
            reading, restless, denials = asyncio.run(crowd(running, steps, quick=quick))
        with site(Path(around) / "hundred", 20 if quick else BODIES, down=True) as running:
            found = asyncio.run(many(running, 3 if quick else 6))
        steps.at(12)
    figures = [*figures_of_crowd(reading, restless), *figures_of_many(found), *figures_of_denials(denials)]
    for figure in figures:
        print(f"{figure.figure}: {figure.value} {figure.unit} {figure.target or ''}")
    if not quick:
        times = {said: spread([t * 1e3 for found in reading for t in found.times[page]]) for page, said in PAGES.items()}
        refused = {way: spread([t * 1e3 for found in denials for t in getattr(found, way)]) for way in ("portal", "bare")}
        series = {"times": times, "denials": {"through the portal": refused["portal"], "through the bare API": refused["bare"]}}
        write("portal", "python bench/portal.py", figures, datetime.now(UTC), series=series)


if __name__ == "__main__":
    main()
