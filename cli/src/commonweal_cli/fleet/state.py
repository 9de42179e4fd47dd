"""How far a roll-out has come, in a file: one that was killed goes on where it was, and what it moved can be moved back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

from commonweal_cli.fleet.rings import Ring
from commonweal_local import paths
from commonweal_local.exceptions import LocalError


class Phase(StrEnum):
    """Where a site is. `MOVING` covers everything from before `pulumi up` until its root is known to be right."""

    WAITING = "waiting"
    MOVING = "moving"
    DONE = "done"
    FAILED = "failed"
    BACK = "rolled back"


@dataclass(frozen=True)
class Before:
    """How a site was before: its stack file's settings as of the last run (None: there was none), and the root that it had signed."""

    config: Mapping[str, Any] | None = None
    root: str = ""


@dataclass(frozen=True)
class SiteState:
    """One site in a roll-out. `why` says what went wrong, and which leaf."""

    phase: Phase = Phase.WAITING
    before: Before = field(default_factory=Before)
    root: str = ""
    why: str = ""

    @property
    def moved(self) -> bool:
        """Whether the change may have reached it."""
        return self.phase in {Phase.MOVING, Phase.DONE, Phase.FAILED}


@dataclass(frozen=True)
class Rollout:
    """A roll-out. `expected` is the root that every site must have; empty until the canary's is known."""

    rings: tuple[Ring, ...]
    sites: Mapping[str, SiteState]
    expected: str = ""

    @staticmethod
    def of(made: Sequence[Ring], expected: str = "") -> Rollout:
        """Return one that has not begun."""
        return Rollout(tuple(made), {site: SiteState() for ring in made for site in ring}, expected)

    @property
    def canary(self) -> str:
        """The site that goes first, and to which the others are held."""
        return self.rings[0][0]

    @property
    def complete(self) -> bool:
        return all(state.phase is Phase.DONE for state in self.sites.values())

    @property
    def failed(self) -> list[str]:
        return [name for name, state in self.sites.items() if state.phase is Phase.FAILED]

    @property
    def moved(self) -> list[str]:
        """The sites that the change may have reached, the last ones first."""
        return [name for ring in reversed(self.rings) for name in reversed(ring) if self.sites[name].moved]

    def next_ring(self) -> tuple[int, list[str]] | None:
        """Return the number of the first ring with sites that are not done, from 1, and those sites; None when there is none."""
        for number, ring in enumerate(self.rings, 1):
            left = [name for name in ring if self.sites[name].phase is not Phase.DONE]
            if left:
                return number, left
        return None

    def with_site(self, name: str, **changes: Any) -> Rollout:
        """Return the same with one site changed."""
        return replace(self, sites={**self.sites, name: replace(self.sites[name], **changes)})


class Record:
    """The roll-out's file, for the one process that works on it. Safe to use from several threads; each change is on disk before the call returns."""

    def __init__(self, file: Path) -> None:
        self.file, self._lock = file, Lock()
        self._last: Rollout | None = None

    def load(self) -> Rollout | None:
        """Return what is recorded, or None. Raises LocalError when the file cannot be read."""
        if self._last is None:
            try:
                self._last = _read(json.loads(self.file.read_text(encoding="utf-8")))
            except FileNotFoundError:
                return None
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise LocalError(f"{self.file}: is no record of a roll-out ({error})", "Delete it to forget the roll-out.") from error
        return self._last

    def known(self) -> Rollout:
        """Return what is recorded. Raises LocalError when there is nothing."""
        found = self.load()
        if found is None:
            raise LocalError("no roll-out is recorded", "Begin one with `commonweal fleet roll`.")
        return found

    def save(self, rollout: Rollout) -> None:
        """Write a roll-out down."""
        with self._lock:
            self._write(rollout)

    def change(self, name: str, **changes: Any) -> Rollout:
        """Change one site, and return the roll-out."""
        with self._lock:
            return self._write(self.known().with_site(name, **changes))

    def expect(self, root: str) -> Rollout:
        """Set the root that every site must have."""
        with self._lock:
            return self._write(replace(self.known(), expected=root))

    def _write(self, rollout: Rollout) -> Rollout:
        sites = {name: {"phase": s.phase, "before": vars(s.before), "root": s.root, "why": s.why} for name, s in rollout.sites.items()}
        document = {"rings": rollout.rings, "expected": rollout.expected, "sites": sites}
        paths.write(self.file, json.dumps(document) + "\n", mode=0o600)
        self._last = rollout
        return rollout


def _read(found: Mapping[str, Any]) -> Rollout:
    sites = {
        name: SiteState(Phase(each["phase"]), Before(**each["before"]), each["root"], each["why"]) for name, each in found["sites"].items()
    }
    return Rollout(tuple(tuple(ring) for ring in found["rings"]), sites, found["expected"])
