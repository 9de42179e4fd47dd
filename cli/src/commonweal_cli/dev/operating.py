"""The operator's own engine and rules over the objects of a stack. What differs from a site stands here: addresses are of this machine, and nothing is certified.

This is the only module of `dev` that knows how the operator is put together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_cli.dev.objects import Objects
from commonweal_kube.objects import ObjectCache
from commonweal_kube.queue import Key
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.core import Engine
from commonweal_operator.engine.keys import DepartmentKeys, KeysWanted
from commonweal_operator.kinds.data_product import DataProductInput
from commonweal_operator.kinds.gather import Input
from commonweal_operator.kinds.reading import MODELS, collection_of, department_of, key_of, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.view import ClusterView

SYNTHETIC = "Its rows are made up (synthetic): its source cannot be reached from here."


@dataclass(frozen=True, slots=True)
class Addresses:
    """Who people sign in at, by which keys they are known, who vouches for services, and where a department's service listens."""

    person_issuer: str
    person_keys: Mapping[str, Any]
    client_issuer: str
    of: Callable[[str, str], str]  # service, department


class _View(ClusterView):
    addresses: Addresses

    def base_url(self, service: str, tenant: str) -> str:
        return self.addresses.of(service, department_of(tenant))


class _Keys(DepartmentKeys):
    async def certify(self, wanted: KeysWanted, api: Any) -> Problem | None:  # noqa: ARG002
        """Certify nothing: on loopback plain HTTP is spoken."""
        return None


class _Rules(KindRules):
    synthetic: Collection[tuple[str, str]] = ()

    def status(self, inputs: Input, problems: Sequence[Problem]) -> Mapping[str, Any]:
        """Return the status, which says of a product whether its rows are made up."""
        found = super().status(inputs, problems)
        if not isinstance(inputs, DataProductInput):
            return found
        key: Key = inputs.contract.record.key
        if (key.tenant, key.name) not in self.synthetic:
            return found
        told = [{**c, "message": f"{c.get('message', '')} {SYNTHETIC}".strip()} if c["type"] == "Ready" else c for c in found["conditions"]]
        return {**found, "conditions": told}


def engine_over(objects: Objects, addresses: Addresses, synthetic: Collection[tuple[str, str]]) -> Engine[Input]:
    """Return the engine, which works once `run` of it and `follow` run."""
    platform = PlatformConfig.model_validate(
        {
            "images": {"runtime": "dev", "store": "dev"},
            "client_issuer": addresses.client_issuer,
            "person_issuer": addresses.person_issuer,
            "person_embedded": True,
            "person_keys": json.dumps(addresses.person_keys),
        }
    )
    cache, keys = ObjectCache(key_of, read), _Keys(platform)
    view = _View(cache, platform, keys)
    view.addresses = addresses
    rules = _Rules(view)
    rules.synthetic = synthetic
    engine: Engine[Input] = Engine(objects, objects, cache, rules, keys, workers=4, reserved=1)  # type: ignore[arg-type] # Objects does what Api does
    view.attach(engine.children)
    return engine


async def follow(engine: Engine[Input], objects: Objects) -> None:
    """Tell the engine of each change of our kinds, until cancelled."""

    async def kind(path: str) -> None:
        async for event in objects.watch(path, "", "0"):
            engine.observe(event["type"], event["object"], key_of(event["object"]))

    async with asyncio.TaskGroup() as group:
        for name in MODELS:
            group.create_task(kind(collection_of(name)), name=f"watch-{name}")
