"""A stack of `commonweal dev` for tests: the real command in a process of its own, on a folder of its own."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from commonweal_cli.dev.control import Stack
from commonweal_cli.kubectl import lacking
from support import room
from support.control_plane import REPOSITORY
from support.waiting import wait_for

EXAMPLE = REPOSITORY / "examples" / "start-a-business"
SECONDS = 180.0
DEPARTMENT = """
apiVersion: commonweal.dev/v1alpha1
kind: Department
metadata: {name: library}
spec: {displayName: Library, contact: "mailto:desk@library.example"}
"""
PRODUCT = """
apiVersion: commonweal.dev/v1alpha1
kind: DataProduct
metadata: {name: loans, namespace: dept-library}
spec:
  title: Loans
  version: 1.0.0
  class: Interaction
  source: {postgres: {host: old-db.invalid, database: loans, table: loan, credentials: {name: loans-database}}}
  subject: {column: reader, records: Many, recordKey: loan_no}
  fields:
  - {name: title, column: title, type: String, required: true}
  - {name: kind, column: kind, type: String}
  - {name: dueOn, column: due_on, type: Date, required: true}
  - {name: late, from: "case when state = 'late' then true else false end", type: Boolean}
  quality:
  - {name: kinds, metric: InvalidValues, field: kind, validValues: [Book, Map], atMost: 0, onFail: StopServing}
"""


def free_ports(count: int = 40) -> int:
    """Return the first of so many ports in a row that nobody listens on."""
    for first in random.sample(range(20000, 31000, count), 200):
        if all(_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError("no row of free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def place(name: str) -> Path:
    """Return a folder that is not there yet, which whoever PostgreSQL runs as may enter."""
    around = room.directory("dev")
    around.chmod(0o755)
    return around / name


def small(folder: Path) -> Path:
    """Return the folder with one department and one product whose source is nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "department.yaml").write_text(DEPARTMENT)
    (folder / "product.yaml").write_text(PRODUCT)
    return folder


def example(folder: Path) -> Path:
    """Return the folder with a copy of the example."""
    shutil.copytree(EXAMPLE, folder)
    return folder


class Dev:
    """The command on a folder. What it says is in `said`."""

    def __init__(self, folder: Path, *words: str, port: int | None = None, **how: Any) -> None:
        self.folder, self.port, self._how = folder, port or free_ports(), how
        self.words = [sys.executable, "-P", "-m", "commonweal_cli", "dev", str(folder), "--port", str(self.port), *words]
        self.log = folder.parent / f"{folder.name}.log"
        self.stack = Stack(folder)
        self.env: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env}, **self._how
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def said(self) -> str:
        """What the command has said so far."""
        return self.log.read_text()

    def ready(self) -> Self:
        """Return once everything says Ready."""
        self.until("everything to be ready", lambda: "\nready after" in f"\n{self.said}" and not self.waiting())
        return self

    def waiting(self) -> list[str]:
        """Return what is not ready."""
        kinds = ("departments", "dataproducts", "consentpolicies", "modelservices")
        return [text for kind in kinds for text in (lacking(body) for body in self.stack.items(kind)) if text]

    def until(self, what: str, done: Any) -> None:
        """Wait until something is so, while the command runs."""

        def asked() -> bool | None:
            assert self.process is not None
            assert self.process.poll() is None, f"the command ended with {self.process.returncode}:\n{self.said}"
            return bool(done()) or None

        wait_for(what, asked)

    def end(self, number: int = signal.SIGINT) -> int:
        """End it with a signal and return the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command where it is to end by itself."""
    command = [sys.executable, "-P", "-m", "commonweal_cli", "dev", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ})


def inhabitants(folder: Path) -> list[int]:
    """Return the processes that have a file of the folder open, or stand in it, or were started for it."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _knows(entry, str(folder))]


def _knows(process: Path, folder: str) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace")
        if folder in words:
            return True
        return any(str(link.readlink()).startswith(folder) for link in (process / "fd").iterdir())
    except OSError:
        return False
