"""The example's objects in the operator's caches, signed and going well, without a server: tests change one thing and ask what is decided."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from commonweal_api.plan import ModelReport, Outcome, ProductPlan, StoreReport
from commonweal_api.quality import QualityCount
from commonweal_api.reasons import CONDITIONS_OF, ConditionType, entry_of
from commonweal_kube.objects import Change, ObjectCache, Record
from commonweal_kube.queue import Key, Priority
from commonweal_operator.desired.manifest import Child
from commonweal_operator.desired.platform import Images, PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.keys import DepartmentKeys
from commonweal_operator.engine.observed import plan
from commonweal_operator.kinds import department
from commonweal_operator.kinds.department import DepartmentInput
from commonweal_operator.kinds.gather import Input
from commonweal_operator.kinds.reading import key_of, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.view import ClusterView
from support.kube_api import manifests_in
from support.signing import keys_status, signed, with_nonce

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "start-a-business"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REGISTRY, TAX = "dept-companies-registry", "dept-tax-authority"
PLATFORM = PlatformConfig(images=Images(runtime="r", store="s"))


@cache
def _text(name: str) -> str:
    return json.dumps(manifests_in(EXAMPLE / f"{name}.yaml"))


def documents(name: str) -> list[dict[str, Any]]:
    """Return the objects of one file of the example, the caller's own."""
    found: list[dict[str, Any]] = json.loads(_text(name))
    return found


class Observed:
    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], Any] = {}

    def observed(self, kind: str, namespace: str, name: str) -> Any:
        return self.known.get((kind, namespace, name))


def agreed(body: dict[str, Any]) -> dict[str, Any]:
    """Return an agreement as both parties have signed it; one that breaks a rule of the API is as nobody can sign it."""
    if body["kind"] != "ConsentPolicy" or "signatures" in body["spec"]:
        return body
    try:
        return signed(body)
    except ValidationError:
        return body


class Site:
    """The example, signed by all, with everything that runs in pods going well; tests change one thing."""

    def __init__(self) -> None:
        self.observed = Observed()
        self.view = ClusterView(ObjectCache(key_of, read), PLATFORM, DepartmentKeys(PLATFORM))
        self.view.attach(self.observed)
        self.rules = KindRules(self.view)
        self.version = 0
        self.departments = {d["metadata"]["name"]: d for d in documents("10-departments")}
        for name in ("10-departments", "30-products", "40-agreements", "50-model"):
            for body in documents(name):
                self.put(body, **({"keys": keys_status(body["metadata"]["name"])} if body["kind"] == "Department" else {}))

    def put(self, body: dict[str, Any], generation: int = 1, **status: Any) -> dict[Key, Priority]:
        self.version += 1
        meta = {"uid": f"u-{body['kind']}-{body['metadata']['name']}", "resourceVersion": str(self.version), "generation": generation}
        change = self.view.objects.put(agreed(body) | {"metadata": body["metadata"] | meta, "status": status})
        assert change is not None
        return self.wishes(change)

    def drop(self, key: Key) -> dict[Key, Priority]:
        change = self.view.objects.drop(key)
        assert change is not None
        return self.wishes(change)

    def wishes(self, change: Change) -> dict[Key, Priority]:
        found: dict[Key, Priority] = {}
        for key, priority in self.rules.changed(change):
            found[key] = min(priority, found.get(key, Priority.RESYNC))
        return found

    def record(self, kind: str, name: str, tenant: str = REGISTRY) -> Record:
        found = self.view.objects.get(Key(tenant, kind, name))
        assert found is not None
        return found

    def gathered(self, key: Key, now: datetime = NOW) -> Input:
        """Return what a pass over the object would decide from."""
        found = self.rules.gather(key, now)
        assert found is not None
        return found

    def department(self, tenant: str = REGISTRY, now: datetime = NOW) -> DepartmentInput:
        found = self.gathered(Key(tenant, "Department", tenant.removeprefix("dept-")), now)
        assert isinstance(found, DepartmentInput)
        return found

    def children(self, key: Key) -> Sequence[Child]:
        return self.rules.children(self.gathered(key))

    def status(self, key: Key, problems: tuple[Problem, ...] = ()) -> Mapping[str, Any]:
        return self.rules.status(self.gathered(key), problems)

    def apply_plan(self, tenant: str = REGISTRY) -> None:
        """Let the cluster hold the plan of a department, as applied."""
        (made,) = [c for c in self.rules.children(self.department(tenant)) if c.remembered]
        self.observed.known["ConfigMap", f"{tenant}-platform", made.name] = plan(orjson.loads(made.body))

    def conditions(
        self, kind: str, name: str, tenant: str = REGISTRY, problems: tuple[Problem, ...] = ()
    ) -> dict[str, tuple[str, str, str]]:
        status = self.status(Key(tenant, kind, name), problems)
        left_out = {"PushdownSafe", "SlaMet", "LinkingReady"} - {c["type"] for c in status["conditions"]}
        assert [c["type"] for c in status["conditions"]] == [str(t) for t in CONDITIONS_OF[kind] if t not in left_out]
        for condition in status["conditions"]:
            entry = entry_of(condition["reason"])
            assert condition["type"] == "Ready" or ConditionType(condition["type"]) in entry.types
            assert condition["status"] == entry.status
        return {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]}

    def planned(self, tenant: str = REGISTRY, now: datetime = NOW) -> tuple[set[str], set[str]]:
        made = department.store_plan(self.department(tenant, now))
        return {p.name for p in made.products}, {a.name for a in made.agreements}

    def report(self, tenant: str, **outcomes: Outcome) -> None:
        """Everything of the tenant's plan is carried out, but for what `outcomes` says (names with _ for -)."""
        given = {name.replace("_", "-"): outcome for name, outcome in outcomes.items()}
        made = department.store_plan(self.department(tenant))
        products = {p.name: checked(p, given.get(p.name) or fine(p, "Serving")) for p in made.products}
        agreements = {a.name: given.get(a.name) or fine(a, "Enforced") for a in made.agreements}
        text = json.dumps(StoreReport(plan="d", products=products, agreements=agreements).wire())
        self.observed.known["ConfigMap", f"{tenant}-platform", "commonweal-store-report"] = text

    def settle(self) -> None:
        """Let every object's status say what it would say."""
        for tenant in (REGISTRY, TAX, "dept-benefits-department"):
            self.report(tenant)
            models = {m.name: fine(m, "RuntimeReady") for m in department.model_plan(self.department(tenant)).models}
            self.observed.known["ConfigMap", f"{tenant}-platform", "commonweal-model-report"] = json.dumps(
                ModelReport(plan="d", models=models).wire()
            )
        for record in [r for r in self.view.objects if r.key.kind in ("DataProduct", "ConsentPolicy")]:
            self.put(self.body(record.key), record.generation, **self.status(record.key))

    def body(self, key: Key) -> dict[str, Any]:
        for name in ("10-departments", "30-products", "40-agreements", "50-model"):
            for body in documents(name):
                if key_of(body) == key:
                    return with_nonce(body) if key.kind == "ConsentPolicy" else body
        raise KeyError(key)

    def change(self, kind: str, name: str, tenant: str = REGISTRY, **spec: Any) -> dict[Key, Priority]:
        body = copy.deepcopy(self.body(Key(tenant, kind, name)))
        if "validity" in spec:
            body["spec"].pop("assurance", None)  # its review lies in the term that the example has
        return self.put(body | {"spec": body["spec"] | spec}, self.record(kind, name, tenant).generation + 1)


def fine(entry: Any, reason: str) -> Outcome:
    return Outcome(uid=entry.uid, generation=entry.generation, ready=True, reason=reason, number=7 if reason == "Enforced" else None)


def checked(product: ProductPlan, outcome: Outcome) -> Outcome:
    """Return the outcome with all checks passed and the promise of freshness kept, unless it says something of them itself."""
    passed = QualityCount(passed=len(product.spec.quality))
    return outcome if outcome.quality is not None else outcome.model_copy(update={"quality": passed, "sla_met": True})


def refused(reason: str, uid: str, message: str = "", *, ready: bool = False) -> Outcome:
    return Outcome(uid=uid, generation=1, ready=ready, reason=reason, message=message)
