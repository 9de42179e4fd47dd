"""Building programs from pinned Go modules, one after the other, into the cache."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from commonweal_local import machine, paths
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress, Step
from commonweal_local.toolchain import golang, lookup
from commonweal_local.toolchain.catalogue import Binary, named, programs_in

# Sources, compiled packages and the programs themselves, from nothing.
BUILD_GIB = 8.0
POLL_SECONDS = 0.5


def build_all(binaries: Sequence[Binary], progress: Progress) -> None:
    """Build what the cache lacks; nothing at all when it lacks nothing. Raises LocalError that names the log."""
    if all((lookup.directory_of(binary) / binary.file).exists() for binary in binaries):
        for binary in binaries:
            _link(binary)
        return
    machine.require_space(paths.cache(), BUILD_GIB)
    go = golang.ensure(progress)
    with paths.one_at_a_time(paths.cache() / "bin"):  # two builds would do the same work twice
        for number, binary in enumerate(binaries, start=1):
            # Another process may have built it while we waited for the lock.
            if not (lookup.directory_of(binary) / binary.file).exists():
                with progress.step(f"building {binary.file} ({number} of {len(binaries)})") as step:
                    _build(go, binary, step)
            _link(binary)


def command(go: Path, binary: Binary, out: Path) -> list[str]:
    """The build; `-v` makes it name each package that it compiles."""
    linker = " ".join(["-s", "-w", *(f"-X {value}" for value in binary.values)])
    pins = [f"-modfile={binary.modfile}"] if binary.modfile else []
    return [str(go), "build", "-v", *pins, "-trimpath", f"-ldflags={linker}", "-o", str(out), binary.package]


def _build(go: Path, binary: Binary, step: Step) -> None:
    directory = lookup.directory_of(binary)
    directory.mkdir(parents=True, exist_ok=True)
    log = paths.cache() / "logs" / f"build-{binary.file}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    draft = directory / f"{binary.file}.new"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(go, binary, draft),
            cwd=paths.source() / "local" / "toolchain" / binary.module,
            env=golang.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _follow(process, log, step)
    if process.returncode:
        raise LocalError(
            f"Building {binary.file} failed: {_last_line(log)}",
            f"The whole log is {log}. Without a network, set GOPROXY to a module proxy that can be reached, then repeat.",
        )
    draft.replace(directory / binary.file)


def _follow(process: subprocess.Popen[bytes], log: Path, step: Step) -> None:
    """Wait for the build, showing how much it has compiled; ended with us when we are interrupted."""
    try:
        while process.poll() is None:
            lines = log.read_text(errors="replace").splitlines()
            fetched = sum(line.startswith("go: downloading") for line in lines)
            step.update(f"{fetched} modules fetched, {len(lines) - fetched} packages compiled" if lines else "linking")
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _link(binary: Binary) -> None:
    """Make the file callable by each of its names, beside it and, if it is the usual one, in `bin` for a person's PATH."""
    directory = lookup.directory_of(binary)
    for name in programs_in(binary):
        if name != binary.file:
            _point(directory / name, binary.file)
        if named(name).binary == binary:
            _point(paths.cache() / "bin" / name, f"{directory.name}/{name}")


def _point(link: Path, target: str) -> None:
    if link.is_symlink() and str(link.readlink()) == target:
        return
    draft = link.with_name(f"{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
