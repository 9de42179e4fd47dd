"""Building programs from pinned Go modules into the cache: all that share a list of dependencies in one run, so that each package compiles once."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from commonweal_local import machine, paths
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress, Step
from commonweal_local.toolchain import golang, lookup
from commonweal_local.toolchain.catalogue import PULUMI_PLUGIN, Binary, named, programs_in
from commonweal_local.toolchain.compiling import EVEN, PULUMI, Compiling

# Sources, compiled packages and the programs themselves, from nothing.
BUILD_GIB = 10.0
POLL_SECONDS = 0.5


def build_all(binaries: Sequence[Binary], progress: Progress) -> None:
    """Build what the cache lacks; nothing at all when it lacks nothing. Raises LocalError that names the log."""
    if not all(map(_is_built, binaries)):
        machine.require_space(paths.cache(), BUILD_GIB)
        go = golang.ensure(progress)
        with paths.one_at_a_time(paths.cache() / "bin"):  # two builds would do the same work twice
            for together in runs([binary for binary in binaries if not _is_built(binary)]):
                title = f"building {', '.join(binary.file for binary in together)}"
                with progress.step(title, measured=title) as step:
                    _build(go, together, step)
    for binary in binaries:
        _link(binary)


def runs(binaries: Sequence[Binary]) -> list[list[Binary]]:
    """Which binaries are built in one run of Go: those with the same dependencies, but for those that cannot share one."""
    found: dict[tuple[str, str], list[Binary]] = {}
    for binary in binaries:
        found.setdefault((binary.modfile, binary.file if binary.alone else ""), []).append(binary)
    return list(found.values())


def command(go: Path, binaries: Sequence[Binary], out: Path, overlay: Path) -> list[str]:
    """The build; `-v` makes it name each package that it compiles."""
    values = sorted({value for binary in binaries for value in binary.values})
    linker = " ".join(["-s", "-w", *(f"-X {value}" for value in values)])
    return [str(go), "build", "-v", *_flags(binaries, overlay), f"-ldflags={linker}", "-o", f"{out}/", *_packages(binaries)]


def _flags(binaries: Sequence[Binary], overlay: Path) -> list[str]:
    """What decides whether a package that was compiled earlier can be used. What only a debugger reads is left out: it takes time."""
    pins = [f"-modfile={binaries[0].modfile}"] if binaries[0].modfile else []
    return [*pins, "-trimpath", "-gcflags=all=-dwarf=false", f"-overlay={overlay}"]


def _packages(binaries: Sequence[Binary]) -> list[str]:
    return [binary.package for binary in binaries]


def _build(go: Path, binaries: Sequence[Binary], step: Step) -> None:
    log = paths.cache() / "logs" / f"build-{'-'.join(binary.file for binary in binaries)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    directory = lookup.directory_of(binaries[0])
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as drafts, _overlay(go, binaries) as overlay, log.open("wb") as output:
        curve = PULUMI if PULUMI_PLUGIN in binaries else EVEN
        compiling = Compiling(_to_compile(go, binaries, overlay, log, step), curve)
        process = _start(command(go, binaries, Path(drafts), overlay), output, output)
        _follow(process, log, compiling, step)
        if process.returncode:
            raise _failed(f"Building {', '.join(binary.file for binary in binaries)}", log)
        for binary in binaries:
            Path(drafts, binary.built_as).replace(directory / binary.file)
    paths.write(log.with_suffix(".json"), compiling.samples)


def _to_compile(go: Path, binaries: Sequence[Binary], overlay: Path, log: Path, step: Step) -> int:
    """How many packages are not compiled yet. Go fetches the modules for it: all of them have to be there before the first package compiles."""
    step.update("fetching the pinned modules")
    words = [str(go), "list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *_flags(binaries, overlay), *_packages(binaries)]
    with log.open("ab") as errors:
        process = _start(words, subprocess.PIPE, errors)
        said, _ = process.communicate()
    if process.returncode:
        raise _failed("Fetching the pinned Go modules", log)
    return len(said.split())


@contextmanager
def _overlay(go: Path, binaries: Sequence[Binary]) -> Iterator[Path]:
    """The file that tells Go where files lie that a main package embeds and the checkout does not hold."""
    replaced = {
        str(_sources() / here): str(golang.module(go, module, _sources(), binary.modfile) / there)
        for binary in binaries
        for module, there, here in binary.data
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"Replace": replaced}, file)
        file.flush()
        yield Path(file.name)


def _sources() -> Path:
    return paths.source() / "local" / "toolchain"


def _start(words: Sequence[str], output: IO[bytes] | int, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, cwd=_sources(), env=golang.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=errors)


def _follow(process: subprocess.Popen[bytes], log: Path, compiling: Compiling, step: Step) -> None:
    """Wait for the build, showing how much of it is done; ended with us when we are interrupted."""
    started = time.monotonic()
    try:
        while process.poll() is None:
            done = sum(not line.startswith("go: ") for line in log.read_text(errors="replace").splitlines())
            step.reach(compiling.share(done), compiling.said(done))
            compiling.note(done, time.monotonic() - started)
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _failed(what: str, log: Path) -> LocalError:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return LocalError(
        f"{what} failed: {lines[-1] if lines else 'it gave no output'}",
        f"The whole log is {log}. Without a network, set GOPROXY to a module proxy that can be reached, then repeat.",
    )


def _is_built(binary: Binary) -> bool:
    return (lookup.directory_of(binary) / binary.file).exists()


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
