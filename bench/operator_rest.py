"""How often the operator writes when there is nothing to do: read from the API server's audit log, which misses nothing. Target: 0.

    python bench/operator_rest.py [--seconds N]                 a control plane of its own, with the example of three departments
    python bench/operator_rest.py --audit FILE [--seconds N]    a site that is running: its API server's audit log

Prints one JSON figure, and with a control plane of its own writes bench/results/operator-rest.json. The exit status is 1 when the target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from results_file import Figure, write  # noqa: E402

from contract.operator.stage import Operator, Pods, install, open_business  # noqa: E402
from support.control_plane import OPERATOR, ControlPlane  # noqa: E402

VERBS = {"create", "update", "patch", "delete", "deletecollection"}


def writes_in(log: Path) -> int:
    """Return how many writes the operator has asked for; renewals of its Lease are not counted, for they are its heartbeat."""
    found = 0
    with log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            mine = entry["user"]["username"] == OPERATOR and entry["verb"] in VERBS
            found += mine and entry.get("objectRef", {}).get("resource") != "leases"
    return found


def over(seconds: float, count: Callable[[], int]) -> int:
    """Return by how much the count rose in that time."""
    before = count()
    time.sleep(seconds)
    return count() - before


def on_a_plane_of_its_own(seconds: float) -> int:
    """Return the writes at rest on a fresh control plane, after the example has become ready."""
    with tempfile.TemporaryDirectory() as home:
        plane = ControlPlane(Path(home) / "plane", controllers=("garbage-collector-controller", "namespace-controller"))
        with plane:
            install(plane)
            operator = Operator(plane, Path(home) / "operator.log")
            operator.start()
            try:
                open_business(plane, operator, Pods(plane))
                operator.settled()
                return over(seconds, lambda: writes_in(plane.audit_log))
            finally:
                operator.stop()


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--audit", type=Path, help="the audit log of a running site")
    options = parser.parse_args()
    log = options.audit
    count = over(options.seconds, lambda: writes_in(log)) if log else on_a_plane_of_its_own(options.seconds)
    name = f"API writes by the operator in {options.seconds:.0f} s at rest"
    figure = Figure(name, count, "writes", target="0", met=count == 0)
    if not log:
        write("operator-rest", "python bench/operator_rest.py", [figure], datetime.now(UTC))
    print(json.dumps(asdict(figure)))
    return int(count != 0)


if __name__ == "__main__":
    sys.exit(main())
