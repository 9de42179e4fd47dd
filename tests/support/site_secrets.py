"""As much of an API server as Secrets need."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson

from commonweal_kube.exceptions import ApiError

SYSTEM = "/api/v1/namespaces/commonweal-system"


class SiteSecrets:
    """A cluster with the two Secrets of a site; what is applied lies in `objects` by its path, and is counted in `written`."""

    def __init__(self, master: bytes, authority: bytes) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.written: list[str] = []
        self.secret("sectors", "master", master)
        self.secret("authority", "authority", authority)

    def secret(self, name: str, key: str, content: bytes) -> None:
        self.objects[f"{SYSTEM}/secrets/commonweal-{name}"] = {"data": {key: b64encode(content.hex().encode()).decode()}}

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        assert (method, body) == ("GET", None)
        if path not in self.objects:
            raise ApiError(404, {"message": f"{path} not found"})
        return self.objects[path]

    async def apply(self, path: str, body: bytes) -> dict[str, Any]:
        made = orjson.loads(body)
        made["metadata"]["uid"] = "s"
        self.objects[path] = made
        self.written.append(path)
        return made
