"""What the platform's own namespace needs: which authority everybody trusts, and what the small issuer of people, its store and the portal hold and present. No watch tells of it, so it is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from commonweal_api.directory import Listed, directory
from commonweal_api.people_issuer import NAME, PORTAL_NAME, STORE_NAME, held, held_by_portal, held_by_store
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_operator.desired.certificates import Wanted, awaited_until, believed, term
from commonweal_operator.desired.issuer import (
    DIRECTORY,
    IDENTITY_SERVICE,
    PORTAL_SERVICE,
    STORE_SERVICE,
    known,
    listed_in,
    opaque,
)
from commonweal_operator.desired.manifest import RESOURCES
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.certificates import Caller, Certificates, put, there
from commonweal_operator.engine.master import master_key
from commonweal_operator.engine.observed import address

SECONDS, SOON, PRESENTLY = 20.0, 1.0, 5.0

log = logging.getLogger(__name__)


class Pause(Protocol):
    """What waits."""

    def __call__(self, seconds: float, /) -> Awaitable[None]: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class IssuerKeeper:
    """Keeps all of it as it is to be, in the namespace of the release. `departments` are those of this site, to which people are named and which the directory lists."""

    def __init__(
        self,
        platform: PlatformConfig,
        departments: Callable[[], frozenset[Listed]],
        now: Callable[[], datetime] = _utc_now,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._platform, self._departments, self._now, self._pause = platform, departments, now, pause
        self._certificates = Certificates(platform)

    async def keep(self, api: Caller) -> None:
        """Look, and correct what is not so, until cancelled: at times, and at once when a department came, went or says something else of itself."""
        while True:
            known = self._departments()
            try:
                seconds = await self.mend(api)
            except (ApiError, ApiServerUnavailableError) as error:
                log.warning("what the people's issuer needs was not looked at: %s", error)
                seconds = SOON
            await self._pause(SOON)
            while (seconds := seconds - SOON) > 0 and self._departments() == known:
                await self._pause(SOON)

    async def mend(self, api: Caller) -> float:
        """Bring all of it about; return after how many seconds it is to be looked again."""
        namespace, problem = self._platform.system_namespace, None
        for child in believed(self._platform):
            problem = await put(child, api, "")
        seconds, services = [SECONDS], [IDENTITY_SERVICE, STORE_SERVICE, PORTAL_SERVICE]
        found = {name: await there(RESOURCES["Service"].path(namespace, name), api) for name in services}
        if found[IDENTITY_SERVICE] is None:
            seconds.append(PRESENTLY)
        else:
            problem = await self._held(api) or problem
        for name, service in found.items():
            if service is not None:
                waits, refused = await self._certified(name, service, api)
                seconds.append(waits)
                problem = refused or problem
        if problem is not None:
            log.warning("%s", problem.message)
        return min(seconds)

    async def _certified(self, name: str, service: Mapping[str, Any], api: Caller) -> tuple[float, Problem | None]:
        """Have a Service of the platform's own have its certificate; return when to look again, and what stands in the way."""
        namespace, now, found = self._platform.system_namespace, self._now(), address(service)
        # The store's is headless: no address of a load balancer ever comes.
        if name != STORE_SERVICE and awaited_until(self._platform, found.text, found.made, now) is not None:
            return SOON, None
        self._certificates.invalidate()
        one = Wanted(name, namespace, term(now, f"{namespace}/{name}"), found.text, names=public_names(self._platform, name))
        return SECONDS, await self._certificates.ensure([one], api)

    async def _held(self, api: Caller) -> Problem | None:
        """Have the issuer hold the ids of those who may sign in, for the departments that there are, and their directory; and its store and the portal what is theirs."""
        master = await master_key(api, self._platform)
        if isinstance(master, Problem):
            return master
        namespace, departments, problem = self._platform.system_namespace, self._departments(), None
        listed = directory(self._platform.site, departments)
        portal = [opaque(namespace, PORTAL_NAME, held_by_portal(master))] if self._platform.portal else []
        for made in (listed_in(namespace, listed.text), opaque(namespace, STORE_NAME, held_by_store(master)), *portal):
            problem = await put(made, api, "") or problem
        if listed.left_out:
            text = f"ConfigMap {DIRECTORY}: {listed.left_out} departments find no room, and people do not see them. Spread departments over more sites."
            problem = Problem("ConfigMap", DIRECTORY, "Refused", text)
        return await self._named(master, departments, api) or problem

    async def _named(self, master: bytes, departments: frozenset[Listed], api: Caller) -> Problem | None:
        name, namespace = self._platform.people_secret, self._platform.system_namespace
        try:
            found = known(await there(RESOURCES["Secret"].path(namespace, name), api))
        except ValueError:
            return Problem(
                "Secret",
                name,
                "Refused",
                f"Secret {name}: people.json or clients.json cannot be read, so no new person can sign in. Correct it.",
            )
        made = held(master, found.people, [each.name for each in departments], found.clients)
        problem = await put(opaque(namespace, NAME, made.files), api, "")
        if problem is None and made.left_out:
            text = (
                f"Secret {name}: {made.left_out} people find no room and cannot sign in. The small issuer is for trials; name another one."
            )
            return Problem("Secret", name, "Refused", text)
        return problem


def public_names(platform: PlatformConfig, service: str) -> tuple[str, ...]:
    """Return the name by which people outside know a Service of the platform's own, beside those that it has in the cluster."""
    url = {IDENTITY_SERVICE: platform.person_issuer, PORTAL_SERVICE: platform.portal}.get(service, "")
    host = urlsplit(url).hostname if url.startswith("https://") else None
    return () if host is None or host.endswith(".svc.cluster.local") else (host,)
