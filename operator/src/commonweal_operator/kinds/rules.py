"""All kinds together: what a change asks for, what an object shall own, and what its status says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy, department_at, namespace_of
from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, STORE_PLAN, STORE_REPORT
from commonweal_api.reasons import ConditionType
from commonweal_kube.objects import Change, Record
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired import Child, department_children
from commonweal_operator.desired.access import operator_access
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.plans import plans
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.keys import KeysWanted
from commonweal_operator.kinds import certificates, consent_policy, data_product, department, ending, model_service
from commonweal_operator.kinds.conditions import all_of, conditions, status_of
from commonweal_operator.kinds.consent_policy import ConsentPolicyInput
from commonweal_operator.kinds.data_product import DataProductInput
from commonweal_operator.kinds.department import DepartmentInput
from commonweal_operator.kinds.ending import EndingInput
from commonweal_operator.kinds.exports import Exports, exported
from commonweal_operator.kinds.gather import ClosedInput, Input, gather
from commonweal_operator.kinds.model_service import ModelServiceInput
from commonweal_operator.kinds.parties import counterparts
from commonweal_operator.kinds.reading import MODELS, collection_of, department_of, path_of
from commonweal_operator.kinds.view import ClusterView

Enqueue = tuple[Key, Priority]
# ChildCache whose state shows in the status of the department's objects, not only in its own.
_TELLING = ("Service", "PersistentVolumeClaim")
_REPORTS = (("ConfigMap", STORE_REPORT), ("ConfigMap", MODEL_REPORT))
# What models wait for in the objects that they depend on.
_AWAITED = (ConditionType.READY, ConditionType.SERVING, ConditionType.ENFORCED)


class KindRules:
    """The rules of the four kinds, over one view of the cluster. What a change asks for is read from the view; all else from one input per pass."""

    def __init__(self, view: ClusterView) -> None:
        self.view, self._exports = view, Exports()

    def collections(self) -> Mapping[str, str]:
        """Return the collection path of each kind, over all namespaces."""
        return {kind: collection_of(kind) for kind in MODELS}

    def path(self, key: Key) -> str:
        """Return the object's path."""
        return path_of(key)

    def changed(self, change: Change) -> Iterator[Enqueue]:
        """Return what a change asks for: the object itself, its department, and whoever depends on it."""
        self.view.index(change)
        if change.new is None:
            self._exports.forget(change.key)
        old, new = change.old, change.new
        if old is not None and new is not None and (old.uid, old.generation, old.deleting) == (new.uid, new.generation, new.deleting):
            yield change.key, Priority.DRIFT
            if any(status_of(old.status, t, old.generation) != status_of(new.status, t, new.generation) for t in _AWAITED):
                yield from ((m.key, Priority.DRIFT) for m in self.view.models_reading(department_of(change.key.tenant)))
            if old.status.get("parties") != new.status.get("parties"):
                yield from self._ending()
            if old.status.get("keys") != new.status.get("keys"):
                yield from self._signed_by(change.key)
            return
        urgency = _urgency(change)
        for key in (change.key, _department_key(department_of(change.key.tenant))):
            yield key, urgency
        for key in self._dependents(change):
            yield key, urgency if key.kind == "Department" else Priority.SPEC

    def child_changed(self, kind: str, namespace: str, name: str) -> Iterator[Enqueue]:
        """Return what a change of a child asks for."""
        source = exported(namespace, name) if kind == "ConfigMap" else None
        if source is not None:
            yield source, Priority.DRIFT
            return
        department = department_at(name if kind == "Namespace" else namespace)
        if self.view.department(department) is None and department not in self.view.ending():
            return
        tenant = namespace_of(department)
        yield _department_key(department), Priority.DRIFT
        if (kind, name) in _REPORTS:
            yield from self._ending()
        if kind in _TELLING or (kind, name) in _REPORTS:
            for other in ("DataProduct", "ConsentPolicy", "ModelService"):
                yield from ((record.key, Priority.DRIFT) for record in self.view.objects.of(other, tenant))

    def gather(self, key: Key, now: datetime) -> Input | None:
        """Return all that a pass over the object decides from, frozen; None when it is not there, or is going away and nothing holds it."""
        return gather(key, self.view, now)

    def children(self, inputs: Input) -> Sequence[Child]:
        """Return what the object shall own. A department whose signing key is not known gets all but its store's plan, which names the key.

        One that arrives, from another site or in the platform's namespace, gets no plan at all: what its store holds is not the department's yet, and a plan that was there stays.
        """
        if isinstance(inputs, DataProductInput):
            return [self._exports.of_product(inputs)]
        if isinstance(inputs, ConsentPolicyInput):
            return [self._exports.of_agreement(inputs)]
        if isinstance(inputs, EndingInput):
            return ending.children(inputs, self.view.platform)
        if not isinstance(inputs, DepartmentInput):
            return ()
        content, arriving = department.content(inputs), inputs.record.arriving
        # A store that still runs must hear of what is revoked; beside it nothing is made, for an empty store would take its place.
        told, own = inputs.old_store and inputs.signing is not None, Owner(content.name, content.uid)
        old = [operator_access(own, self.view.platform)] if inputs.old_store else []
        old += plans(own, content.store, content.models) if told else []
        if inputs.unsplit and not arriving:
            return old
        found = department_children(content, self.view.platform)
        if arriving:
            return [*old, *(c for c in found if c.name not in (STORE_CLOSINGS, STORE_PLAN, MODEL_PLAN))]
        return [*old, *(found if inputs.signing is not None else [c for c in found if not c.remembered])]

    def complete(self, inputs: Input) -> bool:
        """Return whether `children` names all that the object shall own; if not, it does so once its keys are there."""
        return not isinstance(inputs, DepartmentInput) or inputs.signing is not None or inputs.unsplit

    def keys_of(self, inputs: Input) -> KeysWanted | None:
        """Return whose keys and certificates shall be there; the keys of a department that arrives are brought. One that is ending is spoken to until it is gone."""
        ends = isinstance(inputs, EndingInput)
        found = inputs.department if isinstance(inputs, EndingInput) else inputs
        if not isinstance(found, DepartmentInput) or (found.unsplit and not found.record.arriving):
            return None
        owner = Owner(found.record.key.name, found.record.uid, platform=True)
        certified = certificates.wanted(owner, self.view.platform, found.exposed, found.now, volumes=bool(found.claims))
        return KeysWanted(owner, make=not (ends or found.record.arriving), certificates=certified)

    def hold(self, inputs: Input) -> bool | None:
        """Return whether the object is to be held, or let go, from now on; None when it is as it should be."""
        if isinstance(inputs, EndingInput):
            return False if ending.may_go(inputs) else None
        if isinstance(inputs, DepartmentInput):
            wanted = ending.concerns_others(inputs)
            return None if wanted is inputs.record.held else wanted
        # What cannot be read cannot be ended in order.
        return False if isinstance(inputs, ClosedInput) and inputs.record.held and inputs.record.let_go else None

    def status(self, inputs: Input, problems: Sequence[Problem]) -> Mapping[str, Any]:
        """Return the status without its times."""
        if isinstance(inputs, DepartmentInput):
            return department.status(inputs, problems)
        if isinstance(inputs, EndingInput):
            return ending.status(inputs)
        if isinstance(inputs, DataProductInput):
            return data_product.status(inputs)
        if isinstance(inputs, ConsentPolicyInput):
            return consent_policy.status(inputs)
        return model_service.status(inputs) if isinstance(inputs, ModelServiceInput) else _closed(inputs)

    def wake_at(self, inputs: Input) -> datetime | None:
        """Return when an agreement begins or ends, an earlier version of a product ends, or a certificate is due."""
        if isinstance(inputs, DepartmentInput):
            owner = Owner(inputs.record.key.name, inputs.record.uid)
            due = certificates.next_moment(owner, self.view.platform, inputs.exposed, inputs.now)
            return min((t for t in (department.next_moment(inputs), due) if t is not None), default=None)
        if isinstance(inputs, EndingInput):
            last = ending.feed_ends(inputs)
            return last if last is not None and last > inputs.department.now else None
        if isinstance(inputs, DataProductInput):
            return data_product.next_moment(inputs)
        return consent_policy.next_boundary(inputs.record, inputs.now) if isinstance(inputs, ConsentPolicyInput) else None

    def _signed_by(self, key: Key) -> Iterator[Enqueue]:
        """Return whom another key of a department concerns: the agreements that it has signed, and the plans in which they stand."""
        own = self.view.objects.of("ConsentPolicy", key.tenant)
        for record in [*own, *self.view.agreements_for(key.name)]:
            yield record.key, Priority.REVOCATION
            yield _department_key(department_of(record.key.tenant)), Priority.REVOCATION
            for other in _counterparts(record):
                yield _department_key(other), Priority.REVOCATION

    def _dependents(self, change: Change) -> Iterator[Key]:
        kind, tenant = change.key.kind, change.key.tenant
        own = department_of(tenant)
        if kind == "Department":
            yield from self._concerned(tenant)
        elif kind == "DataProduct":
            yield from (r.key for r in self.view.objects.of("ConsentPolicy", tenant))
        for record in (change.old, change.new):
            if record is not None and isinstance(record.parsed, ConsentPolicy):
                yield Key(tenant, "DataProduct", record.parsed.spec.product.name)  # whose next contract it may hold back
            yield from (_department_key(name) for name in _counterparts(record))
        if kind != "ModelService":
            yield from self._models_reading(own, plans=kind in ("ConsentPolicy", "Department"))

    def _concerned(self, tenant: str) -> Iterator[Key]:
        """Return a department's objects, the agreements that name it, and all its parties."""
        own = department_of(tenant)
        for kind in ("DataProduct", "ConsentPolicy", "ModelService"):
            for record in self.view.objects.of(kind, tenant):
                yield record.key
                yield from (_department_key(name) for name in _counterparts(record))
        for agreement in self.view.agreements_for(own):
            yield from (agreement.key, _department_key(department_of(agreement.key.tenant)))
        yield from (_department_key(department_of(m.key.tenant)) for m in self.view.models_called_by(own))

    def _ending(self) -> Iterator[Enqueue]:
        """Return the departments that wait for others before they go."""
        yield from ((_department_key(name), Priority.DRIFT) for name in self.view.ending())

    def _models_reading(self, provider: str, *, plans: bool) -> Iterator[Key]:
        """Return the models that read a department's products, and with `plans` their departments: which callers are agreed stands in their plans."""
        for model in self.view.models_reading(provider):
            yield model.key
            if plans:
                yield _department_key(department_of(model.key.tenant))


def _counterparts(record: Record | None) -> set[str]:
    """Return the other departments that an object bears on: on their network rules, and on what they are told of their parties."""
    if record is None or record.parsed is None or record.key.kind not in ("ConsentPolicy", "ModelService"):
        return set()
    return counterparts(record)


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


def _closed(inputs: ClosedInput) -> dict[str, Any]:
    record = inputs.record
    found = conditions(all_of(record.key.kind, inputs.reason, inputs.detail), record.generation)
    return dict(record.status) | {"observedGeneration": record.generation, "conditions": found}
