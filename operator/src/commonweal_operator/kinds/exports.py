"""The documents made from products and agreements. Made anew only when something in them can have changed: rendering is dear, and most passes change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.exports import agreement_files, cedar_policy, cedar_schema, product_files
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_operator.desired import exports
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.kinds import consent_policy, offer
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.world import World

_OBJECT_OF = {exports.CONTRACT: "DataProduct", exports.AGREEMENT: "ConsentPolicy"}


def exported(namespace: str, name: str) -> Key | None:
    """Return the object that a ConfigMap of this name is made from, or None when it is no export."""
    return next((Key(namespace, kind, name.removeprefix(p)) for p, kind in _OBJECT_OF.items() if name.startswith(p)), None)


class Exports:
    """Makes the documents, and remembers what they were made from."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[Key, tuple[tuple[Any, ...], Child]] = {}

    def of(self, key: Key, now: datetime) -> Sequence[Child]:
        """Return what the object shall own: one ConfigMap, or nothing while it does not parse or has no department."""
        record = self._world.objects.get(key)
        if record is None or record.parsed is None or record.deleting or self._world.department_of(key) is None:
            return ()
        if key.kind == "DataProduct":
            return [self._contract(record, now)]
        return self._agreement(record, now) if key.kind == "ConsentPolicy" else ()

    def forget(self, key: Key) -> None:
        """Forget an object that is gone."""
        self._made.pop(key, None)

    def _contract(self, record: Record, now: datetime) -> Child:
        holds = offer.in_force(record, self._world, now).plan
        endpoint = f"{self._world.base_url('data-api', record.key.tenant)}/v1/{record.key.name}"
        sources = (record.uid, holds.generation, endpoint)
        if (had := self._known(record.key, sources)) is not None:
            return had
        product: DataProduct = record.parsed.model_copy(update={"spec": holds.spec})
        files = product_files(product, department_of(record.key.tenant), endpoint=endpoint)
        return self._keep(record.key, sources, exports.contract(_owner(record), files))

    def _agreement(self, record: Record, now: datetime) -> Sequence[Child]:
        policy: ConsentPolicy = record.parsed
        product = self._world.product(record.key.tenant, policy.spec.product.name)
        provider = department_of(record.key.tenant)
        if product is None or product.parsed is None or product.deleting:
            # What was said while there was a product must not stand on: it may say that something is open.
            closed = {"policy.cedar": cedar_policy(policy, provider, opens=False), "schema.cedarschema": cedar_schema()}
            return [exports.agreement(_owner(record), closed)]
        holds = offer.in_force(product, self._world, now).plan
        opens = consent_policy.enforceable(record, self._world, now)
        number = record.status.get("agreement")
        names = {
            name: d.parsed.spec.display_name for name in (provider, policy.spec.consumer.department) if (d := self._world.department(name))
        }
        sources = (record.uid, record.generation, product.uid, holds.generation, opens, number, tuple(names.items()))
        if (had := self._known(record.key, sources)) is not None:
            return [had]
        served: DataProduct = product.parsed.model_copy(update={"spec": holds.spec})
        files = agreement_files(policy, provider, served, number=number, opens=opens, display_names=names)
        return [self._keep(record.key, sources, exports.agreement(_owner(record), files))]

    def _known(self, key: Key, sources: tuple[Any, ...]) -> Child | None:
        had = self._made.get(key)
        return had[1] if had is not None and had[0] == sources else None

    def _keep(self, key: Key, sources: tuple[Any, ...], made: Child) -> Child:
        self._made[key] = (sources, made)
        return made


def _owner(record: Record) -> Owner:
    return Owner(department_of(record.key.tenant), record.uid, record.key.kind, record.key.name)
