"""The programs that sites and stacks need: taken from the machine where their version suits, built from pinned sources otherwise.

The order is PATH, then the directory named by KUBEBUILDER_ASSETS, then the cache, then a build with Go into the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from commonweal_local.progress import Progress
from commonweal_local.toolchain import build, lookup
from commonweal_local.toolchain.catalogue import PROGRAMS, named
from commonweal_local.toolchain.lookup import Origin, Tool

__all__ = ["Origin", "Tool", "ensure", "find", "path_of"]


def ensure(names: Iterable[str] = PROGRAMS, progress: Progress | None = None) -> dict[str, Tool]:
    """Find every named program (all, when none is named), building what is nowhere; the first time this takes minutes.

    Raises LocalError that says what to do when a build is not possible or fails.
    """
    found = {name: find(name) for name in names}
    lacking = {named(name).binary.file: named(name).binary for name, tool in found.items() if tool is None}
    build.build_all(list(lacking.values()), progress or Progress())
    return {name: tool or lookup.built(name) for name, tool in found.items()}


def find(name: str) -> Tool | None:
    """Where the program is now, without building it; None when it is nowhere."""
    return lookup.on_machine(name) or lookup.in_cache(name)


def path_of(name: str, progress: Progress | None = None) -> Path:
    """The path of one program, built if need be."""
    return ensure([name], progress)[name].path
