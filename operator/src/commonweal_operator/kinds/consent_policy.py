"""ConsentPolicy: whether it may be enforced, and whether it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.kinds import offer, signatures, terms
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.terms import Terms
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason


def examine(record: Record, world: World, now: datetime) -> Terms:
    """Return how an agreement stands to what its product has in force."""
    product = world.product(record.key.tenant, record.parsed.spec.product.name)
    if product is None or product.deleting or product.parsed is None:
        return terms.without_product(record, product, world)
    return terms.examine(record, offer.in_force(product, world, now).plan.spec, world, now)


def admitted(record: Record, world: World, now: datetime) -> bool:
    """Return whether the agreement is final, enforced, and within its term."""
    return enforceable(record, world, now) and record.parsed.spec.validity.holds(now)


def enforceable(record: Record, world: World, now: datetime) -> bool:
    """Return whether the agreement is to be enforced, which says nothing of the time.

    Its term is the store's own business: the row policies hold it by the database's clock, and a client that comes too late or too early is told so.
    """
    return record.parsed.spec.mode == "Enforce" and examine(record, world, now).final


def reachable(record: Record, world: World, now: datetime) -> bool:
    """Return whether the network lets the consumer in: from the agreement's first moment for as long as it exists.

    A consumer that comes after the last moment is told so by the store, instead of getting no connection.
    """
    return now >= record.parsed.spec.validity.from_ and enforceable(record, world, now)


def planned(record: Record, world: World, now: datetime) -> bool:
    """Return whether the agreement belongs into the store's plan: to be enforced, or as a dry run, which opens nothing and so needs no signatures."""
    found = examine(record, world, now)
    return found.whole if record.parsed.spec.mode == "DryRun" else found.final


def next_boundary(record: Record, now: datetime) -> datetime | None:
    """Return when the agreement next begins or ends, or None."""
    validity = record.parsed.spec.validity
    return min((t for t in (validity.from_, validity.until) if t > now), default=None)


def narrowed(old: ConsentPolicy, new: ConsentPolicy) -> bool:
    """Return whether the new spec may take anything away that the old one allowed.

    What is signed can only change together with its signatures, so fewer or other signatures, or another mode, are the ordinary ways to close.
    """
    was, now = old.spec, new.spec
    return (
        (was.mode == "Enforce" and now.mode != "Enforce")
        or not set(was.signatures) <= set(now.signatures)
        or not set(was.fields) <= set(now.fields)
        or not {p.key for p in was.purposes} <= {p.key for p in now.purposes}
        or not set(was.consumer.clients) <= set(now.consumer.clients)
        or now.limits.max_rows < was.limits.max_rows
        or now.validity.until < was.validity.until
        or now.validity.from_ > was.validity.from_
        or _rest(was) != _rest(now)
    )


def _rest(spec: ConsentPolicySpec) -> tuple[Any, ...]:
    """Return what has no obvious «more»: any change of it counts as taking something away."""
    return (spec.product, spec.basis, spec.subjects, spec.transparency, spec.linkage, spec.limits.model_copy(update={"max_rows": 1}))


def status(record: Record, world: World, now: datetime) -> dict[str, Any]:
    """Return the status without times. The number, once given, stays: it names the agreement in the audit for ever."""
    found = examine(record, world, now)
    report = world.store_report(record.key.tenant)
    outcome = report.agreements.get(record.key.name) if report is not None else None
    mine = outcome if outcome is not None and outcome.uid == record.uid else None
    wanted = found.whole if record.parsed.spec.mode == "DryRun" else found.final
    current = mine if mine is not None and mine.generation == record.generation and wanted else None
    findings = [found.resolved, found.permitted, found.consumer, found.stands.finding, terms.in_force(record.parsed, now)]
    findings.append(_enforced(record, current))
    number = mine.number if mine is not None else None
    said = {
        "observedGeneration": record.generation,
        "conditions": conditions(findings, record.generation),
        "agreement": number if number is not None else record.status.get("agreement"),
        "endpoint": f"{world.base_url('data-api', record.key.tenant)}/v1/{record.parsed.spec.product.name}",
        "negotiation": str(signatures.negotiation(record, found.stands, whole=found.whole)),
        "hash": world.hash_of(record),
        "whatIf": _what_if(record, current),
    }
    return {k: v for k, v in said.items() if v is not None}


def _enforced(record: Record, outcome: Outcome | None) -> Finding:
    if outcome is None:
        return Finding(_C.ENFORCED, _R.STORE_PENDING)
    if outcome.ready:
        return Finding(_C.ENFORCED, _R.DRY_RUN if record.parsed.spec.mode == "DryRun" else _R.ENFORCED)
    known = outcome.reason in set(_R) and _C.ENFORCED in entry_of(outcome.reason).types
    return Finding(_C.ENFORCED, _R(outcome.reason) if known else _R.STORE_REFUSED, outcome.message)


def _what_if(record: Record, outcome: Outcome | None) -> Any:
    """Return what a dry run would change. Counted again with the same result it keeps its time: a status is not written to say nothing new."""
    if record.parsed.spec.mode != "DryRun":
        return None
    had = record.status.get("whatIf")
    if outcome is None or outcome.what_if is None:
        return had
    new = outcome.what_if.wire()
    same = isinstance(had, dict) and {**had, "asOf": ""} == {**new, "asOf": ""}
    return had if same else new
