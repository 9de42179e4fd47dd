"""Where things lie: what can be made again (cache), and what is state (home)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from commonweal_local.exceptions import LocalError

__all__ = ["cache", "claims", "home", "images_file", "one_at_a_time", "require_writable", "sites", "source", "variable_of", "write"]

ELSEWHERE = (
    "Set COMMONWEAL_HOME (state) and COMMONWEAL_CACHE (what can be made again) to directories that you may write to: "
    "`export COMMONWEAL_HOME=/srv/commonweal/home COMMONWEAL_CACHE=/srv/commonweal/cache`, for example."
)


def cache() -> Path:
    """Everything in it can be made again: programs, image layers, wheels, Debian packages."""
    return _place("COMMONWEAL_CACHE", "~/.cache/commonweal")


def home() -> Path:
    """State: sites, kubeconfigs, the index of images, Pulumi's state."""
    return _place("COMMONWEAL_HOME", "~/.local/share/commonweal")


def claims() -> Path:
    """Which site has which address, for all homes and users of this machine; it outlives a start of the machine."""
    return _place("COMMONWEAL_CLAIMS", "/var/tmp/commonweal")


def sites() -> Path:
    return home() / "sites"


def images_file() -> Path:
    """`{"operator": reference, "runtime": reference, "store": reference}`."""
    return home() / "images.json"


def source() -> Path:
    """The checkout this package runs from; raises when it was installed as a wheel, which carries no Go modules."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "local" / "toolchain" / "go.mod").is_file():
        raise LocalError(
            f"{root} is not a checkout of Commonweal, and tools and images are made from one",
            "Clone the repository, run `make venv` in it, and use its .venv/bin/commonweal.",
        )
    return root


def write(path: Path, content: str | Mapping[str, object] | Sequence[object], *, mode: int = 0o644) -> Path:
    """Write a file whole or not at all: a reader never sees half of it, and nobody whom `mode` keeps out sees any. Objects are written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of a process that was killed and had this number: its mode would stay
    # Made for its owner alone and opened to others when it is whole: a mode that is set afterwards comes too late for who has opened the file by then.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content, indent=1) + "\n")
        os.fchmod(file.fileno(), mode)
    return draft.replace(path)


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, which is made if need be; another process waits for it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_writable(place: Path) -> None:
    """Raise LocalError, with the variable that names another place, unless files can be made there."""
    existing = next(one for one in (place, *place.parents) if os.path.exists(one))  # noqa: PTH110 - Path.exists raises where it may not look
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise LocalError(f"{place} cannot be written ({existing} is not writable for this user)", ELSEWHERE)


def variable_of(place: Path) -> str | None:
    """The variable that moves this path elsewhere; None when it is neither in the home or the cache, nor on the way there."""
    for variable, find in (("COMMONWEAL_HOME", home), ("COMMONWEAL_CACHE", cache)):
        with suppress(LocalError):
            if place.is_relative_to(find()) or find().is_relative_to(place):
                return variable
    return None


def _place(variable: str, default: str) -> Path:
    try:
        return Path(os.environ.get(variable) or default).expanduser().resolve()
    except RuntimeError as error:
        raise LocalError("This user has no home directory, and HOME is not set", ELSEWHERE) from error
