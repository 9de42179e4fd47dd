"""What enforcement costs: consented reads with audit against bare reads and against two rivals, how soon a withdrawal holds, and how all of it grows.

    python bench/data.py [--quick] [--people N]

One PostgreSQL with the product's own settings (fsync on), one data API as in its pod, one load generator, all on this machine. Rivals are routes of the same
application (bench/data/rivals.py). Every round visits every kind in a new order and the ratio is taken inside the round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "data"), str(HERE.parent / "tests")]

import uvloop  # noqa: E402
from drive import Withdrawals, World, quantiles, rounds, withdrawals  # noqa: E402
from growth import Point, grow  # noqa: E402
from population import department  # noqa: E402
from results_file import Figure, write  # noqa: E402

BARE = "bare read, same server, same HTTP stack"
NAIVE = "SET ROLE, consent looked up, Cedar asked per request, audit row by an insert of its own"
FILTER = "rows fetched without policies, Casbin asked about each in the application, no audit"
Shares = dict[str, list[float]]


def ratio(name: str, runs: Sequence[float], target: float | None, rival: str) -> Figure:
    """Return a figure that should be at least `target`."""
    value = statistics.median(runs)
    wanted = (None, None) if target is None else (f">= {target}", value >= target)
    return Figure(name, round(value, 3), "ratio of requests/s", *wanted, rival, [round(r, 3) for r in runs])


def against(shares: Shares, kind: str, rival: str) -> list[float]:
    """Return, for each round, how many times as many requests `kind` served as `rival`."""
    return [mine / theirs for mine, theirs in zip(shares[kind], shares[rival], strict=True)]


def points(shares: Shares, connections: int) -> list[Figure]:
    """Return the figures of point reads."""
    what = f"consented point read, {connections} connections, "
    return [
        ratio(what + "audit not waited for", shares["deferred"], 0.85, BARE),
        ratio(what + "durable audit", shares["durable"], 0.6, BARE),
        ratio(what + "durable audit", against(shares, "durable", "naive"), 1.0, NAIVE),
        ratio(what + "audit not waited for", against(shares, "deferred", "filter"), None, FILTER),
    ]


def pages(shares: Shares, size: str) -> list[Figure]:
    """Return the figures of pages of 100."""
    out = []
    for kind, what in (("deferred", "audit not waited for"), ("durable", "durable audit")):
        value = 1 / statistics.median(shares[kind])
        runs = [round(1 / r, 3) for r in shares[kind]]
        out.append(Figure(f"page of 100, {what} ({size})", round(value, 3), "times the unfiltered page", "<= 2", value <= 2, BARE, runs))
    return [
        *out,
        ratio("page of 100, durable audit", against(shares, "durable", "naive"), 1.0, NAIVE),
        ratio("page of 100, audit not waited for", against(shares, "deferred", "filter"), None, FILTER),
    ]


def withdrawal_figures(found: Withdrawals) -> list[Figure]:
    """Return the figures of withdrawal."""
    least = quantiles(found.refused)[1] / quantiles(found.bare)[1]
    rival = f"bare one-row commit over HTTP, p99 {quantiles(found.bare)[1]:.2f} ms"
    return [
        Figure("withdrawal answered, p50", round(quantiles(found.answered)[0], 2), "ms"),
        Figure("withdrawal answered, p99", round(quantiles(found.answered)[1], 2), "ms"),
        Figure(
            "withdrawal answered and next read refused, p50 (the refusal waits for a 5 ms tick)",
            round(quantiles(found.refused)[0], 2),
            "ms",
        ),
        Figure("withdrawal answered and next read refused, p99", round(least, 2), "times a bare commit's p99", "<= 3", least <= 3, rival),
        Figure(f"stale reads after {len(found.refused)} withdrawals", found.stale, "reads", "0", found.stale == 0),
    ]


def growth_figures(people: list[Point], agreements: list[Point]) -> list[Figure]:
    """Return how many times as long reads through the door take at the greatest size as at the smallest, and likewise for agreements."""
    out = []
    for what, line in (("people", people), ("agreements", agreements)):
        first, last = line[0], line[-1]
        sizes = f"from {getattr(first, what):,} to {getattr(last, what):,} {what}"
        for read in ("point", "page"):
            value = getattr(last, f"door_{read}") / getattr(first, f"door_{read}")
            bare = getattr(last, f"bare_{read}") / getattr(first, f"bare_{read}")
            out.append(
                Figure(
                    f"growth of a {read} read through the door, {sizes}",
                    round(value, 2),
                    "times as long",
                    None,
                    None,
                    f"bare read {bare:.2f} times",
                )
            )
    return out


async def measure(world: World, size: str, *, quick: bool) -> tuple[list[Figure], dict[str, Shares]]:
    """Return the figures of reads and withdrawals, and the shares behind them."""
    count, seconds = (4, 0.8) if quick else (12, 2.0)
    eight, many = await rounds(world, count, seconds, 8), await rounds(world, count, seconds, 32)
    paged = await rounds(world, max(3, count // 2), seconds, 8, page=True)
    said = await withdrawals(world, 200 if quick else 1000)
    figures = [*points(eight, 8), *points(many, 32), *pages(paged, size), *withdrawal_figures(said)]
    return figures, {"point, 8 connections": eight, "point, 32 connections": many, "page of 100": paged}


def main(arguments: argparse.Namespace) -> None:
    """Measure and write bench/results/data.json."""
    agreements = 4 if arguments.quick else 50
    size = f"{arguments.people:,} people, {agreements} agreements on the product"
    with department(arguments.people, agreements) as (world, seconds):
        figures, shares = uvloop.run(measure(world, size, quick=arguments.quick))
    load = Figure(f"load of 2 x {arguments.people:,} people by the keeper", round(seconds, 1), "s", "<= 600", seconds <= 600)
    people, by_agreements = grow(quick=arguments.quick)
    command = "python bench/data.py" + (" --quick" if arguments.quick else "") + f" --people {arguments.people}"
    series = {
        "shares": {where: {kind: round(statistics.median(runs), 3) for kind, runs in kinds.items()} for where, kinds in shares.items()},
        "people": [asdict(p) for p in people],
        "agreements": [asdict(p) for p in by_agreements],
    }
    found = [*figures, load, *growth_figures(people, by_agreements)]
    path = write("data", command, found, datetime.now(UTC), series=series)
    print(json.dumps(json.loads(path.read_text()), indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--people", type=int, help="default 20,000 when quick, else 1,000,000")
    given = parser.parse_args()
    given.people = given.people or (20_000 if given.quick else 1_000_000)
    main(given)
