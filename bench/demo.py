"""How long the demonstration takes from nothing running, what its sites hold, and whether a second `pulumi up` finds nothing to do.

    python bench/demo.py

Takes down what runs, runs `commonweal demo` with warm caches, then `pulumi up` once more. Needs root, for its sites run real pods. Leaves the sites up.
Writes bench/results/demo.json; the exit status is 1 when the demonstration failed or a target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from demo_series import ended, pods_of, series_of  # noqa: E402
from processor import Sampler  # noqa: E402
from results_file import Figure, write  # noqa: E402

from commonweal_cli.demo import bring_up  # noqa: E402
from commonweal_cli.demo.command import TO_FIRST_READ  # noqa: E402
from commonweal_cli.demo.report import changes  # noqa: E402
from commonweal_cli.main import main as commonweal  # noqa: E402
from commonweal_cli.site.operations import Outcome  # noqa: E402
from commonweal_local.exceptions import LocalError  # noqa: E402
from commonweal_local.progress import Progress  # noqa: E402

COMMAND = "python bench/demo.py"
FIRST_READ_SECONDS = 90


def figures(record: Mapping[str, Any], again: Mapping[str, Outcome], pods: Sequence[Mapping[str, Any]] = ()) -> list[Figure]:
    """Return what is reported of a demonstration, of its pods, and of the `pulumi up` after it."""
    first = record["stages"][TO_FIRST_READ]
    count = sum(map(changes, again.values()))
    found = [
        Figure(
            "from nothing running to the first consented read",
            round(first, 1),
            "s",
            f"<= {FIRST_READ_SECONDS}",
            first <= FIRST_READ_SECONDS,
        ),
        Figure("the whole demonstration, two journeys included", round(record["seconds"], 1), "s"),
    ]
    if pods:
        found += [Figure("a pod from its place on the node to Ready, median", ended(pods), "s", "<= 3", ended(pods) <= 3)]
    found += [Figure(f"memory of site {name}, three departments", mib, "MiB") for name, mib in record["memory_mib"].items()]
    found += [Figure(f"a second `pulumi up` of site {name}", round(outcome.seconds, 1), "s") for name, outcome in again.items()]
    return [*found, Figure("changes made by the second `pulumi up`", count, "", "0", met=count == 0)]


def measure() -> tuple[list[Figure], dict[str, Any]]:
    """Run everything from nothing; return the figures and the readings behind the picture.

    Raises LocalError when the demonstration itself failed: its times would say nothing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "demo.json"
        if commonweal(["demo", "down"]):
            raise LocalError("What ran before could not be ended", "See what it said above.")
        with Sampler() as sampler:
            failed = commonweal(["demo", "--json", str(file)])
        if failed:
            raise LocalError("The demonstration failed, so there is nothing to measure", "See what it said above.")
        record = json.loads(file.read_text())
    if record["mode"] != "pods":
        raise LocalError("Without root there is no consented read to time", "Run this with sudo.")
    pods = {name: pods_of(name, record["since"]) for name in record["memory_mib"]}
    series = series_of(record, pods, sampler)
    found = figures(record, bring_up.pulumi_up(list(record["memory_mib"]), Progress()), [pod for each in pods.values() for pod in each])
    return found, series


def run() -> int:
    """Measure, print and record."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    try:
        found, series = measure()
    except LocalError as error:
        print(f"bench/demo.py: {error}", file=sys.stderr)
        return 1
    print(write("demo", COMMAND, found, datetime.now(UTC), series=series).read_text())
    return int(any(figure.met is False for figure in found))


if __name__ == "__main__":
    sys.exit(run())
