"""Keeping the programs of a site running: restart what exits, reap what is orphaned, record the state for others to read."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local.paths import write

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS = 0.5, 10.0, 30.0
POLL_SECONDS = 0.1
# What a site's first process takes from `site.json`, told in `state.json`: from 1 on the blueprint, too.
WITH_BLUEPRINT = 1
STOP_SECONDS = 5.0
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Let orphans of this process's children come to it, where it is not the first process of a PID namespace anyway."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """For a child, before its program starts. The signal follows the *thread* that forked, so that must be the main one."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def next_delay(delay: float, ran_seconds: float) -> float:
    """Seconds before the next start: doubled up to 10, back to 0.5 once a program was steady for half a minute."""
    return FIRST_DELAY if ran_seconds > STEADY_SECONDS else min(delay * 2, LONGEST_DELAY)


def fingerprint(argv: Sequence[str], directory: Path, logs: Path) -> str:
    """SHA-256 of a command line and of every file below the directory that it names: what differs then needs a restart to take effect.

    A file among the logs is written by the program, not read.
    """
    digest = hashlib.sha256("\0".join(argv).encode())
    for word in argv[1:]:
        file = Path(word.rpartition("=")[2])
        if file.is_relative_to(directory) and not file.is_relative_to(logs) and file.is_file():
            digest.update(b"\0" + file.read_bytes())
    return digest.hexdigest()


@dataclass
class Program:
    """One supervised program; `due` is when to start it (monotonic seconds), None while it runs. `ran` is the fingerprint of what was started."""

    argv: list[str]
    due: float | None
    ran: str = ""
    process: subprocess.Popen[bytes] | None = None
    restarts: int = -1
    delay: float = FIRST_DELAY
    since: float = 0.0
    replacing: bool = False


class Supervisor:
    """`start`, `mark` and `fail` may be called from any thread; processes are made by `loop` alone, on the main thread."""

    def __init__(self, directory: Path, logs: Path) -> None:
        self._directory = directory
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._programs: dict[str, Program] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._marks: dict[str, float] = {}
        self._error = ""
        self._change: dict[str, object] = {"revision": 0, "step": "", "error": ""}
        self.started = time.time()

    def start(self, name: str, argv: Sequence[str]) -> None:
        with self._lock:
            self._programs[name] = Program(list(argv), due=time.monotonic())

    def replace(self, name: str, argv: Sequence[str]) -> bool:
        """End a program whose command line or files are others now, to be started at once with these; whether that was needed."""
        wanted = fingerprint(argv, self._directory, self._logs)
        with self._lock:
            program = self._programs.get(name)
            if program is None:
                self._programs[name] = Program(list(argv), due=time.monotonic())
                return True
            if program.ran == wanted:
                return False
            program.argv = list(argv)
            if program.process and program.due is None:
                program.process.terminate()
                program.replacing = True
            return True

    def runs(self, name: str, argv: Sequence[str]) -> bool:
        """Whether the program runs now, with this command line and the files as they are."""
        wanted = fingerprint(argv, self._directory, self._logs)
        with self._lock:
            program = self._programs.get(name)
            return bool(program and program.due is None and program.ran == wanted and program.process and program.process.poll() is None)

    def report(self, revision: int, step: str = "", error: str = "") -> None:
        """Record which revision of `site.json` was reached, the program being replaced on the way to the next, and what stopped that."""
        self._change = {"revision": revision, "step": step, "error": error}
        self._save()

    def mark(self, what: str) -> None:
        """Record that a stage was reached, with the seconds since the start."""
        self._marks[what] = round(time.time() - self.started, 2)
        self._save()

    def fail(self, error: str) -> None:
        """Record why the site cannot become ready; its programs go on, so that one can look."""
        self._error = error
        self._save()

    def stop(self, *_: object) -> None:
        self._stop.set()

    def loop(self) -> None:
        """Run until `stop`, then end every program."""
        zombies: set[int] = set()
        while not self._stop.wait(POLL_SECONDS):
            with self._lock:
                changed = [self._turn(name, program) for name, program in self._programs.items()]
            if any(changed):
                self._save()
            zombies = self._reap(zombies)
        self._end()

    def _turn(self, name: str, program: Program) -> bool:
        """Notice an exit, or start what is due; whether something was started."""
        now = time.monotonic()
        if program.due is None:
            status = program.process.poll() if program.process else None
            if status is not None:
                if not program.replacing:
                    program.delay = next_delay(program.delay, now - program.since)
                program.due = now if program.replacing else now + program.delay
                with (self._logs / f"{name}.log").open("a") as log:
                    log.write(f"--- exited with {status}, restart in {program.due - now:g} s\n")
            return False
        if now < program.due:
            return False
        self._spawn(name, program)
        return True

    def _spawn(self, name: str, program: Program) -> None:
        program.ran = fingerprint(program.argv, self._directory, self._logs)
        with (self._logs / f"{name}.log").open("ab") as log:
            program.process = subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._directory,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only calls prctl
            )
        program.restarts += 0 if program.replacing else 1
        program.since, program.due, program.replacing = time.monotonic(), None, False

    def _save(self) -> None:
        with self._lock:
            running = {name: program.process.pid for name, program in self._programs.items() if program.process}
            components = {name: {"pid": pid, "restarts": self._programs[name].restarts} for name, pid in running.items()}
            state = {
                "format": WITH_BLUEPRINT,
                "started": self.started,
                "marks": dict(self._marks),
                "error": self._error,
                "components": components,
                "change": self._change,
            }
            write(self._directory / "state.json", state)

    def _reap(self, seen: set[int]) -> set[int]:
        """Collect orphans that ended. Only on the second sight: a fresh zombie may be a program that another thread awaits."""
        me = os.getpid()
        children = map(int, Path(f"/proc/self/task/{me}/children").read_text().split())
        ours = {program.process.pid for program in self._programs.values() if program.process}
        dead = {child for child in children if child not in ours and is_zombie(child)}
        for child in dead & seen:
            try:
                os.waitpid(child, os.WNOHANG)
            except ChildProcessError:
                continue
        return dead - seen

    def _end(self) -> None:
        processes = [program.process for program in self._programs.values() if program.process]
        for process in processes:
            process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_zombie(pid: int) -> bool:
    """Whether the process has ended and only awaits its parent; False as well when there is none.

    Its first thread may have ended before the others, which hold its files and ports until they are gone, too.
    """
    try:
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return ended and len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
    except OSError:
        return False
