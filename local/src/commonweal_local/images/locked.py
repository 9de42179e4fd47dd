"""The lock of the Python packages, `requirements/environment.txt`: which files are what they are called, by their digests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from commonweal_local import paths
from commonweal_local.exceptions import LocalError

LOCK = Path("requirements") / "environment.txt"
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<rest>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def digests(pin: str) -> tuple[str, ...]:
    """Return the SHA-256 digests that the lock names for `name==version`. LocalError if it has no such version."""
    found = _read(paths.source() / LOCK).get(pin)
    if not found:
        raise LocalError(
            f"{pin} is installed here, and {LOCK} does not name it",
            "Run `make venv`; after a change of pyproject.toml, `make lock` before.",
        )
    return found


def requirements(pinned: Iterable[str]) -> str:
    """Return a requirements file of pinned packages, in which each file's digest is one that the lock names. LocalError as `digests`."""
    return "".join(" ".join([pin, *(f"--hash=sha256:{digest}" for digest in digests(pin))]) + "\n" for pin in pinned)


@cache
def _read(lock: Path) -> dict[str, tuple[str, ...]]:
    found = _ENTRY.finditer(lock.read_text(encoding="utf-8"))
    return {f"{canonicalize_name(each['name'])}=={each['version']}": tuple(_DIGEST.findall(each["rest"])) for each in found}
