"""A nursery for the stack's processes: one process that all others are forked from, so that they share what they import, and that ends them when its parent is gone, however it went.

`Nursery.start` is to be called before the caller has threads or an event loop. A process runs one module as `python -m` would, in an environment of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import commonweal_runtime

SOURCES = Path(commonweal_runtime.__file__).parents[1]
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
END_SECONDS = 10.0
_LONGEST = 1 << 20
# What the stack's programs import: read once, and shared by all that are forked.
_SHARED = (
    "commonweal_runtime.keeper.__main__",
    "commonweal_runtime.data_api.app",
    "commonweal_runtime.models.app",
    "commonweal_runtime.identity.app",
    "commonweal_runtime.identity_store.__main__",
    "commonweal_runtime.portal.app",
    "commonweal_runtime.server",
)


@dataclass(frozen=True, slots=True)
class Program:
    """One module to run under a name. `user` is whom root becomes for it; `memory` bounds its own data in bytes."""

    name: str
    module: str
    env: Mapping[str, str]
    log: str
    user: int | None = None
    memory: int | None = None


class Nursery:
    """The caller's end. Processes are named; one name runs once at a time."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.line, self.pid = line, pid
        line.setblocking(False)

    @classmethod
    def start(cls, belongings: Path) -> Nursery:
        """Fork the nursery. `belongings` is a directory that it removes when it ends, last of all."""
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid:
            its.close()
            return cls(mine, pid)
        mine.close()
        status = 1
        try:
            _Keeping(its, belongings).run()
            status = 0
        except BaseException:  # noqa: BLE001 - nothing of it may go on as the caller
            traceback.print_exc()
        finally:
            os._exit(status)

    def run(self, program: Program) -> None:
        """Start a program."""
        self._say({"run": asdict(program)})

    def stop(self, name: str) -> None:
        """Ask a program to end; it is told of when it has."""
        self._say({"stop": name})

    def heard(self) -> tuple[str, int] | None:
        """Return the name and exit status of a process that has ended since, or None."""
        try:
            text = self.line.recv(_LONGEST)
        except BlockingIOError:
            return None
        if not text:
            raise ConnectionError("the process that keeps the others has ended")
        told = json.loads(text)
        return told["ended"], told["status"]

    def close(self) -> None:
        """Return when every process has ended and the belongings are gone."""
        self.line.close()
        os.waitpid(self.pid, 0)

    def _say(self, what: Mapping[str, Any]) -> None:
        self.line.setblocking(True)
        try:
            self.line.send(json.dumps(what).encode())
        finally:
            self.line.setblocking(False)


class _Keeping:
    """The nursery's own loop."""

    def __init__(self, line: socket.socket, belongings: Path) -> None:
        self._line, self._belongings = line, belongings
        self._running: dict[int, tuple[str, int]] = {}  # by the descriptor of the process

    def run(self) -> None:
        """Do as told until the caller is gone, then end everything."""
        os.setsid()  # what the terminal tells the caller is not told to those it keeps
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for name in _SHARED:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()  # a collection would write into every page that is shared
        try:
            while self._once():
                pass
        finally:
            self._end_all()
            shutil.rmtree(self._belongings, ignore_errors=True)

    def _once(self) -> bool:
        line = self._line.fileno()
        ready, _, _ = select.select([line, *self._running], [], [])
        for descriptor in ready:
            if descriptor != line:
                self._collect(descriptor)
        return line not in ready or self._obey()

    def _obey(self) -> bool:
        text = self._line.recv(_LONGEST)
        if not text:
            return False
        told = json.loads(text)
        if "run" in told:
            self._fork(Program(**told["run"]))
        for name, pid in self._running.values():
            if name == told.get("stop"):
                os.kill(pid, signal.SIGTERM)
        return True

    def _fork(self, program: Program) -> None:
        pid = os.fork()
        if pid == 0:
            self._line.close()
            _become(program)
        self._running[os.pidfd_open(pid)] = program.name, pid

    def _collect(self, descriptor: int) -> None:
        name, pid = self._running.pop(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            self._line.send(json.dumps({"ended": name, "status": os.waitstatus_to_exitcode(status)}).encode())

    def _end_all(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        for _, pid in self._running.values():
            os.kill(pid, signal.SIGTERM)
        while children := _children():
            late = time.monotonic() > deadline
            for pid in children:
                if late:
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.02)  # what is waited for may be a grandchild, of which no descriptor tells


def _children() -> Sequence[int]:
    """Return who would be orphaned: children, and what a child that ended left."""
    return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()]


def _become(program: Program) -> None:
    """Run the module in this forked process; does not return."""
    status: Any = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _redirect(program.log)
        if program.user is not None:
            _drop(program.user)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if program.memory is not None:
            # What the nursery had imported counts against the limit, too: it is on top of what the module itself may take.
            resource.setrlimit(resource.RLIMIT_DATA, (program.memory, program.memory))
        os.environ.clear()
        os.environ.update(program.env)
        if program.user is not None:
            os.environ.update(_python())
        sys.argv = [program.module]
        runpy.run_module(program.module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - it is this process's end, and its log says why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (to, 1), (to, 2)):
        os.dup2(source, target)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # whatever the caller had put there


def _drop(user: int) -> None:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _python() -> dict[str, str]:
    """Have this process start Python programs of ours by one that its user can reach, where root's own lies in a place of root's; return the variables for it."""
    if os.access(sys.executable, os.X_OK):
        return {}
    sys.executable = "/usr/bin/python3"
    return {"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"}


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
