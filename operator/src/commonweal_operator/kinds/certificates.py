"""Which certificates a department's workloads need now, and when that changes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from commonweal_operator.desired.certificates import Wanted, awaited_until, term
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES
from commonweal_operator.desired.web import DATA_API, MODELS
from commonweal_operator.engine.observed import ServiceAddress

SERVICES = (DATA_API, MODELS)


@dataclass(frozen=True, slots=True)
class Exposed:
    """A Service of the department in the platform's namespace; `address` is None until it has been seen."""

    service: str
    address: ServiceAddress | None


def wanted(owner: Owner, platform: PlatformConfig, exposed: tuple[Exposed, ...], now: datetime, *, volumes: bool) -> tuple[Wanted, ...]:
    """Return the certificates that shall be there. One that waits for its load balancer's address is left out for a moment."""
    found = [_wanted(owner.ours, each.service, now, _text(each)) for each in exposed if _awaited(each, platform, now) is None]
    return (*found, *([_wanted(owner.own, VOLUMES, now)] if volumes else []))


def next_moment(owner: Owner, platform: PlatformConfig, exposed: tuple[Exposed, ...], now: datetime) -> datetime | None:
    """Return when the next certificate is due, or is no longer waited with."""
    return min(_moments(owner, platform, exposed, now), default=None)


def _moments(owner: Owner, platform: PlatformConfig, exposed: tuple[Exposed, ...], now: datetime) -> Iterator[datetime]:
    for each in exposed:
        awaited = _awaited(each, platform, now)
        if awaited is not None:
            yield awaited
        elif not platform.issuer_ref.name:
            yield _wanted(owner.ours, each.service, now).term.next


def _awaited(exposed: Exposed, platform: PlatformConfig, now: datetime) -> datetime | None:
    """Return until when the address of a Service is waited for; None when it is not. One that was not seen yet counts as made now."""
    return awaited_until(platform, _text(exposed), exposed.address.made if exposed.address is not None else now, now)


def _text(exposed: Exposed) -> str:
    return exposed.address.text if exposed.address is not None else ""


def _wanted(owner: Owner, service: str, now: datetime, address: str = "") -> Wanted:
    return Wanted(service, owner.namespace, term(now, f"{owner.namespace}/{service}"), address, owner)
