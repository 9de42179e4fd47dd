"""What goes into the archive, and under which names."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commonweal_cli.bundle import checkout as project
from commonweal_cli.bundle import wheels
from commonweal_cli.bundle.archive import Contents, Entry
from commonweal_local import paths, portal_assets, toolchain
from commonweal_local.images import builder
from commonweal_local.images.archives import archive_path, bill_path
from commonweal_local.progress import Progress
from commonweal_local.toolchain import lookup
from commonweal_local.toolchain.catalogue import KUBERNETES_VERSIONS, PROGRAMS, named, programs_in
from commonweal_stacks.management.upstream import UPSTREAM

CHECKOUT, CACHE, HOME, WHEELS, DEBS = "checkout", "cache", "home", "wheels", "debs"


def gather(progress: Progress) -> Contents:
    """Make what is missing (programs, images, wheels, packages) and return all of it. This is the part that may need a network. Raises LocalError."""
    toolchain.everything(progress)
    references = builder.build(progress)
    with progress.step("wheels and Debian packages of the bundle") as step:
        python, debs = wheels.wheels(step), wheels.debian_packages(step)
    entries = [
        *checkout(),
        *_programs(),
        *_definitions(),
        *_images(references),
        *_pages(progress),
        *(Entry(f"{WHEELS}/{file.name}", file) for file in python),
        *(Entry(f"{DEBS}/{file.name}", file) for file in debs),
    ]
    return Contents(sorted(entries, key=lambda entry: entry.name), dict(_links()))


def described() -> dict[str, Any]:
    """Return what a reader of the statement wants to know: the revision, and which machines the archive is for."""
    return {
        "revision": project.revision(paths.source()),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
    }


def committed_at() -> int:
    """Return when the checkout's last commit was made (seconds since 1970): the time of everything in the archive."""
    return project.changed_at(paths.source())


def checkout() -> Iterator[Entry]:
    """Yield every file of the project, as it lies there now; read at once, for somebody may be working on it."""
    root = paths.source()
    for name in project.files(root):
        file = root / name
        if not file.is_symlink():
            yield Entry(f"{CHECKOUT}/{name}", file.read_bytes(), executable=os.access(file, os.X_OK))


def _programs() -> Iterator[Entry]:
    """Yield each program under the name that a build of this very checkout gives it, wherever it was found on this machine."""
    taken: set[str] = set()
    for name, path, directory in _found():
        real = path.resolve()
        inside = f"{CACHE}/bin/{directory.name}/{real.name if _is_link(path, real) else name}"
        if inside not in taken:
            taken.add(inside)
            yield Entry(inside, real, executable=True)


def _links() -> Iterator[tuple[str, str]]:
    for name, path, directory in _found():
        real = path.resolve()
        if _is_link(path, real):
            yield f"{CACHE}/bin/{directory.name}/{name}", real.name
    for name in PROGRAMS:
        yield f"{CACHE}/bin/{name}", f"{lookup.directory_of(named(name).binary).name}/{name}"


def _is_link(path: Path, real: Path) -> bool:
    return path.is_symlink() and path.parent.resolve() == real.parent


def _found() -> Iterator[tuple[str, Path, Path]]:
    """Yield name, path here and directory in the cache of each program, of every version of Kubernetes."""
    for name, tool in toolchain.ensure(PROGRAMS).items():
        yield name, tool.path, lookup.directory_of(named(name).binary)
    usual = lookup.directory_of(named("kube-apiserver").binary)
    for version, binary in KUBERNETES_VERSIONS.items():
        directory = lookup.directory_of(binary)
        if directory != usual:
            programs = toolchain.kubernetes(version)
            yield from ((name, programs[name], directory) for name in programs_in(binary))


def _definitions() -> Iterator[Entry]:
    for part in UPSTREAM:
        directory = toolchain.definitions(part)
        for file in sorted(directory.rglob("*")):
            if file.is_file():
                yield Entry(f"{CACHE}/{file.relative_to(paths.cache().resolve()).as_posix()}", file)


def _pages(progress: Progress) -> Iterator[Entry]:
    """Yield the portal's style and script: `commonweal dev` serves them, and compiles them where they are not in the cache."""
    made = portal_assets.assets(progress)
    yield from (Entry(f"{CACHE}/portal-assets/{made.name}/{file.name}", file) for file in sorted(made.iterdir()))


def _images(references: dict[str, str]) -> Iterator[Entry]:
    for reference in references.values():
        for file in (archive_path(reference), bill_path(reference)):
            yield Entry(f"{CACHE}/images/{file.name}", file)
    listed = (json.dumps(references, indent=1) + "\n").encode()
    yield Entry(f"{CACHE}/images/{builder.OPENED}", listed)
    yield Entry(f"{HOME}/images.json", listed)
