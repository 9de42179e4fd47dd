"""The Python packages of an image: exactly the versions that are installed here, so that what is tested is what runs in pods."""

from __future__ import annotations

import platform
import re
import sys
import tempfile
import tomllib
from collections.abc import Container, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images import locked
from commonweal_local.images.oci import Tree
from commonweal_local.shell import run

# Newest first; Debian 12 has glibc 2.36.
PLATFORMS = (
    "manylinux_2_36",
    "manylinux_2_34",
    "manylinux_2_31",
    "manylinux_2_28",
    "manylinux_2_24",
    "manylinux_2_17",
    "manylinux2014",
    "linux",
)
# RECORD holds digests of the scripts in bin, and those name the interpreter of whoever installed them.
# Of pyarrow, what compilers and its RPC need: a fifth of it.
DROPPED = re.compile(
    r"(^|/)(tests|__pycache__)/|\.(pyi|pxd|pyx|pxi|a|h)$|^bin/|\.dist-info/RECORD$|^pyarrow/((include|includes|src)/|[^/]*(flight|_cpp_tests)[^/]*$)"
)


def project(pyproject: Path) -> dict[str, Any]:
    """The project's metadata."""
    found: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return found


def plain(pyproject: Path) -> list[str]:
    """The requirements of a plain install: what the command imports."""
    return list(project(pyproject)["dependencies"])


def extra(pyproject: Path, name: str) -> list[str]:
    """The requirements of one extra, with those of the extras of this project that it names in their place."""
    ours = project(pyproject)
    found: list[str] = []
    for text in ours["optional-dependencies"][name]:
        requirement = Requirement(text)
        named = canonicalize_name(requirement.name) == ours["name"]
        found += [each for other in sorted(requirement.extras) for each in extra(pyproject, other)] if named else [text]
    return list(dict.fromkeys(found))


def pins(requirements: Iterable[str], *, without: Container[str] = ()) -> list[str]:
    """`name==version` of everything the requirements need, as installed in this environment; not of `without`, and of what only those need."""
    found: dict[str, str] = {}
    todo = [Requirement(text) for text in requirements]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in without:
            continue
        known = name in found
        distribution = _installed(name)
        found[name] = distribution.version
        if not known or requirement.extras:
            todo += _needs(distribution, requirement.extras)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def add_to(tree: Tree, pinned: Sequence[str], python: str, into: str) -> None:
    """Install the pinned wheels for the image's Python and platform, and add their files under `into`."""
    wanted = locked.requirements(pinned)
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_{platform.machine()}")]
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "target"
        listed = Path(scratch) / "requirements.txt"
        listed.write_text(wanted, encoding="utf-8")
        options = [
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "--no-compile",
            "--disable-pip-version-check",
            "--only-binary=:all:",
            "--implementation=cp",
        ]
        try:
            run(
                sys.executable,
                "-m",
                "pip",
                "install",
                *options,
                *platforms,
                f"--python-version={python}",
                f"--target={target}",
                f"--requirement={listed}",
            )
        except CommandFailedError as error:
            raise LocalError(
                f"pip could not fetch the wheels of an image ({error})",
                "Check the package index that pip is configured for (`pip config list`); every package must have a wheel for "
                f"Python {python} on {platform.machine()}.",
            ) from error
        tree.add_directory_tree(target, into, leave_out=DROPPED)


def _installed(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise LocalError(
            f"The Python package {name} is not installed, so its version for images is not known", "Run `make venv`."
        ) from error


def _needs(distribution: metadata.Distribution, extras: Iterable[str]) -> list[Requirement]:
    """What a distribution requires here, with the extras that were asked for."""
    wanted = []
    for text in distribution.requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            wanted.append(requirement)
    return wanted
