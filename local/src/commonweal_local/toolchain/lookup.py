"""Finding programs: on PATH, in KUBEBUILDER_ASSETS, in the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from commonweal_local import paths
from commonweal_local.toolchain.catalogue import Binary, Program, named, places_in, values_in

VERSION_SECONDS = 20


class Origin(StrEnum):
    PATH = "PATH"
    ASSETS = "KUBEBUILDER_ASSETS"
    BUILT = "built from pinned sources"


@dataclass(frozen=True)
class Tool:
    """A program that was found: where, and where it came from."""

    name: str
    path: Path
    origin: Origin


def on_machine(name: str, accepts: str | None = None) -> Tool | None:
    """The program from PATH or KUBEBUILDER_ASSETS, if its version suits: that of the catalogue, or the stricter pattern given."""
    program = replace(named(name), accepts=accepts) if accepts else named(name)
    if program.accepts is None:
        return None
    for path, origin in _candidates(name):
        if suits(program, path):
            return Tool(name, path, origin)
    return None


def in_cache(name: str) -> Tool | None:
    """The program as built from exactly the sources of this checkout, if it was."""
    tool = built(name)
    return tool if tool.path.exists() else None


def built(name: str, binary: Binary | None = None) -> Tool:
    """The program where a build puts it; from another file than its usual one when that is given."""
    return Tool(name, directory_of(binary or named(name).binary) / name, Origin.BUILT)


def suits(program: Program, path: Path) -> bool:
    """Whether the program starts and prints a version that is accepted."""
    try:
        done = subprocess.run(
            [str(path), *program.version], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and re.search(program.accepts or "", done.stdout + done.stderr) is not None


def directory_of(binary: Binary) -> Path:
    """Where the binary lies once built: the name holds a digest of everything that it is built from."""
    return paths.cache() / "bin" / f"{binary.family}-{_key(binary)}"


def _candidates(name: str) -> Iterator[tuple[Path, Origin]]:
    on_path = shutil.which(name)
    # Links that we made ourselves are not the machine's.
    if on_path and not Path(on_path).resolve().is_relative_to(paths.cache()):
        yield Path(on_path), Origin.PATH
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).is_file():
        yield Path(assets) / name, Origin.ASSETS


def _key(binary: Binary) -> str:
    """SHA-256 over the pins, our sources, the values set by the linker and the machine's architecture; 16 hexadecimal digits."""
    directory = paths.source() / "local" / "toolchain"
    pins = (directory / binary.modfile).parent if binary.modfile else directory
    replaced = re.findall(r"=> \./(\S+)", (pins / "go.mod").read_text())
    ours = [place for place in (*places_in(binary), *replaced) for place in sorted((directory / place).rglob("*.go"))]
    digest = hashlib.sha256(f"{platform.machine()} {values_in(binary)}".encode())
    for file in (*sorted(pins.glob("go.*")), *ours):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
