"""Leader election by a Lease: one replica acts, the others wait.

Whether somebody else's lease is alive is judged by how long *we* have seen it unchanged, on our own monotonic clock; the times written in it are for
people. A holder that could not renew for two thirds of the lease stops acting before anybody else may start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_operator.exceptions import LeaseLostError

log = logging.getLogger(__name__)
LEASE_SECONDS, RENEW_SECONDS, GIVE_UP_SECONDS = 15.0, 5.0, 10.0


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...


class Lease:
    """One Lease object; `identity` must differ between processes."""

    def __init__(
        self,
        api: Caller,
        namespace: str,
        identity: str,
        *,
        name: str = "commonweal-operator",
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api, self._identity, self._namespace, self._name = api, identity, namespace, name
        self._clock, self._pause = clock, pause
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._seen: tuple[str, float] = ("", clock())  # version of the other's lease, and since when it is unchanged

    async def acquire(self) -> None:
        """Return when the lease is ours."""
        while not await self._tried():
            await self._pause(RENEW_SECONDS / 2)
        log.info("holds the lease %s as %s", self._name, self._identity)

    async def keep(self) -> None:
        """Renew until cancelled; raises LeaseLostError when that failed for too long or somebody else took it."""
        renewed = self._clock()
        while True:
            await self._pause(RENEW_SECONDS)
            if await self._tried():
                renewed = self._clock()
            elif self._clock() - renewed >= GIVE_UP_SECONDS:
                raise LeaseLostError(f"lease {self._name}: not renewed for {GIVE_UP_SECONDS:.0f} s")

    async def release(self) -> None:
        """Give the lease up, so that the next replica need not wait; best effort."""
        try:
            lease = await self._api.call("GET", f"{self._collection}/{self._name}")
            if lease["spec"].get("holderIdentity") == self._identity:
                await self._write(lease, holder="")
        except (ApiError, ApiServerUnavailableError) as error:
            log.warning("lease %s not released: %s", self._name, error)

    async def _tried(self) -> bool:
        """Take or renew the lease if that is allowed; return whether it is ours now. The version is a precondition, so two cannot both succeed."""
        try:
            lease = await self._api.call("GET", f"{self._collection}/{self._name}")
            if not self._free(lease):
                return False
            await self._write(lease, holder=self._identity)
        except ApiError as error:
            return error.status == 404 and await self._created()
        except ApiServerUnavailableError:
            return False
        return True

    def _free(self, lease: dict[str, Any]) -> bool:
        holder, version, now = lease["spec"].get("holderIdentity"), lease["metadata"]["resourceVersion"], self._clock()
        if holder in (self._identity, "", None):
            return True
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] >= LEASE_SECONDS

    async def _created(self) -> bool:
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name, "namespace": self._namespace}}
        try:
            await self._api.call("POST", self._collection, orjson.dumps(body | {"spec": self._spec(self._identity, 0)}))
        except (ApiError, ApiServerUnavailableError):
            return False
        return True

    async def _write(self, lease: dict[str, Any], holder: str) -> None:
        changes = int(lease["spec"].get("leaseTransitions") or 0) + int(lease["spec"].get("holderIdentity") != holder)
        await self._api.call("PUT", f"{self._collection}/{self._name}", orjson.dumps(lease | {"spec": self._spec(holder, changes)}))

    def _spec(self, holder: str, changes: int) -> dict[str, Any]:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"holderIdentity": holder, "leaseDurationSeconds": int(LEASE_SECONDS), "renewTime": moment, "leaseTransitions": changes}
