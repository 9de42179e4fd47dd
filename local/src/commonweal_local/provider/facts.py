"""What is known when one Cluster is decided about: its objects, its site, and the machine. Plain values, gathered elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from commonweal_local.provider.kinds import Seen

SHARED_SITE = "fleetshared"
GIB_PER_NODE = 8


class Mode(StrEnum):
    """What stands behind a Cluster, as the API says it."""

    PODS = "Pods"
    CONTROL_PLANE = "ControlPlane"
    SHARED = "Shared"


@dataclass(frozen=True)
class Site:
    """A local site as it was last seen.

    It is `serving` since its API server first answered, and `ready` when the rest is there: a node that takes pods, names, enforced policies, volumes
    and images. Until then no pod but the add-ons' is placed. `reached` is the revision of its file that it runs by; `step` what it is replacing now.
    `blueprint` is the revision whose settings it has, "" for one that says none; `takes_blueprint` is False for one that was started by a program
    that knew of none. `stranger` says who has a port of the site that does not answer.
    """

    name: str
    cluster: str
    mode: Mode
    running: bool
    serving: bool
    ready: bool
    answers: bool
    version: str
    nodes: int | None
    size: int
    kubernetes: str
    revision: int
    reached: int
    step: str
    stage: str
    error: str
    change_error: str
    host: str
    port: int
    pods: str
    services: str
    digest: str
    blueprint: str = ""
    takes_blueprint: bool = True
    stranger: str = ""
    requested_mib: int = 0

    @property
    def changing(self) -> bool:
        return self.running and self.reached != self.revision and not self.change_error


@dataclass(frozen=True)
class Machine:
    """What this machine could still carry. `obstacle` says who has the address that the site must have; "" when nobody has, or any will do."""

    root: bool
    free_gib: float
    available_mib: int
    memory_mib: int
    free_places: int
    obstacle: str = ""


@dataclass(frozen=True)
class Problem:
    """Why something is not as asked; the message names the field and the remedy."""

    reason: str
    message: str


@dataclass(frozen=True)
class Facts:
    """Everything that a decision depends on.

    `wanted_version` is the version that the site is to run: the Cluster's own, or in mode Shared the oldest that any Cluster of that mode asks for.
    `wanted_blueprint` is, in the same way, the revision whose settings it is to have.
    `machine` is known only when a site would have to be started. `failure` is what the last attempt at a step ended with, and `wait` the seconds
    before the next start may be tried. `introduced` is whether the sites know each other's names, as far as there are others.
    """

    name: str
    namespace: str
    cluster: Seen | None
    infra: Seen | None
    plane: Seen | None
    secret: Seen | None
    site: Site | None
    mode: Mode
    wanted_version: str
    wanted_blueprint: str
    known: tuple[str, ...]
    others: int = 0
    machine: Machine | None = None
    failure: Problem | None = None
    wait: float = 0.0
    introduced: bool = True

    @property
    def owner(self) -> str:
        """What the site's file says when it is this Cluster's."""
        return f"{self.namespace}/*" if self.mode is Mode.SHARED else f"{self.namespace}/{self.name}"

    @property
    def nodes(self) -> int | None:
        """The size that is asked for; None where none is, or where it does not apply."""
        asked = self.plane.spec.get("nodes") if self.plane else None
        return None if asked is None or self.mode is Mode.SHARED else int(asked)
