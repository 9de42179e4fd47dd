"""Inputs of the four kinds, as one pass gathers them, each with the reason that it must give."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from commonweal_api import DataProduct
from commonweal_api.department import LinkCases, Party
from commonweal_api.plan import ComplaintCount, Outcome, StoreReport
from commonweal_api.quality import QualityCount
from commonweal_api.reasons import CONDITIONS_OF, ConditionType, Reason, entry_of
from commonweal_kube.objects import ObjectCache, Record
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.observed import Workload
from commonweal_operator.kinds.conditions import Finding
from commonweal_operator.kinds.consent_policy import Agreement, ConsentPolicyInput
from commonweal_operator.kinds.contract import Contract, newest
from commonweal_operator.kinds.data_product import DataProductInput
from commonweal_operator.kinds.department import DepartmentInput, Running
from commonweal_operator.kinds.gather import ClosedInput, Input
from commonweal_operator.kinds.model_service import ModelServiceInput, NeededProduct, needs
from commonweal_operator.kinds.reading import key_of, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.signatures import Examined, SignatureState, signature_state
from commonweal_operator.kinds.terms import Parties, consumer_known, terms_for, terms_without_product
from commonweal_operator.kinds.view import ClusterView
from support.products import largest_product
from support.signing import hash_of, revocation, seed_of, signature, with_nonce
from support.signing import key_of as signing_key
from support.site import NOW, PLATFORM, documents

_C, _R = ConditionType, Reason
PROVIDER, CONSUMER = "companies-registry", "tax-authority"
EXPIRED = {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
LATER = {"from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"}


def record(file: str, name: str, spec: dict[str, Any] | None = None, **status: Any) -> Record:
    """Return one object of the example as a record; `spec` changes members of its spec, and None takes one out."""
    body = copy.deepcopy(next(b for b in documents(file) if b["metadata"]["name"] == name))
    body["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1}
    body["spec"] = {k: v for k, v in (body["spec"] | (spec or {})).items() if v is not None}
    found = read(body | {"status": status}, None)
    assert found.parsed is not None, found.invalid
    return found


def true(*types: ConditionType) -> dict[str, Any]:
    return {"conditions": [{"type": t, "status": "True", "observedGeneration": 1} for t in types]}


def outcome(reason: str, message: str = "", *, ready: bool = False, **more: Any) -> Outcome:
    return Outcome(uid="u", generation=1, ready=ready, reason=reason, message=message, **more)


def found_in(inputs: Input, problems: tuple[Problem, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return the conditions by type; each is one that the register allows, and says nothing twice."""
    rules = KindRules(ClusterView(ObjectCache(key_of, read), PLATFORM, NoKeys()))
    conditions = {c["type"]: c for c in rules.status(inputs, problems)["conditions"]}
    for type_, condition in conditions.items():
        assert type_ == "Ready" or type_ in entry_of(condition["reason"]).types
        assert unrepeated(condition["message"]), condition["message"]
    return conditions


def unrepeated(message: str) -> bool:
    """Return whether no sentence stands twice in a message."""
    said = [part.strip(" .") for part in re.split(r"[.:;]\s", message) if part.strip(" .")]
    return len(set(said)) == len(said)


def shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else ""


class NoKeys:
    def public(self, uid: str) -> None:
        """No key is known before a status shows it."""


# DataProduct

LIVE = {"serve": {"mode": "Live"}, "quality": None, "sla": None, "answers": None, "earlier": None}
ALL_PASSED = QualityCount(passed=2)


def product(spec: dict[str, Any] | None = None, **more: Any) -> DataProductInput:
    made = record("30-products", "companies", spec)
    given = {"agreements": (), "outcome": None, "claims": frozenset(), "data_api": "https://api"} | more
    return DataProductInput(now=NOW, contract=Contract(made, newest(made)), **given)


def told(reason: str, message: str = "", **more: Any) -> DataProductInput:
    return product(outcome=outcome(reason, message, **more))


def live(reason: str, **more: Any) -> DataProductInput:
    fields = [f for f in documents("30-products")[0]["spec"]["fields"] if "from" not in f]
    return product(LIVE | {"fields": fields}, outcome=outcome(reason, **more))


SERVED = told("Serving", ready=True, quality=ALL_PASSED, sla_met=True)
BROKEN = replace(SERVED, contract=SERVED.contract._replace(breaks=("sector is no longer offered.",)))
SOURCE_REASONS = (
    "SourceUnsupported", "SourceUnreachable", "CredentialsMissing", "CredentialsRefused", "PasswordExposed", "SourceUnproven", "DatabaseMissing", "TableMissing", "ColumnMissing",
    "ColumnTypeMismatch", "FileMissing", "FileUnreadable", "BucketMissing", "LocationRefused", "AnswerRefused", "AddressRefused",
)  # fmt: skip
PRODUCTS: list[tuple[Input, ConditionType, Reason]] = [
    *((SERVED, t, Reason(t)) for t in (_C.MAPPING_VALID, _C.COMPATIBLE, _C.SOURCE_REACHABLE, _C.LOADED, _C.QUALITY_PASSED, _C.SLA_MET)),
    (SERVED, _C.SERVING, _R.SERVING),
    (SERVED, _C.READY, _R.ALL_READY),
    (product(), _C.MAPPING_VALID, _R.STORE_PENDING),
    (product(), _C.QUALITY_PASSED, _R.QUALITY_PENDING),
    (product(), _C.SLA_MET, _R.SLA_PENDING),
    (product({"quality": None}), _C.QUALITY_PASSED, _R.NO_CHECKS),
    (product({"quality": None}, outcome=SERVED.outcome), _C.QUALITY_PASSED, _R.NO_CHECKS),
    (told("LoadPending", quality=QualityCount(not_run=2)), _C.QUALITY_PASSED, _R.QUALITY_PENDING),
    (told("Serving", ready=True, quality=QualityCount()), _C.QUALITY_PASSED, _R.QUALITY_PENDING),
    (told("Serving", "Check «named»: 1.", ready=True, quality=QualityCount(passed=1, failed=1)), _C.QUALITY_PASSED, _R.QUALITY_FAILED),
    (told("Serving", "Check «named»: no.", ready=True, quality=QualityCount(passed=1, not_run=1)), _C.QUALITY_PASSED, _R.QUALITY_NOT_RUN),
    *(
        (told("QualityStopped", "Check «named»: 1.", quality=QualityCount(failed=1)), t, _R.QUALITY_STOPPED)
        for t in (_C.QUALITY_PASSED, _C.SERVING)
    ),
    (told("Serving", ready=True, sla_met=False), _C.SLA_MET, _R.SLA_MISSED),
    (BROKEN, _C.COMPATIBLE, _R.BREAKING_CHANGE),
    (BROKEN, _C.READY, _R.BREAKING_CHANGE),
    (told("MappingInvalid", "spec.fields status: no."), _C.MAPPING_VALID, _R.MAPPING_INVALID),
    *((told(reason, "db:5432."), _C.SOURCE_REACHABLE, Reason(reason)) for reason in SOURCE_REASONS),
    (product({"source": {"parquet": {"location": "volume://archive/x"}}}), _C.SOURCE_REACHABLE, _R.VOLUME_MISSING),
    *((told("LoadPending", "1000 records so far."), t, _R.LOAD_PENDING) for t in (_C.SOURCE_REACHABLE, _C.LOADED, _C.READY)),
    (told("LoadFailed", "db:5432 broke off."), _C.LOADED, _R.LOAD_FAILED),
    (told("RowsRefused", "3 records.", ready=True), _C.LOADED, _R.ROWS_REFUSED),
    (told("LossRefused", "3 of 9 records would go.", ready=True), _C.LOADED, _R.LOSS_REFUSED),
    (told("KeysClash", "2 of the ids.", ready=True), _C.LOADED, _R.KEYS_CLASH),
    *((told("StoreRefused", "The store has no connection left."), t, _R.STORE_REFUSED) for t in (_C.SERVING, _C.READY)),
    *((told("StoreRefused", "The store has no connection left."), t, _R.LOAD_PENDING) for t in (_C.SOURCE_REACHABLE, _C.LOADED)),
    (live("Serving", ready=True), _C.PUSHDOWN_SAFE, _R.PUSHDOWN_SAFE),
    (live("PushdownUnsafe"), _C.PUSHDOWN_SAFE, _R.PUSHDOWN_UNSAFE),
    (live("LoadPending"), _C.PUSHDOWN_SAFE, _R.LOAD_PENDING),
    (ClosedInput(SERVED.record, _R.INVALID_SPEC, "spec.version: no."), _C.SERVING, _R.INVALID_SPEC),
    (ClosedInput(SERVED.record, _R.ENDING, "metadata.namespace: x."), _C.READY, _R.ENDING),
    (ClosedInput(SERVED.record, _R.DEPARTMENT_NOT_READY, "metadata.namespace: x."), _C.READY, _R.DEPARTMENT_NOT_READY),
]

# ConsentPolicy

UNSIGNED = SignatureState(Finding(_C.COUNTER_SIGNED, _R.AWAITING_SIGNATURE), frozenset())
SIGNED = SignatureState(Finding(_C.COUNTER_SIGNED, _R.COUNTER_SIGNED), frozenset({PROVIDER, CONSUMER}))
CHANGED = SignatureState(Finding(_C.COUNTER_SIGNED, _R.MEANING_CHANGED, "sector meant «a» and means «b»."), frozenset())
HASH = "sha256:" + "0" * 64


def agreement(
    spec: dict[str, Any] | None = None,
    *,
    about: Record | None = SERVED.record,
    state: SignatureState = SIGNED,
    known: bool = True,
    ending: datetime | None = None,
) -> Agreement:
    made = record("40-agreements", "tax-registers-business", spec, **true(_C.ENFORCED))
    wanted = made.parsed.spec
    parties = Parties(
        consumer_known(wanted, exists=known, ending=ending), lambda meaning: Examined(HASH if meaning is not None else None, state)
    )
    usable = about is not None and about.parsed is not None
    terms = (
        terms_for(wanted, parties, about.parsed.spec, NOW)
        if about is not None and usable
        else terms_without_product(wanted, parties, about)
    )
    return Agreement(made, terms)


def policy(spec: dict[str, Any] | None = None, told: Outcome | None = None, **more: Any) -> ConsentPolicyInput:
    return ConsentPolicyInput(
        now=NOW, agreement=agreement(spec, **more), contract=SERVED.contract, outcome=told, data_api="https://api", display_names={}
    )


def signatures(
    *parties: str,
    seeds: dict[str, bytes] | None = None,
    hash_: str = "",
    keys: tuple[str, ...] = (PROVIDER, CONSUMER),
    told: Outcome | None = None,
    **spec: Any,
) -> ConsentPolicyInput:
    """Return an agreement signed by those parties, whose departments show these keys."""
    body = with_nonce(next(b for b in documents("40-agreements") if b["metadata"]["name"] == "tax-registers-business"))
    body["spec"].update(spec)
    made = [signature(body, party, (seeds or {}).get(party), hash_) for party in parties]
    whole = record("40-agreements", "tax-registers-business", body["spec"] | {"signatures": made})
    state = signature_state(whole, hash_of(body), {name: signing_key(name) for name in keys})
    return policy(body["spec"] | {"signatures": made}, state=state, told=told)


ENFORCED = policy(told=outcome("Enforced", ready=True))
UNPARSED = replace(SERVED.record, parsed=None, invalid="spec.version: no.")
LINKED = {"linkage": {"on": "companyName"}}
LIVE_PRODUCT = live("Serving", ready=True).record
STORE_SAYS = (
    "ProductNotFound", "ProductNotReady", "VersionUnknown", "FieldNotOffered", "MaskAndRawTogether", "LinkageNotLive", "StoreRefused", "PersonKeyGiven",
    "NonceEnded", "NonceUsed", "Lapsed", "MeaningChanged",
)  # fmt: skip
OFFERED = with_nonce(next(b for b in documents("40-agreements") if b["metadata"]["name"] == "tax-registers-business"))
OVER = [revocation(OFFERED, CONSUMER)]
FORGED = [revocation(OFFERED, CONSUMER, seed_of(PROVIDER))]
KEY_FIELD = {"name": "directorKey", "column": "director_ref", "type": "String"}
KEYED = record("30-products", "companies", {"fields": [*documents("30-products")[0]["spec"]["fields"], KEY_FIELD]})
POLICIES: list[tuple[Input, ConditionType, Reason]] = [
    *((ENFORCED, t, Reason(t)) for t in CONDITIONS_OF["ConsentPolicy"] if t is not _C.READY),
    *((policy(about=None), t, _R.PRODUCT_NOT_FOUND) for t in (_C.PRODUCT_RESOLVED, _C.FIELDS_PERMITTED)),
    *((policy(about=UNPARSED), t, _R.PRODUCT_NOT_READY) for t in (_C.PRODUCT_RESOLVED, _C.FIELDS_PERMITTED)),
    (policy({"product": {"name": "companies", "version": 7}}), _C.PRODUCT_RESOLVED, _R.VERSION_UNKNOWN),
    (policy({"fields": ["shoeSize"]}), _C.FIELDS_PERMITTED, _R.FIELD_NOT_OFFERED),
    (policy({"fields": ["postcodeArea", "postcode"]}), _C.FIELDS_PERMITTED, _R.MASK_AND_RAW_TOGETHER),
    (policy({"linkage": {"on": "shoeSize"}}), _C.FIELDS_PERMITTED, _R.LINKAGE_FIELD_UNKNOWN),
    (policy(LINKED | {"fields": ["companyName"]}, about=LIVE_PRODUCT), _C.FIELDS_PERMITTED, _R.LINKAGE_NOT_LIVE),
    (policy({"fields": ["directorKey"]}, about=KEYED), _C.FIELDS_PERMITTED, _R.PERSON_KEY_GIVEN),
    *((policy(about=None), t, _R.PRODUCT_NOT_FOUND) for t in (_C.COUNTER_SIGNED, _C.READY)),
    (signatures(PROVIDER, CONSUMER, nonce=None), _C.COUNTER_SIGNED, _R.SIGNED_BEFORE),
    (policy(state=CHANGED), _C.COUNTER_SIGNED, _R.MEANING_CHANGED),
    (signatures(PROVIDER, CONSUMER, revocations=OVER), _C.COUNTER_SIGNED, _R.REVOKED),
    (signatures(PROVIDER, CONSUMER, revocations=FORGED), _C.COUNTER_SIGNED, _R.REVOCATION_INVALID),
    (signatures(revocations=OVER), _C.COUNTER_SIGNED, _R.REVOKED),
    (policy(known=False), _C.CONSUMER_KNOWN, _R.CONSUMER_NOT_FOUND),
    (policy(known=False, ending=NOW), _C.CONSUMER_KNOWN, _R.PARTY_ENDING),
    (signatures(PROVIDER, CONSUMER), _C.COUNTER_SIGNED, _R.COUNTER_SIGNED),
    (signatures(PROVIDER), _C.COUNTER_SIGNED, _R.AWAITING_SIGNATURE),
    (signatures(PROVIDER, CONSUMER, seeds={CONSUMER: seed_of("x")}), _C.COUNTER_SIGNED, _R.SIGNATURE_INVALID),
    (signatures(PROVIDER, hash_=HASH), _C.COUNTER_SIGNED, _R.SIGNED_OTHER_TERMS),
    (signatures(PROVIDER, "benefits-department"), _C.COUNTER_SIGNED, _R.SIGNED_BY_STRANGER),
    (signatures(PROVIDER, CONSUMER, keys=(PROVIDER,)), _C.COUNTER_SIGNED, _R.PARTY_KEY_UNKNOWN),
    (policy({"validity": LATER, "assurance": None}), _C.IN_FORCE, _R.NOT_YET_IN_FORCE),
    (policy({"validity": EXPIRED, "assurance": None}), _C.IN_FORCE, _R.EXPIRED),
    (policy(), _C.ENFORCED, _R.STORE_PENDING),
    (policy({"mode": "DryRun"}, told=outcome("DryRun")), _C.ENFORCED, _R.DRY_RUN),
    *((policy(told=outcome(reason, "The detail.")), _C.ENFORCED, Reason(reason)) for reason in STORE_SAYS),
    (policy(told=outcome("NeverHeardOf", "The detail.")), _C.ENFORCED, _R.STORE_REFUSED),
    (policy(told=outcome("Enforced", ready=True).model_copy(update={"uid": "another"})), _C.ENFORCED, _R.STORE_PENDING),
]

# ModelService

MODEL = record("50-model", "next-step")
(NEED, *_) = needs(MODEL.parsed)
COVERING = {
    "purposes": next(b for b in documents("40-agreements") if b["metadata"]["name"] == "guidance-knows-company")["spec"]["purposes"],
    "consumer": {"department": CONSUMER, "clients": ["models"]},
    "fields": list(NEED.fields),
}


def model(*agreements: Agreement, served: bool = True, there: bool = True, told: Outcome | None = None) -> ModelServiceInput:
    made = replace(SERVED.record, status=true(_C.SERVING) if served else {})
    return ModelServiceInput(NOW, MODEL, (NeededProduct(NEED, made if there else None, agreements),), told, "https://models")


def called_by(caller: dict[str, str], *agreements: Agreement) -> ModelServiceInput:
    return replace(model(*agreements), record=record("50-model", "next-step", {"callers": [caller]}))


BENEFITS = {"department": "benefits-department", "client": "benefits-app"}
NAMING = COVERING | {"consumer": {"department": BENEFITS["department"], "clients": [BENEFITS["client"]]}}
BOUND = model(agreement(COVERING), told=outcome("RuntimeReady", ready=True))
MODELS: list[tuple[Input, ConditionType, Reason]] = [
    *((BOUND, t, Reason(t)) for t in CONDITIONS_OF["ModelService"] if t is not _C.READY),
    (model(there=False), _C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_FOUND),
    (replace(model(), needed=(NeededProduct(NEED, None, (), NOW),)), _C.DATA_PRODUCTS_READY, _R.PARTY_ENDING),
    (model(served=False), _C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_READY),
    (model(), _C.AGREEMENTS_BOUND, _R.NO_AGREEMENT),
    (model(agreement()), _C.AGREEMENTS_BOUND, _R.NO_AGREEMENT),
    (model(agreement(COVERING | {"purposes": agreement().spec.wire()["purposes"]})), _C.AGREEMENTS_BOUND, _R.PURPOSE_NOT_AGREED),
    (model(agreement(COVERING | {"consumer": {"department": CONSUMER, "clients": ["app"]}})), _C.AGREEMENTS_BOUND, _R.CLIENT_NOT_AGREED),
    (model(agreement(COVERING | {"fields": ["companyName"]})), _C.AGREEMENTS_BOUND, _R.FIELD_NOT_AGREED),
    (model(agreement(COVERING | {"validity": EXPIRED, "assurance": None})), _C.AGREEMENTS_BOUND, _R.AGREEMENT_NOT_IN_FORCE),
    (called_by(BENEFITS), _C.CALLERS_AGREED, _R.CALLER_NOT_AGREED),
    (called_by(BENEFITS, agreement(NAMING | {"fields": ["sector"]})), _C.CALLERS_AGREED, _R.CALLER_NOT_AGREED),
    (called_by(BENEFITS, agreement(NAMING)), _C.CALLERS_AGREED, _R.CALLERS_AGREED),
    (model(), _C.RUNTIME_READY, _R.RUNTIME_PENDING),
    (model(told=outcome("RuntimeRefused", "spec.learner: no.")), _C.RUNTIME_READY, _R.RUNTIME_REFUSED),
]

# Department

UP = Workload(1, 1, 1)
QUOTA = "FailedCreate: pods is forbidden: exceeded quota: department."


def department(
    problems: tuple[Problem, ...] = (),
    *,
    own_models: tuple[Record, ...] = (MODEL,),
    contracts: tuple[Contract, ...] = (SERVED.contract,),
    report: StoreReport | None = None,
    unsplit: bool = False,
    spec: dict[str, Any] | None = None,
    **running: Any,
) -> tuple[DepartmentInput, tuple[Problem, ...]]:
    inputs = DepartmentInput(
        now=NOW,
        site="",
        record=record("10-departments", PROVIDER, spec),
        signing=None,
        contracts=contracts,
        agreements=(agreement(),),
        consumed=(),
        models=own_models,
        needed={m.key: () for m in own_models},
        calling=(),
        departments=frozenset({CONSUMER}),
        claims=frozenset(),
        report=report,
        old_store=unsplit,
        unsplit=unsplit,
        running=Running(**({"quota_counted": True, "store": UP, "data_api": UP, "models": UP} | running)),
        data_api_url="https://api",
        models_url="https://models",
    )
    return inputs, problems


def problem(reason: str, kind: str = "Role") -> tuple[Problem, ...]:
    return (Problem(kind, "store", reason, f"{kind} store exists and does not belong to this department; it is left alone."),)


LARGEST_SPEC = DataProduct.model_validate(largest_product()).spec
LARGEST = (Contract(SERVED.record, SERVED.contract.plan.model_copy(update={"spec": LARGEST_SPEC})),) * 20
UNMATCHED: dict[str, Any] = {"matching": None}
LINKS = LinkCases(open=2, frozen=1)


def matching(**over: Any) -> dict[str, Any]:
    return {"matching": {**record("10-departments", PROVIDER).parsed.spec.matching.wire(), **over}}


OVERDUE = ComplaintCount(open=5, overdue=2, since=NOW)
RUNNING = department(report=StoreReport(plan="d"))
DEPARTMENTS: list[tuple[tuple[DepartmentInput, tuple[Problem, ...]], ConditionType, Reason]] = [
    (RUNNING, _C.NAMESPACE_READY, _R.NAMESPACE_ACTIVE),
    (RUNNING, _C.PLAN_COMPLETE, _R.PLAN_COMPLETE),
    (RUNNING, _C.CONTINUES, _R.CONTINUING),
    ((replace(RUNNING[0], parties=(Party(department=CONSUMER, agreements=["a/b"], ending=NOW),)), ()), _C.CONTINUES, _R.PARTY_ENDING),
    (RUNNING, _C.COMPLAINTS_ANSWERED, _R.COMPLAINTS_IN_TIME),
    (department(report=StoreReport(plan="d", complaints=OVERDUE)), _C.COMPLAINTS_ANSWERED, _R.COMPLAINTS_OVERDUE),
    (department(contracts=LARGEST, spec=UNMATCHED), _C.PLAN_COMPLETE, _R.PLAN_TOO_LARGE),
    (RUNNING, _C.LINKING_READY, _R.LINKING_READY),
    (department(report=StoreReport(plan="d", links=LINKS)), _C.LINKING_READY, _R.LINK_CASES_OPEN),
    (department(contracts=()), _C.LINKING_READY, _R.MATCHING_PRODUCT_UNSUITABLE),
    (department(contracts=LARGEST[:1]), _C.LINKING_READY, _R.MATCHING_FIELD_UNSUITABLE),
    (department(spec=matching(code={"field": "familyName"})), _C.LINKING_READY, _R.MAIL_SERVER_MISSING),
    (RUNNING, _C.STORE_READY, _R.STORE_RUNNING),
    (RUNNING, _C.DATA_API_READY, _R.DATA_API_RUNNING),
    (RUNNING, _C.MODELS_READY, _R.MODELS_RUNNING),
    (department(quota_counted=False), _C.NAMESPACE_READY, _R.NAMESPACE_PENDING),
    (department(unsplit=True), _C.NAMESPACE_READY, _R.LAYOUT_OUTDATED),
    (department(problem("Refused")), _C.NAMESPACE_READY, _R.NAMESPACE_PENDING),
    (department(problem("NameConflict")), _C.NAMESPACE_READY, _R.NAME_CONFLICT),
    (department(problem("Terminating", "Namespace")), _C.NAMESPACE_READY, _R.NAMESPACE_TERMINATING),
    (department(), _C.STORE_READY, _R.STORE_STARTING),
    (department(store=None), _C.STORE_READY, _R.STORE_STARTING),
    (department(data_api=Workload(1, 1, 0)), _C.DATA_API_READY, _R.DATA_API_STARTING),
    (department(data_api=Workload(1, 1, 0, "ProgressDeadlineExceeded: timed out.")), _C.DATA_API_READY, _R.DATA_API_FAILING),
    (department(data_api=Workload(1, 1, 0, QUOTA)), _C.DATA_API_READY, _R.QUOTA_EXCEEDED),
    (department(models=None), _C.MODELS_READY, _R.MODELS_STARTING),
    (department(models=Workload(1, 1, 0, QUOTA)), _C.MODELS_READY, _R.QUOTA_EXCEEDED),
    (department(models=Workload(1, 1, 0, "ProgressDeadlineExceeded: timed out.")), _C.MODELS_READY, _R.MODELS_FAILING),
    (department(own_models=(), models=Workload(1, 0, 0)), _C.MODELS_READY, _R.MODELS_NOT_NEEDED),
]
