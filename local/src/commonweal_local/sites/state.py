"""What a site is doing, as a person or a program wants to know it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_local.sites import pki, processes
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.site import Site

NOTHING: Mapping[str, Any] = {"format": 0, "marks": {}, "error": "", "components": {}, "change": {"revision": 0, "step": "", "error": ""}}


@dataclass(frozen=True)
class Component:
    """One program of a site; `pid` is the host's number of it, None while it is down."""

    pid: int | None
    restarts: int
    memory_mib: int


@dataclass(frozen=True)
class Status:
    """A site now. `ready` is asked of its API server; `seconds_to_ready` is None until it was ready once since its start."""

    name: str
    mode: str
    server: str
    kubeconfig: Path
    running: bool
    ready: bool
    error: str
    seconds_to_ready: float | None
    processes: int
    memory_mib: int
    components: Mapping[str, Component] = field(default_factory=dict)
    certificates: str = ""

    def document(self) -> dict[str, Any]:
        """For JSON."""
        parts = {name: vars(component) for name, component in self.components.items()}
        return {**vars(self), "kubeconfig": str(self.kubeconfig), "components": parts}


def recorded(site: Site) -> dict[str, Any]:
    """What the site's supervisor last wrote: `format`, `marks`, `error`, `components`, `change`; empty ones before it wrote anything."""
    try:
        return {**NOTHING, **json.loads((site.directory / "state.json").read_text())}
    except (OSError, ValueError):
        return dict(NOTHING)


def status_of(site: Site) -> Status:
    members = processes.members(site)
    state = recorded(site)
    host_pid = {inside: pid for pid, inside in members.items()}
    ready, error = _ready(site) if members else (False, "")
    return Status(
        name=site.name,
        mode=site.mode.value,
        server=site.server,
        kubeconfig=site.kubeconfig,
        running=bool(members),
        ready=ready and "ready" in state["marks"],
        error=state["error"] or error,
        seconds_to_ready=state["marks"].get("ready"),
        processes=len(members),
        memory_mib=processes.memory_mib(members),
        certificates=pki.outlook(site, dt.datetime.now(dt.UTC))[0],
        components={name: _component(kept, host_pid.get(kept["pid"])) for name, kept in state["components"].items()},
    )


def _component(kept: Mapping[str, int], pid: int | None) -> Component:
    return Component(pid=pid, restarts=kept["restarts"], memory_mib=processes.memory_mib([pid] if pid else []))


def _ready(site: Site) -> tuple[bool, str]:
    try:
        return Api(site).nodes_ready(), ""
    except Unreachable as error:
        return False, f"the API server does not answer: {error}"
