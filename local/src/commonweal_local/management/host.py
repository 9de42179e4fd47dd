"""The embedded management cluster seen from the host: start it, look at it, end it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_local import machine, paths, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.management import layout as planes
from commonweal_local.management.layout import Plane
from commonweal_local.progress import Progress
from commonweal_local.sites import processes
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.state import recorded
from commonweal_local.waiting import until, within

MODULE = "commonweal_local.management.process"
READY_SECONDS, END_SECONDS, ANSWER_SECONDS = 150, 20, 2
# Of the person's session only what says where things lie; neither proxies nor credentials have any business there.
HANDED_ON = ("COMMONWEAL_HOME", "COMMONWEAL_CACHE", "KUBEBUILDER_ASSETS", "VIRTUAL_ENV", "LANG")

# Kept so that a process that outlives this call is not reported as forgotten by the interpreter; `end` collects it.
_launched: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Status:
    """The management cluster now. `controllers` says of each whether it works; one that waits for its kinds does not."""

    directory: Path
    running: bool
    ready: bool
    error: str
    server: str
    memory_mib: int
    certificates: str = ""
    controllers: Mapping[str, bool] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "directory": str(self.directory)}


def start(home: Path, progress: Progress) -> Plane:
    """Start it unless it runs, and wait until its API server answers. Safe to repeat. Raises LocalError."""
    machine.require_space(home)
    programs = {name: str(tool.path) for name, tool in toolchain.ensure(planes.PROGRAMS, progress).items()}
    toolchain.definitions(planes.CORE, progress)
    # One lock for all homes of this machine: two that look for free ports at once would find the same ones.
    with paths.one_at_a_time(paths.cache() / "management"):
        one = found(home)
        if one and first_process(one) and not recorded(one)["error"]:
            return one
        if one:
            _end(one)
        one = planes.plane(home, programs, planes.free_block(one.block if one else 0))
        one.save()
        planes.furnish(one, dt.datetime.now(dt.UTC))
        (one.directory / "state.json").unlink(missing_ok=True)
        with progress.step("management cluster"):
            _launch(one)
            _await_ready(one)
    return one


def stop(home: Path, *, keep: bool = False) -> list[str]:
    """End it and remove its files, unless they are kept; the sites it knows go on. Returns what would not go."""
    one = found(home)
    left = _end(one) if one else []
    directory = home / planes.NAME
    if not keep and not left:
        left += [] if within(10, lambda: _removed(directory), every=0.2) else [f"management: {directory}"]
    _launched[:] = [process for process in _launched if process.poll() is None]
    return left


def found(home: Path) -> Plane | None:
    """The configuration that was kept, or None when there is none."""
    return Plane.load(home, planes.NAME) if (home / planes.NAME / "site.json").is_file() else None


def first_process(one: Plane) -> int | None:
    """The pid of its first process, or None. The command line is compared, since pids are used again."""
    try:
        pid = int((one.directory / "init.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_first(pid, one) else None


def status_of(home: Path) -> Status:
    """How it is, asked of its processes and of its API server."""
    one = found(home)
    first = first_process(one) if one else None
    if one is None or first is None:
        return Status(home / planes.NAME, running=False, ready=False, error="", server="", memory_mib=0)
    state = recorded(one)
    pids = {name: part["pid"] for name, part in state["components"].items() if processes.alive(part["pid"])}
    ready, error = _ready(one)
    controllers = {planes.CORE: _answers(one.answers), planes.PROVIDER: planes.PROVIDER in pids}
    return Status(
        one.directory,
        running=True,
        ready=ready,
        error=state["error"] or error,
        server=one.server,
        memory_mib=processes.memory_mib([first, *pids.values()]),
        certificates=planes.outlook(one, dt.datetime.now(dt.UTC))[0],
        controllers=controllers,
        restarts={name: part["restarts"] for name, part in state["components"].items()},
    )


def _ready(one: Plane) -> tuple[bool, str]:
    try:
        return Api(one).ready(), ""
    except Unreachable as error:
        return False, f"the API server does not answer: {error}"


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _launch(one: Plane) -> None:
    environment = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    environment |= {"PATH": f"{os.environ['PATH']}:{machine.SYSTEM_PATH}", "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}
    process = processes.launch([sys.executable, "-m", MODULE, str(one.directory)], one.directory, environment)
    _launched.append(process)
    until("the management cluster's first process", 10, lambda: _is_first(process.pid, one), every=0.01)
    paths.write(one.directory / "init.pid", str(process.pid))


def _await_ready(one: Plane) -> None:
    def ready() -> bool:
        state = recorded(one)
        if state["error"] or first_process(one) is None:
            raise _not_ready(one, state["error"] or "its first process ended")
        return "ready" in state["marks"]

    if not within(READY_SECONDS, ready):
        raise _not_ready(one, f"not ready after {READY_SECONDS} s")


def _not_ready(one: Plane, why: str) -> LocalError:
    return LocalError(
        f"The management cluster did not get ready: {why}",
        f"Look into {one.logs}/*.log and {one.directory}/init.log; then `commonweal management down` and `up` again.",
    )


def _end(one: Plane) -> list[str]:
    """End its first process and with it every program; returns what would not go."""
    pid = first_process(one)
    members = [part["pid"] for part in recorded(one)["components"].values()] if pid else []
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not within(END_SECONDS, lambda: not any(processes.alive(member) for member in [pid, *members]), every=0.05):
            return [f"management: processes {[member for member in [pid, *members] if processes.alive(member)]}"]
    (one.directory / "init.pid").unlink(missing_ok=True)
    return []


def _removed(directory: Path) -> bool:
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def _is_first(pid: int, one: Plane) -> bool:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return argv[1:4] == [b"-m", MODULE.encode(), str(one.directory).encode()] and processes.alive(pid)
