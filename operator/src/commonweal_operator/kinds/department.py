"""Department: what its namespace shall hold, and whether it all runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy, Department, namespace_of
from commonweal_api.jwk import Jwk
from commonweal_api.plan import AgreementPlan, FeatureSource, FeedPeer, ModelEntry, ModelPlan, StorePlan, audience_of
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.objects import Record
from commonweal_operator.desired import DepartmentInputs
from commonweal_operator.desired.pods import cluster_host
from commonweal_operator.desired.quota import NAME as QUOTA
from commonweal_operator.desired.sources import claim_of
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.seen import Workload
from commonweal_operator.kinds import data_product, offer
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.consent_policy import next_boundary, planned, reachable
from commonweal_operator.kinds.model_service import needs
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.world import World, key_for

_C, _R = ConditionType, Reason


def gather(record: Record, world: World, now: datetime, signing: Jwk | None = None) -> DepartmentInputs:
    """Return all that bears on the department, frozen. `signing` is its public key if that is known already before its status shows it."""
    name, department = record.key.name, record.parsed
    granted: list[ConsentPolicy] = [p.parsed for p in _reachable(world.usable("ConsentPolicy", record.key.tenant), world, now)]
    own_models = world.usable("ModelService", record.key.tenant)
    may_read = {department_of(p.key.tenant) for p in _reachable(world.agreements_for(name), world, now)}
    may_call = {department_of(m.key.tenant) for m in world.models_called_by(name) if world.department_of(m.key) is not None}
    store = store_plan(record, world, now, signing)
    wanted = {claim for p in store.products if (claim := claim_of(p.spec.source)) is not None}
    return DepartmentInputs(
        name=name,
        uid=record.uid,
        spec=department.spec,
        store=store,
        models=model_plan(record, world),
        consumers=frozenset(p.spec.consumer.department for p in granted),
        callers=frozenset(c.department for m in own_models for c in m.parsed.spec.callers if world.department(c.department)),
        peers=frozenset(may_read | may_call),
        claims=world.claims(record.key.tenant, wanted),
    )


def store_plan(record: Record, world: World, now: datetime, signing: Jwk | None = None) -> StorePlan:
    """Return the plan of all that is valid, resolved and agreed. What is not in it is closed, and keeps nothing else out."""
    department: Department = record.parsed
    products = world.usable("DataProduct", record.key.tenant)
    site = world.platform.site
    feed = department.spec.consent_feed if site else None  # a site that has no name could not tell itself from the others
    return StorePlan(
        department=record.key.name,
        display_name=department.spec.display_name,
        contact=department.spec.contact,
        products=[offer.in_force(p, world, now).plan for p in products],
        agreements=[_agreement(p) for p in world.usable("ConsentPolicy", record.key.tenant) if planned(p, world, now)],
        site=site,
        peers=[FeedPeer(name=s.name, url=s.url) for s in feed.sites if s.name != site] if feed is not None else [],
        max_staleness_seconds=feed.max_staleness_seconds if feed is not None else None,
        registrars=list(department.spec.registrars),
        signing=signing or key_for("Agreement", record.status),
    )


def _agreement(policy: Record) -> AgreementPlan:
    # Without its signatures: they have been checked, the store has no use for them, and they would be half of a plan whose size is bounded.
    spec = policy.parsed.spec.model_copy(update={"signatures": []})
    return AgreementPlan(name=policy.key.name, uid=policy.uid, generation=policy.generation, spec=spec, dry_run=spec.mode == "DryRun")


def model_plan(record: Record, world: World) -> ModelPlan:
    """Return every valid model and where it reads; a feature without an agreement is refused by its owner's data API, not here."""
    models = world.usable("ModelService", record.key.tenant)
    providers = sorted({need.department for m in models for need in needs(m.parsed)})
    return ModelPlan(
        department=record.key.name,
        models=[ModelEntry(name=m.key.name, uid=m.uid, generation=m.generation, spec=m.parsed.spec) for m in models],
        sources=[FeatureSource(department=d, url=f"http://{cluster_host('data-api', d)}", audience=audience_of(d)) for d in providers],
    )


def next_moment(record: Record, world: World, now: datetime) -> datetime | None:
    """Return when an agreement that concerns the department next begins or ends, or an earlier version of a product of its own ends."""
    concerned = world.usable("ConsentPolicy", record.key.tenant) + world.agreements_for(record.key.name)
    moments = [next_boundary(p, now) for p in concerned]
    moments += [data_product.next_boundary(p, now) for p in world.usable("DataProduct", record.key.tenant)]
    return min((t for t in moments if t is not None), default=None)


def next_moment_of_product(record: Record, world: World, now: datetime) -> datetime | None:
    """Return when an agreement about the product next begins or ends, or an earlier version of it ends: then a change may be held back no more."""
    about = [p for p in world.usable("ConsentPolicy", record.key.tenant) if p.parsed.spec.product.name == record.key.name]
    moments = [*(next_boundary(p, now) for p in about), data_product.next_boundary(record, now)]
    return min((t for t in moments if t is not None), default=None)


def status(record: Record, world: World, problems: Sequence[Problem], signing: Jwk | None = None) -> dict[str, Any]:
    """Return the status without times."""
    tenant = record.key.tenant
    no_models = not world.usable("ModelService", tenant)
    findings = [
        _namespace(world, tenant, problems),
        _store(world, tenant),
        _http(world, tenant, "data-api"),
        _http(world, tenant, "models", unused=no_models),
    ]
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(findings, record.generation),
        "namespace": namespace_of(record.key.name),
        "dataApi": world.base_url("data-api", tenant),
        "models": world.base_url("models", tenant),
        "keys": _keys(record, world, signing),
    }
    return {k: v for k, v in found.items() if v is not None}


def _keys(record: Record, world: World, signing: Jwk | None) -> list[dict[str, Any]] | None:
    """Return the public keys. Those that are not known just now stay as they were published: a key that is missed for a moment must close nothing."""
    report = world.store_report(record.key.tenant)
    reported = report.witness if report is not None and report.witness is not None and report.witness.purpose == "Witness" else None
    found = (signing or key_for("Agreement", record.status), reported or key_for("Witness", record.status))
    return [key.wire() for key in found if key is not None] or None


def _reachable(policies: Sequence[Record], world: World, now: datetime) -> list[Record]:
    return [p for p in policies if world.department_of(p.key) is not None and reachable(p, world, now)]


def _namespace(world: World, tenant: str, problems: Sequence[Problem]) -> Finding:
    reasons = {"NameConflict": _R.NAME_CONFLICT, "Terminating": _R.NAMESPACE_TERMINATING}
    for problem in problems:
        return Finding(_C.NAMESPACE_READY, reasons.get(problem.reason, _R.NAMESPACE_PENDING), problem.message)
    if not world.facts.facts("ResourceQuota", tenant, QUOTA):
        return Finding(_C.NAMESPACE_READY, _R.NAMESPACE_PENDING, "Its ResourceQuota is not counted yet, so objects would be refused.")
    return Finding(_C.NAMESPACE_READY, _R.NAMESPACE_ACTIVE)


def _store(world: World, tenant: str) -> Finding:
    load: Workload | None = world.facts.facts("StatefulSet", tenant, "store")
    if load is None or load.ready < load.wanted:
        return Finding(_C.STORE_READY, _R.STORE_STARTING, _progress("store-0", load))
    if world.store_report(tenant) is None:
        return Finding(_C.STORE_READY, _R.STORE_STARTING, "Pod store-0 is ready; its keeper has not reported yet.")
    return Finding(_C.STORE_READY, _R.STORE_RUNNING)


def _http(world: World, tenant: str, name: str, *, unused: bool = False) -> Finding:
    type_, running, starting, failing = {
        "data-api": (_C.DATA_API_READY, _R.DATA_API_RUNNING, _R.DATA_API_STARTING, _R.DATA_API_FAILING),
        "models": (_C.MODELS_READY, _R.MODELS_RUNNING, _R.MODELS_STARTING, _R.MODELS_FAILING),
    }[name]
    load: Workload | None = world.facts.facts("Deployment", tenant, name)
    if unused and load is not None:
        return Finding(type_, running, "There is no ModelService, so no pod is needed.")
    if load is not None and load.wanted and load.ready >= load.wanted:
        return Finding(type_, running)
    if load is not None and "exceeded quota" in load.message:
        return Finding(type_, _R.QUOTA_EXCEEDED, load.message)
    if load is not None and "ProgressDeadlineExceeded" in load.message:
        return Finding(type_, failing, load.message)
    return Finding(type_, starting, _progress(f"of deployment {name}", load))


def _progress(pod: str, load: Workload | None) -> str:
    return f"Pod {pod}: {load.ready if load else 0} of {load.wanted if load else 1} ready."
