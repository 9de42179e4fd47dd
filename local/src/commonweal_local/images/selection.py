"""Which Debian packages go into the images, in which versions: asked of apt once per state of its package lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from commonweal_local import paths
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images import packages
from commonweal_local.images.contents import BOOKWORM, Versions, base_packages, server_packages
from commonweal_local.images.packages import Package
from commonweal_local.shell import run

LISTS = ("/var/lib/apt/lists", "/etc/apt/sources.list", "/etc/apt/sources.list.d")


@dataclass(frozen=True)
class Selection:
    """Versions ("3.11", "15") that decide paths in the images, the packages under all images, and those on top for the store."""

    python: str
    postgres: str
    base: Sequence[Package]
    server: Sequence[Package]

    @property
    def versions(self) -> Versions:
        return Versions(self.python, self.postgres)


def select() -> Selection:
    """What apt offers now; its answer is kept until its lists or sources change."""
    state = _state()
    file = paths.cache() / "images" / "packages.json"
    try:
        kept = json.loads(file.read_text())
        if kept["state"] == state:
            return _read(kept["selection"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none kept yet, or by another version of this program
    chosen = _ask()
    paths.write(file, {"state": state, "selection": asdict(chosen)})
    return chosen


def _ask() -> Selection:
    versions = Versions(_version("python3", 2), _version("postgresql", 1))
    base = packages.closure(base_packages(versions))
    server = packages.closure(server_packages(versions))
    return Selection(
        versions.python, versions.postgres, packages.resolve(base), packages.resolve(name for name in server if name not in base)
    )


def _read(kept: dict[str, object]) -> Selection:
    both: dict[str, list[Package]] = {part: [Package(**one) for one in kept[part]] for part in ("base", "server")}  # type: ignore[attr-defined]
    return Selection(str(kept["python"]), str(kept["postgres"]), both["base"], both["server"])


def _state() -> list[object]:
    """Changes with apt's lists and sources, and with what is asked of them."""
    times = [Path(name).stat().st_mtime_ns for name in LISTS if Path(name).exists()]
    return [*times, *base_packages(BOOKWORM), *server_packages(BOOKWORM), *packages.NEVER]


def _version(package: str, parts: int) -> str:
    """The first numbers of the version that apt offers: `3.11` of `3.11.2-1+b1` (2 parts), `15` of `15+248` (1 part)."""
    try:
        found = run("apt-cache", "show", "--no-all-versions", package)
        version = next(line.split()[1] for line in found.splitlines() if line.startswith("Version:"))
    except (CommandFailedError, StopIteration) as error:
        raise LocalError(
            f"apt does not offer {package} ({error})",
            "Images are made from Debian packages: run `sudo apt-get update` on Debian 12 or later.",
        ) from error
    return ".".join(version.replace("+", ".").replace("-", ".").split(".")[:parts])
