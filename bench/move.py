"""A department with 100,000 ratings learns from them and moves from one real site to another; both sites are held against each other before.

    python bench/move.py

Two sites with pods in a home of their own, taken down afterwards; needs root. The department is MovieLens-100k: members, ratings, a model, an
agreement by consent. Writes bench/results/move.json; the exit status is 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import numpy as np  # noqa: E402
from home import own_home  # noqa: E402
from results_file import Figure, write  # noqa: E402

from commonweal_cli.demo import bring_up  # noqa: E402
from commonweal_cli.main import main as commonweal  # noqa: E402
from commonweal_local import paths  # noqa: E402
from commonweal_local.exceptions import LocalError  # noqa: E402
from commonweal_local.progress import Progress  # noqa: E402
from support import film_club, movielens  # noqa: E402

COMMAND = "python bench/move.py"
ZERO = {"rowsDifferent": "rows that differ afterwards", "usesLost": "uses lost", "changedManifestLines": "lines of manifests changed"}
READS, DECISIONS = 200, 3000


def used(club: film_club.Club) -> None:
    """Have the department's data used, so that there is a record to take along."""
    research = club.client("research", "replay")
    subjects = [item["subject"] for item in research.get(f"/v1/people/subjects?limit={READS}").body["items"]]
    for subject in subjects:
        if research.get(f"/v1/ratings/subjects/{subject}").status != 200:
            raise LocalError("the department does not answer", "See what `commonweal status` says.")


def learnt(club: film_club.Club) -> list[Figure]:
    """Have the model choose films for members whose ratings are known, over HTTP with what it may know of each; return how well and how fast."""
    made = movielens.offers(club.ratings(club.members()), seed=1, most=DECISIONS)
    begun = time.monotonic()
    rewards = club.replay(made, "bench")
    rate = round(DECISIONS / (time.monotonic() - begun), 1)
    ahead = round(float(np.mean(rewards[-DECISIONS // 3 :])) - movielens.uniform(made), 3)
    said = f"mean reward of the last third of {DECISIONS:,} decisions, ahead of choosing by lot"
    return [Figure(said, ahead, "", ">= 0.05", ahead >= 0.05), Figure("decisions with their rewards, one caller", rate, "/s")]


def alike(sites: tuple[str, str]) -> float:
    """Return how long comparing two sites takes, every promise tried on both, seconds. Raises LocalError when they are not alike."""
    begun = time.monotonic()
    if commonweal(["conform", *sites]):
        raise LocalError(f"{' and '.join(sites)} are not alike", "A move between them would say nothing; see the leaf above.")
    return round(time.monotonic() - begun, 1)


def measure() -> tuple[list[Figure], Mapping[str, Any]]:
    """Bring two sites up, found the department, move it. Return the figures, and the move's own report."""
    made = bring_up.platform(progress=Progress())
    here, there = film_club.found(made)
    names = (here.cluster.name, there.cluster.name)
    used(here)
    learning = learnt(here)
    compared = alike(names)
    if commonweal(["move", film_club.CLUB, "--from", names[0], "--to", names[1]]):
        raise LocalError("the move did not come to its end", "See what it said above.")
    report = json.loads((paths.home() / "moves" / f"{film_club.CLUB}.json").read_text())
    return [Figure("comparing two sites, every promise tried on both", compared, "s"), *learning, *figures(report)], report


def figures(report: Mapping[str, Any]) -> list[Figure]:
    """Return what is reported of a move."""
    numbers = report["numbers"]
    size = f"{numbers['storeBytes'] / 1e6:.0f} MB of store, {numbers['rows']:,} rows compared"
    return [
        Figure(f"a move from the command to the certificate ({size})", round(report["totalSeconds"], 1), "s"),
        Figure("uses refused meanwhile (read-only)", round(report["readOnlySeconds"], 1), "s"),
        Figure("time to recover: from the first refused use to the first answered one", round(report["timeToRecoverSeconds"], 1), "s"),
        Figure("sent while the old site served", round(numbers["bytesFirst"] / 1e6, 1), "MB"),
        Figure("sent while uses were refused", round(numbers["bytesLast"] / 1e6, 1), "MB"),
        *(Figure(said, numbers[key], "", "0", numbers[key] == 0) for key, said in ZERO.items()),
    ]


def run() -> int:
    """Measure, print and record."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if os.geteuid() != 0:
        print("bench/move.py: sites with pods need root. Run this with sudo.", file=sys.stderr)
        return 1
    try:
        with own_home(bring_up.down):
            found, report = measure()
    except LocalError as error:
        print(f"bench/move.py: {error}", file=sys.stderr)
        return 1
    series = {name: report[name] for name in ("steps", "moments", "totalSeconds")}
    print(write("move", COMMAND, found, datetime.now(UTC), series=series).read_text())
    return int(any(figure.met is False for figure in found))


if __name__ == "__main__":
    sys.exit(run())
