"""Handlers that do one thing: hand the event on."""

from __future__ import annotations

from typing import Any

import kopf

from commonweal_api import GROUP, KINDS, VERSION
from commonweal_kube.client import new_session
from commonweal_kube.cluster import Cluster
from commonweal_operator.engine.core import Engine
from commonweal_operator.kinds.reading import key_of

WATCH_CONNECTIONS = 8


def registry_for(engine: Engine[Any], cluster: Cluster) -> kopf.OperatorRegistry:
    """Return the registry with one login and one event handler per kind."""
    registry = kopf.OperatorRegistry()

    async def login(**_: Any) -> kopf.AiohttpSession:
        # A session of kopf's own: it closes what it is given, and watches must never take a connection from a write.
        session = new_session(cluster, WATCH_CONNECTIONS, "commonweal-operator-watch")
        return kopf.AiohttpSession(server=cluster.url, default_namespace="default", aiohttp_session=session)

    async def hand_on(event: Any, **_: Any) -> None:
        body = event["object"]
        engine.observe(event["type"], body, key_of(body))

    kopf.on.login(registry=registry)(login)
    for kind in KINDS:
        kopf.on.event(GROUP, VERSION, kind.plural, registry=registry)(hand_on)
    return registry
