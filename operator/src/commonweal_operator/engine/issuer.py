"""What the platform's own namespace needs: which authority everybody trusts, and what the small issuer of people holds and presents. No watch tells of it, so it is looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from commonweal_api.people_issuer import held
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_operator.desired.certificates import Wanted, awaited_until, believed, term
from commonweal_operator.desired.issuer import issuer_secret, known
from commonweal_operator.desired.manifest import RESOURCES
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.certificates import Caller, Certificates, put, there
from commonweal_operator.engine.master import master_key
from commonweal_operator.engine.observed import address

SERVICE = "identity"
SECONDS, SOON, PRESENTLY = 20.0, 1.0, 5.0

log = logging.getLogger(__name__)


class Pause(Protocol):
    """What waits."""

    def __call__(self, seconds: float, /) -> Awaitable[None]: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class IssuerKeeper:
    """Keeps all of it as it is to be, in the namespace of the release. `departments` are those of this site, to which people are named."""

    def __init__(
        self,
        platform: PlatformConfig,
        departments: Callable[[], frozenset[str]],
        now: Callable[[], datetime] = _utc_now,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._platform, self._departments, self._now, self._pause = platform, departments, now, pause
        self._certificates = Certificates(platform)

    async def keep(self, api: Caller) -> None:
        """Look, and correct what is not so, until cancelled: at times, and at once when there is another department."""
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
        service, now = await there(RESOURCES["Service"].path(namespace, SERVICE), api), self._now()
        if service is not None:
            problem = await self._held(api) or problem
            found = address(service)
            if awaited_until(self._platform, found.text, found.made, now) is not None:
                return SOON
            self._certificates.invalidate()
            one = Wanted(SERVICE, namespace, term(now, f"{namespace}/{SERVICE}"), found.text)
            problem = await self._certificates.ensure([one], api) or problem
        if problem is not None:
            log.warning("%s", problem.message)
        return SECONDS if service is not None else PRESENTLY

    async def _held(self, api: Caller) -> Problem | None:
        """Have the issuer's Secret hold the ids of those who may sign in, for the departments that there are."""
        master = await master_key(api, self._platform)
        if isinstance(master, Problem):
            return master
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
        made = held(master, found.roots, self._departments(), found.clients)
        problem = await put(issuer_secret(namespace, made), api, "")
        if problem is None and made.left_out:
            text = (
                f"Secret {name}: {made.left_out} people find no room and cannot sign in. The small issuer is for trials; name another one."
            )
            return Problem("Secret", name, "Refused", text)
        return problem
