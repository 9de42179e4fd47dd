"""Many sites from one blueprint through Pulumi on one management cluster, and one site brought up cold and warm.

    python bench/fleet.py [--quick] [--sites 10 100 465]

Each size starts from nothing: an API server, Cluster API's core with its webhooks and the local provider in its shared mode, in which one more API
server stands in for every site's. Nothing of it needs root. The real CLI and Kubernetes plug-in work.
Writes bench/results/fleet.json. One stack holds all Clusters here, so that one run can be measured; real sites have a stack each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from home import own_home  # noqa: E402
from progress import Progress as Bar  # noqa: E402
from results_file import Figure, write  # noqa: E402

from commonweal_cli.management.stack import apply  # noqa: E402
from commonweal_cli.site.stack import Operation, Outcome, Stack  # noqa: E402
from commonweal_local import management, paths, sites  # noqa: E402
from commonweal_local.management import host  # noqa: E402
from commonweal_local.progress import Progress  # noqa: E402
from commonweal_local.sites import processes  # noqa: E402
from commonweal_local.sites.api import Api  # noqa: E402
from commonweal_local.sites.site import all_sites  # noqa: E402
from commonweal_local.sites.state import recorded  # noqa: E402
from support.repeating import Repeating  # noqa: E402

COMMAND = "python bench/fleet.py"
SIZES, QUICK = (10, 100, 465), (2, 10)
PREVIEWED, QUICKLY = (1, 10, 100), (1, 10)
SAMPLE_SECONDS = 5.0
WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")
MINUTES = 10  # of the largest fleet, machine to itself
CREATED = "created Cluster.cluster.x-k8s.io/"


@dataclass(frozen=True)
class Size:
    """What one size cost: seconds, MiB at the peak, and writes that the management API server took or refused as conflicts."""

    sites: int
    preview_seconds: float
    up_seconds: float
    second_seconds: float
    second_changes: int
    memory_mib: int
    pulumi_mib: int
    cpu_seconds: float
    writes: int
    conflicts: int


class Memory(Repeating):
    """The most memory that the management cluster with its shared site, and that Pulumi with its plug-ins, used while it watched."""

    def __init__(self) -> None:
        super().__init__(SAMPLE_SECONDS, self._sample)
        self.cluster, self.pulumi = 0, 0

    def _sample(self) -> None:
        served = set(cluster_pids())
        self.cluster = max(self.cluster, processes.memory_mib(served))
        self.pulumi = max(self.pulumi, processes.memory_mib(set(descendants(os.getpid())) - served - {os.getpid()}))


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from descendants(int(child))


def cluster_pids() -> list[int]:
    """Every process of this home's management cluster and sites."""
    plane = host.found(paths.home())
    first = host.first_process(plane) if plane else None
    own = [first, *(part["pid"] for part in recorded(plane)["components"].values())] if plane and first else []
    return [pid for pid in own if pid] + [pid for site in all_sites(paths.sites()) for pid in processes.members(site)]


def requests(code: str = "") -> int:
    """Return how many writes the management API server has answered since its start; only those with this code when one is given."""
    plane = host.found(paths.home())
    assert plane
    lines = Api(plane).call("GET", "/metrics", seconds=60).splitlines()
    found = [line for line in lines if line.startswith("apiserver_request_total{") and any(f'verb="{verb}"' in line for verb in WRITES)]
    return int(sum(float(line.rpartition(" ")[2]) for line in found if not code or f'code="{code}"' in line))


@contextmanager
def new_home() -> Iterator[Path]:
    """A home of its own with a management cluster; afterwards nothing of it runs or lies about."""
    with own_home(lambda: [*management.down(), *sites.down()]) as home:
        management.up(Progress())
        apply(lambda _line: None)
        yield home


def run(operation: Operation, count: int, bar: Bar | None = None) -> Outcome:
    """Preview or bring up a fleet of that many sites."""
    stack = Stack("fleet", HERE / "fleet_stack", directory="bench-fleet", title="the bench's fleet")
    done = 0

    def hear(line: str) -> None:
        nonlocal done
        if bar and line.startswith(CREATED):
            done += 1
            bar.at(done)

    stack.prepare(hear)
    return stack.run(operation, hear, more={"COMMONWEAL_BENCH_SITES": str(count)})


def changed(outcome: Outcome) -> int:
    """Return how many resources a run touched."""
    return sum(number for kind, number in outcome.counts.items() if kind != "same")


def measure(count: int) -> Size:
    """Bring a fleet up from nothing and once more."""
    with new_home(), Memory() as memory:
        preview = run("preview", count)
        written, conflicts, spent = requests(), requests("409"), cpu()
        up = run("up", count, Bar(f"{count} sites", count))
        size = (requests() - written, requests("409") - conflicts, cpu() - spent)
        again = run("up", count)
    return Size(
        sites=count,
        preview_seconds=round(preview.seconds, 1),
        up_seconds=round(up.seconds, 1),
        second_seconds=round(again.seconds, 1),
        second_changes=changed(again),
        memory_mib=memory.cluster,
        pulumi_mib=memory.pulumi,
        cpu_seconds=round(size[2], 1),
        writes=size[0] - size[1],
        conflicts=size[1],
    )


def cpu() -> float:
    """Return the processor time so far of the clusters and of the CLI, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return processes.cpu_seconds(cluster_pids()) + used.ru_utime + used.ru_stime


def previews(counts: Sequence[int]) -> dict[int, float]:
    """Return how long a preview of fleets takes of which nothing is there yet, seconds."""
    with new_home():
        return {count: round(run("preview", count).seconds, 1) for count in counts}


def figures(sizes: Sequence[Size], previewed: dict[int, float], one: dict[str, float]) -> list[Figure]:
    """Return what is reported."""
    largest, smallest = sizes[-1], sizes[0]
    n = largest.sites
    found = [
        Figure(
            f"{n} Clusters Available from one `pulumi up`",
            round(largest.up_seconds / 60, 2),
            "min",
            f"<= {MINUTES}",
            largest.up_seconds <= 60 * MINUTES,
        ),
        Figure(f"a second `pulumi up` of the {n}", largest.second_seconds, "s"),
        Figure(
            "changes made by the second `pulumi up`",
            max(size.second_changes for size in sizes),
            "",
            "0",
            not any(size.second_changes for size in sizes),
        ),
        Figure(f"memory of the management cluster and the shared API server, {n} Clusters, at the peak", largest.memory_mib, "MiB"),
        Figure(f"memory of Pulumi and its plug-ins, {n} Clusters, at the peak", largest.pulumi_mib, "MiB"),
        Figure(f"writes that the management API server took, for each of {n} Clusters", round(largest.writes / n, 1), ""),
        Figure(f"writes that it refused as conflicts, for each of {n} Clusters", round(largest.conflicts / n, 2), ""),
        Figure(
            f"processor time for each Cluster, {n} against {smallest.sites}",
            round(largest.cpu_seconds / n / (smallest.cpu_seconds / smallest.sites), 2),
            "times",
            "<= 1.5",
            largest.cpu_seconds / n <= 1.5 * smallest.cpu_seconds / smallest.sites,
        ),
        *(Figure(f"preview of {count} new site{'s' if count > 1 else ''}", seconds, "s") for count, seconds in previewed.items()),
    ]
    return [*found, *(Figure(what, seconds, "s") for what, seconds in one.items())]


def main(counts: Sequence[int], *, quick: bool) -> int:
    """Measure and write bench/results/fleet.json."""
    from fleet_site import one_site  # noqa: PLC0415 - it needs the path above

    previewed = previews(QUICKLY if quick else PREVIEWED)
    sizes = [measure(count) for count in counts]
    with new_home() as home:
        one = one_site(home)
    found = figures(sizes, previewed, one.figures)
    series: dict[str, Any] = {"fleet": [asdict(size) for size in sizes], "site": one.shares}
    path = write("fleet", COMMAND + (" --quick" if quick else ""), found, datetime.now(UTC), series=series)
    print(json.dumps(json.loads(path.read_text()), indent=1))
    return int(any(figure.met is False for figure in found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 and 10 sites only")
    parser.add_argument("--sites", type=int, nargs="+", metavar="N", help="other numbers of sites, from few to many")
    arguments = parser.parse_args()
    sys.exit(main(arguments.sites or (QUICK if arguments.quick else SIZES), quick=arguments.quick))
