"""The live view of the cluster: the caches, and indexes over them for questions that cross namespaces.

Only `gather` and `rules` ask it, `gather` once per pass; what decides gets the answers as a value.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from commonweal_api import ConsentPolicy, ModelService, namespace_of, platform_namespace_of
from commonweal_api.agreement_signatures import agreement_hash
from commonweal_api.jwk import Jwk
from commonweal_api.meaning import Meaning
from commonweal_api.plan import MODEL_REPORT, STORE_PLAN, STORE_REPORT, ModelReport, ProductPlan, StorePlan, StoreReport
from commonweal_api.signatures import digest
from commonweal_kube.objects import Change, ObjectCache, Record
from commonweal_kube.queue import Key
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import service_host
from commonweal_operator.desired.store import COMPONENT as STORE
from commonweal_operator.engine.observed import ServiceAddress
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.signatures import key_for

R = TypeVar("R", bound=BaseModel)


class Observed(Protocol):
    """What is read of the children."""

    def observed(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""


class PublicKeys(Protocol):
    """What is known of the departments' signing keys before their statuses show them."""

    def public(self, uid: str) -> Jwk | None:
        """Return the public half of a department's signing key as it was last seen, or None."""


class Nothing:
    """A cluster without children."""

    def observed(self, kind: str, namespace: str, name: str) -> Any:  # noqa: ARG002
        """Return None."""
        return


class ClusterView:
    """The caches with their indexes."""

    def __init__(self, objects: ObjectCache, platform: PlatformConfig, keys: PublicKeys) -> None:
        self.objects, self.platform = objects, platform
        self._children: Observed = Nothing()
        self._signing = keys
        self._by_consumer: dict[str, set[Key]] = defaultdict(set)
        self._by_provider: dict[str, set[Key]] = defaultdict(set)
        self._by_caller: dict[str, set[Key]] = defaultdict(set)
        self._ending: set[str] = set()
        self._reports: dict[tuple[str, str], tuple[str, Any]] = {}
        self._keys: dict[str, tuple[str, int, Jwk | None]] = {}
        self._hashes: dict[Key, tuple[str, int, Meaning | None, str]] = {}
        self._last_plans: dict[str, tuple[Any, StorePlan | None, dict[str, ProductPlan]]] = {}

    def attach(self, children: Observed) -> None:
        """Read the state of children from there; before that nothing is known of any."""
        self._children = children

    def observed(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""
        return self._children.observed(kind, namespace, name)

    def index(self, change: Change) -> None:
        """Bring the indexes up to date; to be called for each change before anything is asked."""
        for record, put in ((change.old, False), (change.new, True)):
            for index, department in self._entries(record):
                (index[department].add if put else index[department].discard)(change.key)
        if change.key.kind == "Department":
            (self._ending.add if change.new is not None and change.new.deleting else self._ending.discard)(change.key.name)
        if change.new is None:
            self._hashes.pop(change.key, None)
            if change.key.kind == "Department":
                self._keys.pop(change.key.name, None)
                self._last_plans.pop(change.key.tenant, None)

    def department(self, name: str) -> Record | None:
        """Return the department if it exists, parses and is not going away."""
        record = self.objects.get(Key(namespace_of(name), "Department", name))
        return record if record is not None and record.parsed is not None and not record.deleting else None

    def ending(self) -> dict[str, datetime]:
        """Return the departments that were deleted and are still there, with when that was."""
        found = ((name, self.objects.get(Key(namespace_of(name), "Department", name))) for name in sorted(self._ending))
        return {name: record.ending for name, record in found if record is not None and record.ending is not None}

    def department_of(self, key: Key) -> Record | None:
        """Return the department in whose namespace an object lies."""
        return self.department(department_of(key.tenant))

    def usable(self, kind: str, tenant: str) -> list[Record]:
        """Return a tenant's objects of one kind that parse and are not going away, by name."""
        return [r for r in self.objects.of(kind, tenant) if r.parsed is not None and not r.deleting]

    def product(self, tenant: str, name: str) -> Record | None:
        """Return a product, whether it parses or not, or None."""
        return self.objects.get(Key(tenant, "DataProduct", name))

    def signing_key(self, record: Record) -> Jwk | None:
        """Return a department's public signing key: as its Secret was last seen, else as its status shows it, else None."""
        return self._signing.public(record.uid) or self.agreement_key(record.key.name)

    def agreement_key(self, name: str) -> Jwk | None:
        """Return the public key that a department's signatures under agreements are checked with, or None while it shows none."""
        record = self.department(name)
        if record is None:
            return None
        had = self._keys.get(name)
        if had is None or had[:2] != (record.uid, record.version):
            had = self._keys[name] = (record.uid, record.version, key_for("Agreement", record.status))
        return had[2]

    def hash_of(self, policy: Record, meaning: Meaning | None) -> str:
        """Return the hash of an agreement as it stands and its fields mean: what its parties sign."""
        had = self._hashes.get(policy.key)
        if had is None or had[:3] != (policy.uid, policy.generation, meaning):
            made = agreement_hash(department_of(policy.key.tenant), policy.key.name, policy.parsed.spec, meaning)
            had = self._hashes[policy.key] = (policy.uid, policy.generation, meaning, made)
        return had[3]

    def last_plan(self, tenant: str) -> dict[str, ProductPlan]:
        """Return the products of the plan that was applied last, by name."""
        self._remembered(tenant)
        return self._last_plans[tenant][2]

    def unconfirmed_revocations(self, tenant: str) -> set[str]:
        """Return the nonces that the last plan says are revoked, unless the store has reported on that plan: then it keeps them itself."""
        plan, report = self._remembered(tenant), self.store_report(tenant)
        found = self.observed("ConfigMap", self.home(tenant), STORE_PLAN)
        known = report is not None and bool(found) and report.plan == found[0]
        return set(plan.revoked or ()) if plan is not None and not known else set()

    def _remembered(self, tenant: str) -> StorePlan | None:
        """Return the plan that was applied last.

        The plan in the cluster is the memory, so this outlives the operator. A plan that does not have its own digest was tampered with: what was known
        before it counts on.
        """
        found = self.observed("ConfigMap", self.home(tenant), STORE_PLAN)
        had = self._last_plans.get(tenant)
        if had is None or had[0] != found:
            plan = (_untouched(*found) if found else None) or (had[1] if had is not None else None)
            had = self._last_plans[tenant] = (found, plan, {p.name: p for p in plan.products} if plan is not None else {})
        return had[1]

    def store_closed(self, tenant: str, uid: str | None = None) -> bool:
        """Return whether a department's store has confirmed that the agreement of that uid, or every one of its own, is closed, or there is no store."""
        home = self.home(tenant)
        found, report = self.observed("ConfigMap", home, STORE_PLAN), self.store_report(tenant)
        if not found or self.observed("StatefulSet", home, STORE) is None:
            return True
        plan = self._remembered(tenant)
        if plan is None or report is None or report.plan != found[0]:
            return False
        return not any(uid in (None, a.uid) for a in plan.agreements if not a.dry_run)

    def old_store(self, tenant: str) -> bool:
        """Return whether there is a store in a department's own namespace, where it lay before there was one for the platform, that must still be told its plan.

        Once a store is in the platform's namespace it is the only one that counts, whatever else bears its name; but for a department that a command moves there.
        """
        if self.observed("StatefulSet", tenant, STORE) is None:
            return False
        department = self._any(tenant)
        return (department is not None and department.splitting) or self._alone(tenant)

    def unsplit(self, tenant: str) -> bool:
        """Return whether that store is the one that serves."""
        department = self._any(tenant)
        return self.old_store(tenant) and (self._alone(tenant) or (department is not None and department.arriving))

    def _any(self, tenant: str) -> Record | None:
        # One that is ending too: its old store must still be told.
        return self.objects.get(Key(tenant, "Department", department_of(tenant)))

    def _alone(self, tenant: str) -> bool:
        return self.observed("StatefulSet", platform_namespace_of(department_of(tenant)), STORE) is None

    def home(self, tenant: str) -> str:
        """Return the namespace in which what the platform runs for a department is found."""
        return tenant if self.unsplit(tenant) else platform_namespace_of(department_of(tenant))

    def claims(self, tenant: str, names: Iterable[str]) -> frozenset[str]:
        """Return those of the volume claims that exist and that their owner has opened to the store."""
        return frozenset(name for name in names if self.observed("PersistentVolumeClaim", tenant, name))

    def agreements_for(self, consumer: str) -> list[Record]:
        """Return the agreements, wherever they are, that name this department as consumer."""
        return self._records(self._by_consumer.get(consumer, ()))

    def models_reading(self, provider: str) -> list[Record]:
        """Return the models that read this department's products."""
        return self._records(self._by_provider.get(provider, ()))

    def models_called_by(self, caller: str) -> list[Record]:
        """Return the models that name this department among their callers."""
        return self._records(self._by_caller.get(caller, ()))

    def store_report(self, tenant: str) -> StoreReport | None:
        """Return what the keeper last reported, or None."""
        return self._report(tenant, STORE_REPORT, StoreReport)

    def model_report(self, tenant: str) -> ModelReport | None:
        """Return what the model runtime last reported, or None."""
        return self._report(tenant, MODEL_REPORT, ModelReport)

    def base_url(self, service: str, tenant: str) -> str:
        """Return where a department's HTTP service is reached: the load balancer when it has an address, else inside the cluster."""
        home, address = self.home(tenant), self.service_address(service, tenant)
        # What an earlier release runs in the department's own namespace knows no TLS.
        scheme = "http" if self.unsplit(tenant) else "https"
        return f"{scheme}://{address.text if address is not None and address.text else service_host(service, home)}"

    def service_address(self, service: str, tenant: str) -> ServiceAddress | None:
        """Return where a department's service is reached from outside; None until the Service has been seen."""
        found = self.observed("Service", self.home(tenant), service)
        return found if isinstance(found, ServiceAddress) else None

    def _records(self, keys: Iterable[Key]) -> list[Record]:
        found = (self.objects.get(key) for key in sorted(keys))
        return [r for r in found if r is not None and r.parsed is not None and not r.deleting]

    def _entries(self, record: Record | None) -> list[tuple[dict[str, set[Key]], str]]:
        if record is None:
            return []
        if isinstance(record.parsed, ConsentPolicy):
            return [(self._by_consumer, record.parsed.spec.consumer.department)]
        if isinstance(record.parsed, ModelService):
            spec = record.parsed.spec
            return [(self._by_provider, f.department) for f in spec.features] + [(self._by_caller, c.department) for c in spec.callers]
        return []

    def _report(self, tenant: str, name: str, model: type[R]) -> R | None:
        text = self.observed("ConfigMap", self.home(tenant), name)
        if not text:
            return None
        had = self._reports.get((tenant, name))
        if had is None or had[0] != text:
            had = self._reports[tenant, name] = (text, _parsed(text, model))
        return had[1] if isinstance(had[1], model) else None


def _untouched(wanted: str, text: str) -> StorePlan | None:
    # The digest of the text, not of what this version of the program makes of it: a field that is new since then must not forget what is in force.
    try:
        found = digest(json.loads(text))
    except ValueError:
        return None
    return _parsed(text, StorePlan) if found == wanted else None


def _parsed(text: str, model: type[R]) -> R | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None  # a report that cannot be read is as good as none: everything stays pending
