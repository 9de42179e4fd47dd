"""Passing the store's chunks from one site's pod to the other's, through this program: the sites need not reach each other."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from commonweal_cli.move.endpoint import AGAIN, End
from commonweal_local.exceptions import LocalError
from commonweal_runtime.exceptions import BrokenStreamError
from commonweal_runtime.migration import frames

Say = Callable[[str], None]
_END_SECONDS = 900.0


@dataclass
class Passed:
    """How much went over (bytes on the link), in how many chunks, and what the old site told at the end."""

    bytes: int = 0
    chunks: int = 0
    told: dict[str, Any] = field(default_factory=dict)


def pass_over(source: End, target: End, *, last: bool, say: Say) -> Passed:
    """Pass what the new site lacks. `last`: under a backup, to one moment, with what every table held then. Raises LocalError."""
    had = _listing(target)
    sending, receiving = source.start("send", *(["last"] if last else [])), target.start("receive")
    complaints = {process: _reader(process) for process in (sending, receiving)}
    try:
        assert sending.stdin is not None
        sending.stdin.write(had)
        sending.stdin.close()
        passed = _pump(sending, receiving, say)
        _finish(receiving)
        _finish(sending)
    except (OSError, BrokenStreamError, subprocess.TimeoutExpired):
        _kill(sending, receiving)
        raise _why(source, target, sending, receiving, complaints) from None
    except BaseException:
        _kill(sending, receiving)
        raise
    if sending.returncode or receiving.returncode or not passed.told:
        raise _why(source, target, sending, receiving, complaints)
    return passed


def _listing(target: End) -> bytes:
    process = target.start("have")
    out, error = process.communicate(b"", timeout=_END_SECONDS)
    if process.returncode:
        raise target.fault("have", error)
    return out


def _pump(sending: subprocess.Popen[bytes], receiving: subprocess.Popen[bytes], say: Say) -> Passed:
    assert sending.stdout is not None
    assert receiving.stdin is not None
    passed = Passed()
    while (one := frames.read(sending.stdout)) is not None:
        if one.kind == "told":
            passed.told = one.head
            continue
        passed.bytes += frames.write(receiving.stdin, one)
        passed.chunks += one.kind == "chunk"
        if not passed.chunks % 64:
            say(f"{passed.bytes / 1e6:.1f} MB")
    if passed.told:  # a stream that broke has no end, and the other side then refuses what it has
        frames.write(receiving.stdin, frames.frame("end"))
    return passed


def _finish(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    process.wait(_END_SECONDS)


def _reader(process: subprocess.Popen[bytes]) -> tuple[threading.Thread, list[bytes]]:
    """Read a process's complaints beside it, so that it never waits for somebody to."""
    said: list[bytes] = []

    def read() -> None:
        assert process.stderr is not None
        said.append(process.stderr.read())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread, said


def _kill(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def _why(
    source: End,
    target: End,
    sending: subprocess.Popen[bytes],
    receiving: subprocess.Popen[bytes],
    complaints: dict[subprocess.Popen[bytes], tuple[threading.Thread, list[bytes]]],
) -> LocalError:
    # a side that sends no more is the cause of what the other complains of; one that is not listened to any more is ended by us, and says nothing
    for end, verb, process in ((source, "send", sending), (target, "receive", receiving)):
        thread, said = complaints[process]
        thread.join(5)
        if said and said[0].strip():
            return end.fault(verb, said[0])
    return LocalError(f"The stream from {source.site} to {target.site} broke", AGAIN)
