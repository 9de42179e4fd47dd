"""The provider's writes: finalizers, endpoint, Secret, status. Each replaces only the version that was read, and gives back what the server has then."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from commonweal_kube.client import Api
from commonweal_kube.objects import ObjectCache
from commonweal_kube.protocol import APPLY, MERGE, METADATA
from commonweal_kube.queue import Key
from commonweal_kube.status import same, stamped
from commonweal_local.provider.kinds import DIGEST, FINALIZER, GROUP, VERSION, Kind, Seen, path_of
from commonweal_stacks.fleet_names import CLUSTER_NAME_LABEL, KUBECONFIG_KEY, kubeconfig_secret
from commonweal_stacks.fleet_names import GROUP as CLUSTER_API

MANAGER = "commonweal-local"


class Writes:
    """Writes through one client; what comes back is handed to `took`, so that the next decision sees it at once."""

    def __init__(self, api: Api, objects: ObjectCache, took: Callable[[Mapping[str, Any]], None]) -> None:
        self._api, self._objects, self._took = api, objects, took
        self.statuses = 0

    async def hold(self, seen: Seen) -> None:
        """Put our finalizer on."""
        await self._patch(seen, {"metadata": {"finalizers": [*seen.finalizers, FINALIZER]}})

    async def release(self, seen: Seen) -> None:
        """Take our finalizer off; the object goes when it was the last."""
        await self._patch(seen, {"metadata": {"finalizers": [name for name in seen.finalizers if name != FINALIZER]}})

    async def endpoint(self, seen: Seen, host: str, port: int) -> None:
        """Say where the site's API server listens."""
        await self._patch(seen, {"spec": {"controlPlaneEndpoint": {"host": host, "port": port}}})

    async def secret(self, plane: Seen, kubeconfig: bytes) -> None:
        """Write the kubeconfig as the contract has it: by name, type, label, and owned by the control plane."""
        owner = {"apiVersion": f"{GROUP}/{VERSION}", "kind": Kind.PLANE.value, "name": plane.name, "uid": plane.uid, "controller": True}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": f"{CLUSTER_API}/secret",
            "metadata": {
                "name": kubeconfig_secret(plane.cluster),
                "namespace": plane.namespace,
                "labels": {CLUSTER_NAME_LABEL: plane.cluster},
                "annotations": {DIGEST: hashlib.sha256(kubeconfig).hexdigest()},
                "ownerReferences": [owner],
            },
            "data": {KUBECONFIG_KEY: base64.b64encode(kubeconfig).decode()},
        }
        path = path_of(Kind.SECRET, plane.namespace, kubeconfig_secret(plane.cluster))
        reply = await self._api.call(
            "PATCH", f"{path}?fieldManager={MANAGER}&force=true", orjson.dumps(body), content=APPLY, accept=METADATA
        )
        self._took(reply | {"kind": Kind.SECRET.value})

    async def status(self, seen: Seen, status: Mapping[str, Any] | None, now: datetime) -> None:
        """Write the status if it says anything else than the last one."""
        if status is None or same(seen.status, status):
            return
        body = {"metadata": {"uid": seen.uid}, "status": stamped(seen.status, status, now)}
        await self._send(seen, body, "/status")
        self.statuses += 1

    async def _patch(self, seen: Seen, body: Mapping[str, Any]) -> None:
        record = self._objects.get(Key(seen.namespace, seen.kind.value, seen.name))
        if record is None:
            return
        meta = {**body.get("metadata", {}), "uid": seen.uid, "resourceVersion": str(record.version)}
        await self._send(seen, {**body, "metadata": meta})

    async def _send(self, seen: Seen, body: Mapping[str, Any], sub: str = "") -> None:
        reply = await self._api.call("PATCH", f"{seen.path}{sub}?fieldManager={MANAGER}", orjson.dumps(body), content=MERGE)
        self._took(reply)
