"""The engine over a stand-in for the client that answers every write, for tests that play its passes by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from commonweal_kube.client import FIELD_MANAGER
from commonweal_kube.objects import ObjectCache
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.platform import Images, PlatformConfig
from commonweal_operator.engine.core import Engine
from commonweal_operator.engine.keys import DepartmentKeys, KeysWanted
from commonweal_operator.kinds.reading import key_of, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.view import ClusterView
from support.signing import key_of as signing_key

TENANT = "dept-tax"
DEPARTMENT, PRODUCT = Key(TENANT, "Department", "tax"), Key(TENANT, "DataProduct", "people")
OWNER = Owner("tax", "u-tax")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def department(version: int, generation: int = 1, **spec: Any) -> dict[str, Any]:
    meta = {"name": "tax", "uid": "u-tax", "resourceVersion": str(version), "generation": generation}
    body = {"displayName": "Tax", "contact": "mailto:data@tax.example"} | spec
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": meta, "spec": body}


def product(version: int, generation: int = 1, **spec: Any) -> dict[str, Any]:
    meta = {"name": "people", "namespace": TENANT, "uid": "u-people", "resourceVersion": str(version), "generation": generation}
    source = {"postgres": {"host": "db", "database": "d", "table": "t", "credentials": {"name": "login"}}}
    body = {"title": "People", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": "ref"}}
    fields = [{"name": "name", "column": "name", "type": "String"}]
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": "DataProduct", "metadata": meta, "spec": body | {"fields": fields} | spec}


class Server:
    """Answers applies with the applied metadata, and status patches with the object that `stored` returns."""

    def __init__(self, stored: Callable[[int, Mapping[str, Any]], dict[str, Any]] | None = None) -> None:
        self.version, self.writes, self._stored = 100, [], stored
        self.present: dict[str, dict[str, Any]] = {}
        self.listed: dict[str, list[dict[str, Any]]] = {}

    async def apply(self, path: str, body: bytes) -> dict[str, Any]:
        self.version += 1
        self.writes.append(path)
        meta = orjson.loads(body)["metadata"]
        managed = [{"manager": FIELD_MANAGER, "operation": "Apply"}]
        return {"metadata": {"uid": path, "managedFields": managed} | meta | {"resourceVersion": str(self.version)}}

    async def create(self, path: str, body: bytes) -> dict[str, Any]:
        return await self.apply(f"{path}/{orjson.loads(body)['metadata']['name']}", body)

    async def pages(self, path: str, *_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"metadata": {"resourceVersion": str(self.version)}, "items": self.listed.get(path, [])}

    async def metadata(self, path: str) -> dict[str, Any] | None:
        return self.present.get(path)

    async def call(self, method: str, path: str, body: bytes | None = None, **_: Any) -> dict[str, Any]:
        if path.endswith("/secrets/commonweal-sectors"):
            raise AssertionError("keys are not made here")
        self.version += 1
        self.writes.append(path)
        return self._stored(self.version, orjson.loads(body or b"{}")) if self._stored else {}


class Keys(DepartmentKeys):
    async def ensure(self, wanted: KeysWanted, api: Any) -> None:
        """Nothing is made here, for tests of the keys have a file of their own; but the public half is known from now on."""
        self._public[wanted.owner.uid] = signing_key("tax")

    async def certify(self, wanted: KeysWanted, api: Any) -> None:
        """Keep which certificates are asked for without keys: those of a department whose pass is hindered."""
        self.certified = [one.name for one in wanted.certificates]


def engine(server: Server) -> Engine[Any]:
    platform = PlatformConfig(images=Images(runtime="r", store="s"))
    objects = ObjectCache(key_of, read)
    keys = Keys(platform)
    view = ClusterView(objects, platform, keys)
    made = Engine(server, server, objects, KindRules(view), keys, now=lambda: NOW)  # type: ignore[arg-type]
    view.attach(made.children)
    return made


def observe(e: Engine[Any], event: str | None, body: dict[str, Any]) -> None:
    e.observe(event, body, key_of(body))


def drain(e: Engine[Any], worst: Priority = Priority.RESYNC) -> dict[Key, Priority]:
    taken = {}
    while (found := e.queue.take(worst)) is not None:
        taken[found[0]] = found[1]
        e.queue.done(found[0])
    return taken
