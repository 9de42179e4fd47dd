"""All kinds together: what a change asks for, what an object shall own, and what its status says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy, namespace_of
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, STORE_PLAN, STORE_REPORT
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.client import Api
from commonweal_kube.objects import Change, Record
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired import Child, department_children
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.engine.apply import Problem
from commonweal_operator.kinds import consent_policy, data_product, department, model_service
from commonweal_operator.kinds.conditions import all_of, conditions, status_of
from commonweal_operator.kinds.exports import Exports, exported
from commonweal_operator.kinds.keys import DepartmentKeys
from commonweal_operator.kinds.reading import MODELS, collection_of, department_of, path_of
from commonweal_operator.kinds.world import World

Wish = tuple[Key, Priority]
# Children whose state shows in the status of the department's objects, not only in its own.
_TELLING = ("Service", "PersistentVolumeClaim")
_REPORTS = (("ConfigMap", STORE_REPORT), ("ConfigMap", MODEL_REPORT))
# What models wait for in the objects that they depend on.
_AWAITED = (ConditionType.READY, ConditionType.SERVING, ConditionType.ENFORCED)


class KindRules:
    """The rules of the four kinds, over one world."""

    def __init__(self, world: World, keys: DepartmentKeys) -> None:
        self.world, self._keys, self._exports = world, keys, Exports(world)

    def collections(self) -> Mapping[str, str]:
        """Return the collection path of each kind, over all namespaces."""
        return {kind: collection_of(kind) for kind in MODELS}

    def path(self, key: Key) -> str:
        """Return the object's path."""
        return path_of(key)

    def changed(self, change: Change) -> Iterator[Wish]:
        """Return what a change asks for: the object itself, its department, and whoever depends on it."""
        self.world.take(change)
        if change.new is None:
            self._exports.forget(change.key)
        old, new = change.old, change.new
        if old is not None and new is not None and (old.uid, old.generation, old.deleting) == (new.uid, new.generation, new.deleting):
            yield change.key, Priority.DRIFT
            if any(status_of(old.status, t, old.generation) != status_of(new.status, t, new.generation) for t in _AWAITED):
                yield from ((m.key, Priority.DRIFT) for m in self.world.models_reading(department_of(change.key.tenant)))
            if old.status.get("keys") != new.status.get("keys"):
                yield from self._signed_by(change.key)
            return
        urgency = _urgency(change)
        for key in (change.key, _department_key(department_of(change.key.tenant))):
            yield key, urgency
        for key in self._dependents(change):
            yield key, urgency if key.kind == "Department" else Priority.SPEC

    def child_changed(self, kind: str, namespace: str, name: str) -> Iterator[Wish]:
        """Return what a change of a child asks for."""
        source = exported(namespace, name) if kind == "ConfigMap" else None
        if source is not None:
            yield source, Priority.DRIFT
            return
        tenant = name if kind == "Namespace" else namespace
        if self.world.department(department_of(tenant)) is None:
            return
        yield _department_key(department_of(tenant)), Priority.DRIFT
        if kind in _TELLING or (kind, name) in _REPORTS:
            for other in ("DataProduct", "ConsentPolicy", "ModelService"):
                yield from ((record.key, Priority.DRIFT) for record in self.world.objects.of(other, tenant))

    def children(self, key: Key, now: datetime) -> Sequence[Child]:
        """Return what the object shall own. A department whose signing key is not known gets all but its store's plan, which names the key.

        One that arrives from another site gets no plan at all: what its store holds is not the department's yet, and a plan that was there stays.
        """
        if key.kind != "Department":
            return self._exports.of(key, now)
        record = self.world.department(key.name)
        if record is None:
            return ()
        inputs = department.gather(record, self.world, now, self._keys.public(record.uid))
        found = department_children(inputs, self.world.platform)
        if record.arriving:
            return [c for c in found if c.name not in (STORE_PLAN, MODEL_PLAN)]
        return found if inputs.store.signing is not None else [c for c in found if not c.remembered]

    def whole(self, key: Key) -> bool:
        """Return whether `children` names all that the object shall own; if not, it does so after `prepare`."""
        record = self.world.department(key.name) if key.kind == "Department" else None
        return record is None or (self._keys.public(record.uid) or self.world.agreement_key(key.name)) is not None

    def look_again(self) -> None:
        """Have the departments' keys looked for again: Secrets are not watched."""
        self._keys.forget()

    async def prepare(self, key: Key, api: Api) -> Problem | None:
        """Make the department's keys, once; those of one that arrives are brought."""
        record = self.world.department(key.name) if key.kind == "Department" else None
        return await self._keys.ensure(Owner(key.name, record.uid), api, make=not record.arriving) if record is not None else None

    def status(self, key: Key, now: datetime, problems: Sequence[Problem]) -> Mapping[str, Any] | None:
        """Return the status without its times."""
        record = self.world.objects.get(key)
        if record is None or record.deleting:
            return None
        if record.parsed is None:
            return _closed(record, Reason.INVALID_SPEC, record.invalid)
        if key.kind == "Department":
            return department.status(record, self.world, problems, self._keys.public(record.uid))
        if self.world.department_of(key) is None:
            return _closed(record, Reason.DEPARTMENT_NOT_READY, f"metadata.namespace: {key.tenant} is no department's namespace.")
        if key.kind == "DataProduct":
            return data_product.status(record, self.world, now)
        if key.kind == "ConsentPolicy":
            return consent_policy.status(record, self.world, now)
        return model_service.status(record, self.world, now)

    def wake_at(self, key: Key, now: datetime) -> datetime | None:
        """Return when an agreement begins or ends, or an earlier version of a product ends."""
        record = self.world.objects.get(key)
        if record is None or record.parsed is None:
            return None
        if key.kind == "Department":
            return department.next_moment(record, self.world, now)
        if key.kind == "DataProduct":
            return department.next_moment_of_product(record, self.world, now)
        return consent_policy.next_boundary(record, now) if key.kind == "ConsentPolicy" else None

    def _signed_by(self, key: Key) -> Iterator[Wish]:
        """Return whom another key of a department concerns: the agreements that it has signed, and the plans in which they stand."""
        own = self.world.objects.of("ConsentPolicy", key.tenant)
        for record in [*own, *self.world.agreements_for(key.name)]:
            yield record.key, Priority.REVOCATION
            yield _department_key(department_of(record.key.tenant)), Priority.REVOCATION
            for other in _counterparts(record):
                yield _department_key(other), Priority.REVOCATION

    def _dependents(self, change: Change) -> Iterator[Key]:
        kind, tenant = change.key.kind, change.key.tenant
        own = department_of(tenant)
        if kind == "Department":
            for other in ("DataProduct", "ConsentPolicy", "ModelService"):
                yield from (r.key for r in self.world.objects.of(other, tenant))
            for agreement in self.world.agreements_for(own):
                yield from (agreement.key, _department_key(department_of(agreement.key.tenant)))
        elif kind == "DataProduct":
            yield from (r.key for r in self.world.objects.of("ConsentPolicy", tenant))
        for record in (change.old, change.new):
            if record is not None and isinstance(record.parsed, ConsentPolicy):
                yield Key(tenant, "DataProduct", record.parsed.spec.product.name)  # whose next contract it may hold back
            yield from (_department_key(name) for name in _counterparts(record))
        if kind != "ModelService":
            yield from (m.key for m in self.world.models_reading(own))


def _counterparts(record: Record | None) -> set[str]:
    """Return the other departments whose network rules an object bears on."""
    if record is None or record.parsed is None:
        return set()
    if record.key.kind == "ConsentPolicy":
        return {record.parsed.spec.consumer.department}
    if record.key.kind == "ModelService":
        return {c.department for c in record.parsed.spec.callers}
    return set()


def _department_key(name: str) -> Key:
    return Key(namespace_of(name), "Department", name)


def _urgency(change: Change) -> Priority:
    """Return REVOCATION when anything may be taken away: an agreement or a product goes, narrows, or can no longer be read."""
    old, new = change.old, change.new
    if old is None or old.parsed is None:
        return Priority.SPEC
    if new is None or new.deleting or new.parsed is None or new.uid != old.uid:
        return Priority.REVOCATION
    if isinstance(old.parsed, ConsentPolicy):
        return Priority.REVOCATION if consent_policy.narrowed(old.parsed, new.parsed) else Priority.SPEC
    return Priority.SPEC


def _closed(record: Record, reason: Reason, detail: str) -> dict[str, Any]:
    found = conditions(all_of(record.key.kind, reason, detail), record.generation)
    return dict(record.status) | {"observedGeneration": record.generation, "conditions": found}
