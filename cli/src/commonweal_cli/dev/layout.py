"""Where a stack keeps its files, below the folder of its manifests, and on which ports it listens. Pure but for `Layout.kept`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import paths

STATE, MEMORY = ".commonweal-dev", "objects.json"
PORTS_EACH = 3


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one department."""

    data_api: int
    models: int
    store: int

    def of(self, component: str) -> int:
        """Return the port of a component that speaks HTTP."""
        return self.models if component == "models" else self.data_api


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is the folder's own directory of state; `run` a short-lived one outside it, for sockets, whose paths must be short."""

    root: Path
    run: Path

    def mount(self, namespace: str, component: str, container: str, volume: str) -> Path:
        """Return what stands for a volume of a container; what a component's containers share is one place."""
        if volume == "socket":
            return self.run / namespace
        if volume == "data":
            return self.root / "stores" / namespace
        owner = container if volume in ("tmp", "keys", "tokens") else component
        return self.root / "mounts" / namespace / owner / volume

    def exchange(self, namespace: str, container: str) -> Path:
        """Return where plans and reports are exchanged."""
        return self.root / "mounts" / namespace / container / "exchange"

    def log(self, department: str, container: str) -> Path:
        """Return the log of a process."""
        return self.root / "logs" / f"{department}-{container}.log"

    @property
    def numbers(self) -> Path:
        """Which department has which ports, for the next run."""
        return self.root / "departments.json"


@dataclass
class Numbering:
    """Gives ports, the same ones to a department each time: `base` and the three after it are the stack's own, for the people's issuer, the sources, the portal and the issuer's store."""

    base: int
    file: Path

    def __post_init__(self) -> None:
        self._known: list[str] = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else []

    @property
    def issuer(self) -> int:
        """Where people sign in."""
        return self.base

    @property
    def sources(self) -> int:
        """Where the made-up sources lie."""
        return self.base + 1

    @property
    def portal(self) -> int:
        """Where people have their pages."""
        return self.base + 2

    @property
    def identity_store(self) -> int:
        """Where the issuer keeps links and sessions."""
        return self.base + 3

    def ports(self, department: str) -> Ports:
        """Return a department's ports."""
        if department not in self._known:
            self._known.append(department)
            paths.write(self.file, self._known)
        first = self.base + 10 + PORTS_EACH * self._known.index(department)
        return Ports(first, first + 1, first + 2)

    def all(self, departments: Sequence[str]) -> list[int]:
        """Return every port that a stack of these departments listens on."""
        return [self.issuer, self.sources, self.portal, self.identity_store, *(p for name in departments for p in _each(self.ports(name)))]


def _each(ports: Ports) -> tuple[int, int, int]:
    return ports.data_api, ports.models, ports.store
