"""The programs that sites and stacks need: taken from the machine where their version suits, built from pinned sources otherwise.

The order is PATH, then the directory named by KUBEBUILDER_ASSETS, then the cache, then a build with Go into the cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from commonweal_local.progress import Progress
from commonweal_local.toolchain import build, lookup
from commonweal_local.toolchain.catalogue import KUBERNETES_VERSIONS, PROGRAMS, named, programs_in
from commonweal_local.toolchain.catalogue import kubernetes as kubernetes_file
from commonweal_local.toolchain.lookup import Origin, Tool

__all__ = ["Origin", "Tool", "definitions", "ensure", "everything", "find", "kubernetes", "path_of"]


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


def kubernetes(version: str, progress: Progress | None = None) -> dict[str, Path]:
    """The path of each program of exactly that version of Kubernetes ("v1.36.3"; etcd is among them), built if need be.

    Raises LocalError that names the versions there are.
    """
    binary = kubernetes_file(version)
    names = programs_in(binary)
    # etcd has versions of its own; a machine's Kubernetes will do only when it is all of it this very version.
    exact = {name: None if name == "etcd" else rf"{re.escape(version)}\b" for name in names}
    machine = {name: lookup.on_machine(name, pattern) for name, pattern in exact.items()}
    if not all(machine.values()):
        build.build_all([binary], progress or Progress())
    return {name: (machine[name] or lookup.built(name, binary)).path for name in names}


def definitions(name: str, progress: Progress | None = None) -> Path:
    """The folder with a part's CustomResourceDefinitions and webhooks, fetched if need be.

    Parts are `cluster-api`, `kubeadm-bootstrap`, `kubeadm-control-plane`, `aws` and `gcp`. What lies in the folder says
    `commonweal_stacks.management.upstream.directory_of`. Raises LocalError.
    """
    from commonweal_local.toolchain import upstream  # noqa: PLC0415 - pins come from the stacks, which are slow to import

    return upstream.ensure(name, progress or Progress())


def everything(progress: Progress) -> dict[str, Tool]:
    """Every program in its usual version, and beside them the other versions of Kubernetes and all definitions: what CI makes."""
    from commonweal_stacks.management.upstream import UPSTREAM  # noqa: PLC0415

    tools = ensure(progress=progress)
    for version in KUBERNETES_VERSIONS:
        kubernetes(version, progress)
    for name in UPSTREAM:
        definitions(name, progress)
    return tools
