"""Everything the decisions may look at, with the questions they ask of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from commonweal_api import ConsentPolicy, ModelService, namespace_of
from commonweal_api.jwk import Jwk
from commonweal_api.plan import MODEL_REPORT, STORE_PLAN, STORE_REPORT, ModelReport, ProductPlan, StorePlan, StoreReport
from commonweal_api.signing import agreement_hash
from commonweal_kube.objects import Change, Objects, Record
from commonweal_kube.queue import Key
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.pods import cluster_host
from commonweal_operator.kinds.reading import department_of

R = TypeVar("R", bound=BaseModel)


class Facts(Protocol):
    """What is read of the children."""

    def facts(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""


class Nothing:
    """Facts of a world without children."""

    def facts(self, kind: str, namespace: str, name: str) -> Any:  # noqa: ARG002
        """Return None."""
        return


class World:
    """The caches, and indexes over them for questions that cross namespaces."""

    def __init__(self, objects: Objects, platform: PlatformConfig) -> None:
        self.objects, self.platform = objects, platform
        self.facts: Facts = Nothing()
        self._by_consumer: dict[str, set[Key]] = defaultdict(set)
        self._by_provider: dict[str, set[Key]] = defaultdict(set)
        self._by_caller: dict[str, set[Key]] = defaultdict(set)
        self._reports: dict[tuple[str, str], tuple[str, Any]] = {}
        self._keys: dict[str, tuple[str, int, Jwk | None]] = {}
        self._hashes: dict[Key, tuple[str, int, str]] = {}
        self._in_force: dict[str, tuple[Any, dict[str, ProductPlan]]] = {}

    def look_at(self, facts: Facts) -> None:
        """Read the state of children from there; before that nothing is known of any."""
        self.facts = facts

    def take(self, change: Change) -> None:
        """Bring the indexes up to date; to be called for each change before anything is asked."""
        for record, put in ((change.old, False), (change.new, True)):
            for index, department in self._entries(record):
                (index[department].add if put else index[department].discard)(change.key)
        if change.new is None:
            self._hashes.pop(change.key, None)
            if change.key.kind == "Department":
                self._keys.pop(change.key.name, None)
                self._in_force.pop(change.key.tenant, None)

    def department(self, name: str) -> Record | None:
        """Return the department if it exists, parses and is not going away."""
        record = self.objects.get(Key(namespace_of(name), "Department", name))
        return record if record is not None and record.parsed is not None and not record.deleting else None

    def department_of(self, key: Key) -> Record | None:
        """Return the department in whose namespace an object lies."""
        return self.department(department_of(key.tenant))

    def usable(self, kind: str, tenant: str) -> list[Record]:
        """Return a tenant's objects of one kind that parse and are not going away, by name."""
        return [r for r in self.objects.of(kind, tenant) if r.parsed is not None and not r.deleting]

    def product(self, tenant: str, name: str) -> Record | None:
        """Return a product, whether it parses or not, or None."""
        return self.objects.get(Key(tenant, "DataProduct", name))

    def agreement_key(self, name: str) -> Jwk | None:
        """Return the public key that a department's signatures under agreements are checked with, or None while it shows none."""
        record = self.department(name)
        if record is None:
            return None
        had = self._keys.get(name)
        if had is None or had[:2] != (record.uid, record.version):
            had = self._keys[name] = (record.uid, record.version, key_for("Agreement", record.status))
        return had[2]

    def hash_of(self, policy: Record) -> str:
        """Return the hash of an agreement as it stands: what its parties sign."""
        had = self._hashes.get(policy.key)
        if had is None or had[:2] != (policy.uid, policy.generation):
            made = agreement_hash(department_of(policy.key.tenant), policy.key.name, policy.parsed.spec)
            had = self._hashes[policy.key] = (policy.uid, policy.generation, made)
        return had[2]

    def in_force(self, tenant: str) -> dict[str, ProductPlan]:
        """Return the products of the plan that is in force.

        The plan in the cluster is the memory, so this outlives the operator. A plan that does not have its own digest was tampered with: what was known
        before it counts on.
        """
        found = self.facts.facts("ConfigMap", tenant, STORE_PLAN)
        had = self._in_force.get(tenant)
        if had is None or had[0] != found:
            plan = _whole(*found) if found else None
            products = {p.name: p for p in plan.products} if plan is not None else (had[1] if had is not None else {})
            had = self._in_force[tenant] = (found, products)
        return had[1]

    def claims(self, tenant: str, names: Iterable[str]) -> frozenset[str]:
        """Return those of the volume claims that exist and that their owner has opened to the store."""
        return frozenset(name for name in names if self.facts.facts("PersistentVolumeClaim", tenant, name))

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
        address = self.facts.facts("Service", tenant, service)
        return f"http://{address}" if address else f"http://{cluster_host(service, department_of(tenant))}"

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
        text = self.facts.facts("ConfigMap", tenant, name)
        if not text:
            return None
        had = self._reports.get((tenant, name))
        if had is None or had[0] != text:
            had = self._reports[tenant, name] = (text, _parsed(text, model))
        return had[1] if isinstance(had[1], model) else None


def key_for(purpose: Literal["Agreement", "Witness"], status: Mapping[str, Any]) -> Jwk | None:
    """Return the public key for that purpose that a Department's status shows; one that cannot be read counts as none."""
    keys = (_jwk(entry) for entry in status.get("keys") or ())
    return next((key for key in keys if key is not None and key.purpose == purpose), None)


def _jwk(entry: Any) -> Jwk | None:
    try:
        return Jwk.model_validate(entry)
    except ValidationError:
        return None


def _whole(digest: str, text: str) -> StorePlan | None:
    # The digest of the text, not of what this version of the program makes of it: a field that is new since then must not forget what is in force.
    try:
        found = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        return None
    return _parsed(text, StorePlan) if digest == "sha256:" + sha256(found.encode()).hexdigest() else None


def _parsed(text: str, model: type[R]) -> R | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None  # a report that cannot be read is as good as none: everything stays pending
