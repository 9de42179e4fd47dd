"""Department: what its namespaces shall hold, and whether it all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from commonweal_api import Department, namespace_of
from commonweal_api.department import COMPLAINT_DAYS, ConsentFeed, LinkCases, Party
from commonweal_api.jwk import Jwk
from commonweal_api.plan import (
    AgreementPlan,
    FeatureSource,
    FeedPeer,
    ModelEntry,
    ModelPlan,
    ModelRecord,
    StorePlan,
    StoreReport,
    audience_of,
)
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_operator.desired import NamespaceContent
from commonweal_operator.desired.pods import cluster_host
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.observed import Workload
from commonweal_operator.kinds import data_product
from commonweal_operator.kinds.certificates import Exposed
from commonweal_operator.kinds.conditions import Finding, conditions, named
from commonweal_operator.kinds.consent_policy import Agreement, next_boundary, planned, reachable
from commonweal_operator.kinds.contract import Contract
from commonweal_operator.kinds.fitting import Fitted, fitted_models, fitted_store
from commonweal_operator.kinds.linking import fault_of, standing_of
from commonweal_operator.kinds.model_service import NeededProduct, agreed, needs
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.signatures import key_for

_C, _R = ConditionType, Reason


@dataclass(frozen=True, slots=True)
class Running:
    """How far what runs for a department has come; None is a workload that is not there yet."""

    quota_counted: bool = False
    store: Workload | None = None
    data_api: Workload | None = None
    models: Workload | None = None


@dataclass(frozen=True)  # without slots: what a pass derives from it is kept with it
class DepartmentInput:
    """All that bears on one department. Objects that do not parse or are being deleted are left out.

    `site` is this site's name, if it has one; `signing` the department's public key, while known. `contracts`, `agreements` and `models` are its own;
    `needed` is what each model reads, with the agreements about it; `consumed` are the agreements that name it as consumer, `calling` the models that
    name it as caller, wherever they are. `departments` are those that exist of all whom these name. `claims` are the volume claims of its sources that
    exist and are opened to its store. `report` is the keeper's last one. `old_store`: a store in its own namespace is to be told
    what is revoked; `unsplit`: it is the one that serves, and nothing may be made beside it. `data_api_url` and `models_url` are base URLs, `exposed` the Services behind them.
    `revoked` are the nonces that a party has revoked; `parties` are the departments that it has to do with; `display_names` are what the consumers of its
    agreements call themselves, as far as they are on this site, `welsh_names` in Welsh; `mail`: the platform has a mail server.
    """

    now: datetime
    site: str
    record: Record
    signing: Jwk | None
    contracts: tuple[Contract, ...]
    agreements: tuple[Agreement, ...]
    consumed: tuple[Agreement, ...]
    models: tuple[Record, ...]
    needed: Mapping[Key, tuple[NeededProduct, ...]]
    calling: tuple[Record, ...]
    departments: frozenset[str]
    claims: frozenset[str]
    report: StoreReport | None
    running: Running
    old_store: bool
    unsplit: bool
    data_api_url: str
    models_url: str
    exposed: tuple[Exposed, ...] = ()
    revoked: tuple[str, ...] = ()
    parties: tuple[Party, ...] = ()
    display_names: Mapping[str, str] = field(default_factory=dict)
    welsh_names: Mapping[str, str] = field(default_factory=dict)
    mail: bool = False

    @cached_property
    def plans(self) -> tuple[Fitted[StorePlan], Fitted[ModelPlan]]:
        """Both plans as they fit, and what was left out: measured once a pass, for children and status alike."""
        return fitted_store(store_plan(self)), fitted_models(model_plan(self))


def content(inputs: DepartmentInput) -> NamespaceContent:
    """Return what decides what the department's namespaces shall hold."""
    now, exist = inputs.now, inputs.departments
    store, models = inputs.plans
    may_read = {department_of(a.record.key.tenant) for a in inputs.consumed if reachable(a, now)}
    may_call = {department_of(m.key.tenant) for m in inputs.calling}
    return NamespaceContent(
        name=inputs.record.key.name,
        uid=inputs.record.uid,
        spec=inputs.record.parsed.spec,
        store=store.plan,
        models=models.plan,
        consumers=frozenset(a.spec.consumer.department for a in inputs.agreements if reachable(a, now)),
        callers=frozenset(c.department for m in inputs.models for c in m.parsed.spec.callers) & exist,
        peers=exist & (may_read | may_call),
        claims=inputs.claims,
    )


def store_plan(inputs: DepartmentInput) -> StorePlan:
    """Return the plan of all that is valid, resolved and agreed. What is not in it is closed, and keeps nothing else out."""
    department: Department = inputs.record.parsed
    return StorePlan(
        department=inputs.record.key.name,
        display_name=department.spec.display_name,
        contact=department.spec.contact,
        products=[contract.plan for contract in inputs.contracts],
        agreements=[_agreement(a, inputs) for a in inputs.agreements if planned(a)],
        site=inputs.site,
        peers=peers(inputs),
        max_staleness_seconds=max_staleness_seconds(inputs),
        registrars=list(department.spec.registrars),
        signing=inputs.signing,
        revoked=list(inputs.revoked) or None,
        complaint_days=days if (days := department.spec.complaints.days) != COMPLAINT_DAYS else None,
        display_name_cy=department.spec.cy.display_name if department.spec.cy else None,
        models=[_registered(m) for m in inputs.models] or None,
        matching=department.spec.matching if _linking_fault(inputs) is None else None,
    )


def _registered(model: Record) -> ModelRecord:
    spec = model.parsed.spec
    return ModelRecord(
        name=model.key.name,
        title=spec.title,
        title_cy=spec.cy.title if spec.cy else None,
        purpose=spec.purpose,
        reads=[f"{f.department}/{f.product}/{f.field}" for f in spec.features],
        callers=[f"{c.department}/{c.client}" for c in spec.callers],
        shape=spec.learning.shape,
        floor=spec.learning.floor,
    )


def _linking_fault(inputs: DepartmentInput) -> Finding | None:
    matching = inputs.record.parsed.spec.matching
    return fault_of(matching, {c.plan.name: c.plan.spec for c in inputs.contracts}, mail=inputs.mail) if matching is not None else None


def peers(inputs: DepartmentInput) -> list[FeedPeer]:
    """Return the other sites that the department's consent feed goes to."""
    feed = _feed(inputs)
    return [FeedPeer(name=s.name, url=s.url) for s in feed.sites if s.name != inputs.site] if feed is not None else []


def max_staleness_seconds(inputs: DepartmentInput) -> int | None:
    """Return after how long another site that hears nothing closes by itself; None without a feed."""
    feed = _feed(inputs)
    return feed.max_staleness_seconds if feed is not None else None


def _feed(inputs: DepartmentInput) -> ConsentFeed | None:
    # A site that has no name could not tell itself from the others.
    return inputs.record.parsed.spec.consent_feed if inputs.site else None


def _agreement(agreement: Agreement, inputs: DepartmentInput) -> AgreementPlan:
    # Without its signatures: they have been checked, the store has no use for them, and they would be half of a plan whose size is bounded.
    spec, record = agreement.spec.model_copy(update={"signatures": [], "revocations": None}), agreement.record
    dry = spec.mode == "DryRun"
    signed = agreement.terms.hash if spec.nonce is not None and not dry else None
    return AgreementPlan(
        name=record.key.name,
        uid=record.uid,
        generation=record.generation,
        spec=spec,
        dry_run=dry,
        signed=signed,
        consumer_name=inputs.display_names.get(spec.consumer.department),
        consumer_name_cy=inputs.welsh_names.get(spec.consumer.department),
    )


def model_plan(inputs: DepartmentInput) -> ModelPlan:
    """Return every valid model and where it reads; a feature without an agreement is refused by its owner's data API, not here."""
    providers = sorted({need.department for m in inputs.models for need in needs(m.parsed)})
    return ModelPlan(
        department=inputs.record.key.name,
        models=[_model(m, inputs) for m in inputs.models],
        sources=[FeatureSource(department=d, url=f"https://{cluster_host('data-api', d)}", audience=audience_of(d)) for d in providers],
    )


def _model(model: Record, inputs: DepartmentInput) -> ModelEntry:
    callers = agreed(model, inputs.needed[model.key], inputs.now)
    return ModelEntry(name=model.key.name, uid=model.uid, generation=model.generation, spec=model.parsed.spec, agreed=callers)


def next_moment(inputs: DepartmentInput) -> datetime | None:
    """Return when an agreement that concerns the department next begins or ends, or an earlier version of a product of its own ends."""
    about_models = (a for needed in inputs.needed.values() for n in needed for a in n.agreements)
    moments = [next_boundary(a.record, inputs.now) for a in (*inputs.agreements, *inputs.consumed, *about_models)]
    moments += [data_product.next_end(c.record, inputs.now) for c in inputs.contracts]
    return min((t for t in moments if t is not None), default=None)


def status(inputs: DepartmentInput, problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the status without times."""
    record, running = inputs.record, inputs.running
    findings = [
        _namespace(inputs, problems),
        _plan(inputs),
        _store(running.store, inputs.report),
        _data_api(running.data_api),
        _models(running.models, unused=not inputs.models),
        _continues(inputs.parties),
        _complaints(inputs.report),
        *_linking(inputs),
    ]
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(findings, record.generation),
        "namespace": namespace_of(record.key.name),
        "dataApi": inputs.data_api_url,
        "models": inputs.models_url,
        "parties": [party.wire() for party in inputs.parties] or None,
        "links": cases.wire() if (cases := _cases(inputs)) is not None else None,
        "keys": _keys(inputs),
    }
    return {k: v for k, v in found.items() if v is not None}


def _keys(inputs: DepartmentInput) -> list[dict[str, Any]] | None:
    """Return the public keys. Those that are not known just now stay as they were published: a key that is missed for a moment must close nothing."""
    report = inputs.report
    reported = report.seal_key if report is not None and report.seal_key is not None and report.seal_key.purpose == "Seal" else None
    found = (inputs.signing, reported or key_for("Seal", inputs.record.status))
    return [key.wire() for key in found if key is not None] or None


def _namespace(inputs: DepartmentInput, problems: Sequence[Problem]) -> Finding:
    if inputs.unsplit:
        return Finding(_C.NAMESPACE_READY, _R.LAYOUT_OUTDATED, f"StatefulSet store is in {namespace_of(inputs.record.key.name)}.")
    for problem in problems:
        reason = {"NameConflict": _R.NAME_CONFLICT, "Terminating": _R.NAMESPACE_TERMINATING}.get(problem.reason)
        # What stands in the way is named; the register's own words say the rest.
        detail = problem.message if reason is None else f"{problem.kind} {problem.name}."
        return Finding(_C.NAMESPACE_READY, reason or _R.NAMESPACE_PENDING, detail)
    if not inputs.running.quota_counted:
        return Finding(_C.NAMESPACE_READY, _R.NAMESPACE_PENDING, "Its ResourceQuota is not counted yet, so objects would be refused.")
    return Finding(_C.NAMESPACE_READY, _R.NAMESPACE_ACTIVE)


def _plan(inputs: DepartmentInput) -> Finding:
    left_out = [name for fitted in inputs.plans for name in fitted.left_out]
    if not left_out:
        return Finding(_C.PLAN_COMPLETE, _R.PLAN_COMPLETE)
    return Finding(_C.PLAN_COMPLETE, _R.PLAN_TOO_LARGE, f"Left out: {named(left_out, ', ')}.")


def _continues(parties: Sequence[Party]) -> Finding:
    ending = [f"{p.department} (since {p.ending.isoformat()}): {', '.join((*p.agreements, *p.models))}." for p in parties if p.ending]
    return Finding(_C.CONTINUES, _R.PARTY_ENDING, " ".join(ending)) if ending else Finding(_C.CONTINUES, _R.CONTINUING)


def _complaints(report: StoreReport | None) -> Finding:
    count = report.complaints if report is not None else None
    if count is None or not count.overdue:
        return Finding(_C.COMPLAINTS_ANSWERED, _R.COMPLAINTS_IN_TIME)
    since = f", the oldest since {count.since.date().isoformat()}" if count.since is not None else ""
    return Finding(_C.COMPLAINTS_ANSWERED, _R.COMPLAINTS_OVERDUE, f"{count.overdue} of {count.open}{since}.")


def _linking(inputs: DepartmentInput) -> list[Finding]:
    if inputs.record.parsed.spec.matching is None:
        return []
    return [_linking_fault(inputs) or standing_of(_cases(inputs))]


def _cases(inputs: DepartmentInput) -> LinkCases | None:
    return inputs.report.links if inputs.report is not None else None


def _store(load: Workload | None, report: StoreReport | None) -> Finding:
    if load is None or load.ready < load.wanted:
        return Finding(_C.STORE_READY, _R.STORE_STARTING, _progress("store-0", load))
    if report is None:
        return Finding(_C.STORE_READY, _R.STORE_STARTING, "Pod store-0 is ready; its keeper has not reported yet.")
    return Finding(_C.STORE_READY, _R.STORE_RUNNING)


def _data_api(load: Workload | None) -> Finding:
    return _http(_C.DATA_API_READY, (_R.DATA_API_RUNNING, _R.DATA_API_STARTING, _R.DATA_API_FAILING), "data-api", load)


def _models(load: Workload | None, *, unused: bool) -> Finding:
    if unused and load is not None:
        return Finding(_C.MODELS_READY, _R.MODELS_NOT_NEEDED)
    return _http(_C.MODELS_READY, (_R.MODELS_RUNNING, _R.MODELS_STARTING, _R.MODELS_FAILING), "models", load)


def _http(type_: ConditionType, reasons: tuple[Reason, Reason, Reason], name: str, load: Workload | None) -> Finding:
    running, starting, failing = reasons
    if load is not None and load.wanted and load.ready >= load.wanted:
        return Finding(type_, running)
    if load is not None and "exceeded quota" in load.message:
        return Finding(type_, _R.QUOTA_EXCEEDED, load.message)
    if load is not None and "ProgressDeadlineExceeded" in load.message:
        return Finding(type_, failing, load.message)
    return Finding(type_, starting, _progress(f"of deployment {name}", load))


def _progress(pod: str, load: Workload | None) -> str:
    return f"Pod {pod}: {load.ready if load else 0} of {load.wanted if load else 1} ready."
