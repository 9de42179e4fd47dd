"""ConsentPolicy: whether it may be enforced, and whether it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from commonweal_api import ConsentPolicy, DataProduct
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_operator.engine.objects import Record
from commonweal_operator.kinds.conditions import Finding, conditions
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason


def admission(record: Record, world: World, now: datetime) -> list[Finding]:
    """Return what stands for or against reading under an agreement, in order of causes."""
    policy: ConsentPolicy = record.parsed
    product = world.product(record.key.tenant, policy.spec.product.name)
    offered: DataProduct | None = product.parsed if product is not None and not product.deleting else None
    return [_resolved(policy, product), _permitted(policy, offered), _consumer(policy, world), _in_force(policy, now)]


def admitted(record: Record, world: World, now: datetime) -> bool:
    """Return whether the agreement is whole and in force: only then does the network open for it."""
    return all(finding.holds for finding in admission(record, world, now))


def enforceable(record: Record, world: World, now: datetime) -> bool:
    """Return whether the agreement belongs into the store's plan, which says nothing of the time.

    Its term is the store's own business: the row policies hold it by the database's clock, and a client that comes too late or too early is told so.
    """
    return all(finding.holds for finding in admission(record, world, now) if finding.type is not _C.IN_FORCE)


def next_boundary(record: Record, now: datetime) -> datetime | None:
    """Return when the agreement next begins or ends, or None."""
    validity = record.parsed.spec.validity
    return min((t for t in (validity.from_, validity.until) if t > now), default=None)


def narrowed(old: ConsentPolicy, new: ConsentPolicy) -> bool:
    """Return whether the new spec takes anything away that the old one allowed."""
    was, now = old.spec, new.spec
    return (
        not set(was.fields) <= set(now.fields)
        or not {p.key for p in was.purposes} <= {p.key for p in now.purposes}
        or not set(was.consumer.clients) <= set(now.consumer.clients)
        or now.limits.max_rows < was.limits.max_rows
        or now.validity.until < was.validity.until
        or now.validity.from_ > was.validity.from_
        or now.subjects != was.subjects
    )


def status(record: Record, world: World, now: datetime) -> dict[str, Any]:
    """Return the status without times. The number, once given, stays: it names the agreement in the audit for ever."""
    findings = admission(record, world, now)
    report = world.store_report(record.key.tenant)
    outcome = report.agreements.get(record.key.name) if report is not None else None
    mine = outcome is not None and outcome.uid == record.uid
    number = outcome.number if mine and outcome is not None else None
    current = (
        outcome if mine and outcome is not None and outcome.generation == record.generation and all(f.holds for f in findings) else None
    )
    if current is None:
        findings.append(Finding(_C.ENFORCED, _R.STORE_PENDING))
    elif current.ready:
        findings.append(Finding(_C.ENFORCED, _R.ENFORCED))
    else:
        reason = _R(current.reason) if current.reason in set(_R) and _C.ENFORCED in entry_of(current.reason).types else _R.STORE_REFUSED
        findings.append(Finding(_C.ENFORCED, reason, current.message))
    base = world.base_url("data-api", record.key.tenant)
    found = {
        "observedGeneration": record.generation,
        "conditions": conditions(findings, record.generation),
        "agreement": number if number is not None else record.status.get("agreement"),
        "endpoint": f"{base}/v1/{record.parsed.spec.product.name}",
    }
    return {k: v for k, v in found.items() if v is not None}


def _resolved(policy: ConsentPolicy, product: Record | None) -> Finding:
    name = policy.spec.product.name
    if product is None or product.deleting:
        return Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_NOT_FOUND, f"spec.product.name: {name}.")
    if product.parsed is None:
        return Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_NOT_READY, f"DataProduct {name}: {product.invalid}")
    return Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_RESOLVED)


def _permitted(policy: ConsentPolicy, product: DataProduct | None) -> Finding:
    fields = {f.name: f for f in product.spec.fields} if product is not None else {}
    wanted = policy.spec.fields
    missing = [name for name in wanted if name not in fields]
    if missing:
        offered = f" It offers {', '.join(fields)}." if fields else ""
        return Finding(_C.FIELDS_PERMITTED, _R.FIELD_NOT_OFFERED, f"spec.fields: {', '.join(missing)}.{offered}")
    for name in wanted:
        mask = fields[name].mask
        if mask is not None and mask.of in wanted:
            return Finding(_C.FIELDS_PERMITTED, _R.MASK_AND_RAW_TOGETHER, f"spec.fields: {name} masks {mask.of}.")
    return Finding(_C.FIELDS_PERMITTED, _R.FIELDS_PERMITTED)


def _consumer(policy: ConsentPolicy, world: World) -> Finding:
    name = policy.spec.consumer.department
    if world.department(name) is None:
        return Finding(_C.CONSUMER_KNOWN, _R.CONSUMER_NOT_FOUND, f"spec.consumer.department: {name}.")
    return Finding(_C.CONSUMER_KNOWN, _R.CONSUMER_KNOWN)


def _in_force(policy: ConsentPolicy, now: datetime) -> Finding:
    validity = policy.spec.validity
    if now < validity.from_:
        return Finding(_C.IN_FORCE, _R.NOT_YET_IN_FORCE, f"It begins at {validity.from_.isoformat()}.")
    if now >= validity.until:
        return Finding(_C.IN_FORCE, _R.EXPIRED, f"It ended at {validity.until.isoformat()}.")
    return Finding(_C.IN_FORCE, _R.IN_FORCE)
