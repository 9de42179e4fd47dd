"""How soon a stack of `commonweal dev` gives the first consented read, how soon a saved file is seen, and what it holds in memory: `make bench-dev`. Needs no root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from results_file import Figure, write

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.demo.journey import BENEFITS, CHECK, REGISTRY, Site
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import trust_of
from commonweal_cli.dev.control import Stack

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "start-a-business"
RUNS, SAVES = 3, 5
FIGURES = {
    "seconds": ("`commonweal dev` with three departments, to the first consented read", "s", 20),
    "saved": ("from a saved file to a status that speaks of it", "s", 2),
    "mib": ("memory of three departments, proportional share", "MiB", 600),
}


def main() -> None:
    """Measure and write bench/results/dev.json."""
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)
        runs = [once(Path(around) / f"run-{i}") for i in range(RUNS)]
    figures = []
    for key, (name, unit, most) in FIGURES.items():
        values = [run[key] for run in runs]
        figures.append(Figure(name, median(values), unit, f"<= {most}", median(values) <= most, runs=values))
    write("dev", "python bench/dev.py", figures, datetime.now(UTC))


def once(folder: Path) -> dict[str, float]:
    """Return what one stack took, from its command to its end."""
    shutil.copytree(EXAMPLE, folder)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-P", "-m", "commonweal_cli", "dev", str(folder), "--sample"], stderr=subprocess.DEVNULL)
    try:
        stack = Stack(folder)
        first_read(stack)
        seconds = time.monotonic() - started
        found = {"seconds": round(seconds, 1), "saved": round(median(saved(stack, folder, i) for i in range(SAVES)), 2)}
        return found | {"mib": round(memory(process.pid))}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def first_read(stack: Stack) -> None:
    """Have the person consent and the Benefits Department read, as soon as that is possible."""
    while True:
        try:
            site = Site(stack, SignIn(stack.ask("told")["issuer"], trust_of(stack)), PEOPLE[0], stack.ask("told")["password"])
            given = site.me(REGISTRY).call("PUT", "/me/consents/benefits-checks-company", {"state": "Given"})
            token = stack.token(namespace_of(BENEFITS), "benefits-app", audience_of(REGISTRY))
            answer = site.caller(site.apis[REGISTRY], token).get(f"/v1/companies/subjects/{site.subject(REGISTRY)}", Purpose=CHECK)
            if given.status == 200 and answer.status == 200:
                return
        except Exception:  # noqa: BLE001 - not there yet, in whatever way
            pass
        time.sleep(0.1)


def saved(stack: Stack, folder: Path, number: int) -> float:
    """Save another contract of a product; return after how many seconds its status speaks of it."""
    file = folder / "30-products.yaml"
    file.write_text(
        file.read_text()
        .replace("title: Tax registrations", f"title: Tax registrations, {number}")
        .replace(f", {number}, {number - 1}", f", {number}")
    )
    begun = time.monotonic()
    while True:
        body = stack.get("dataproduct", "registrations", "dept-tax-authority")
        if f", {number}" in body["spec"]["title"] and body["status"].get("observedGeneration") == body["metadata"]["generation"]:
            return time.monotonic() - begun
        time.sleep(0.01)


def memory(root: int) -> float:
    """Return the proportional share of memory, in MiB, of a process and all that it began."""
    parents = {int(entry.name): parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    family = {root}
    while more := {pid for pid, of in parents.items() if of in family} - family:
        family |= more
    return sum(share(pid) for pid in family) / 1024


def parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def share(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
