"""ModelService: whether it may read what it wants, and whether it runs. Without its agreements it runs all the same, without those features."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from commonweal_api import ModelService, namespace_of
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding, conditions, status_of
from commonweal_operator.kinds.consent_policy import admitted
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason
CLIENT = "models"  # the ServiceAccount of every model runtime


class Need(NamedTuple):
    """What a model reads of one product."""

    department: str
    product: str
    fields: tuple[str, ...]


def needs(model: ModelService) -> list[Need]:
    """Return what the model reads, one entry per product."""
    pairs = sorted({(f.department, f.product) for f in model.spec.features})
    return [Need(d, p, tuple(f.field for f in model.spec.features if (f.department, f.product) == (d, p))) for d, p in pairs]


def status(record: Record, world: World, now: datetime) -> dict[str, Any]:
    """Return the status without times."""
    findings = [_products(record.parsed, world), _agreements(record, world, now), _runtime(record, world)]
    base, name = world.base_url("models", record.key.tenant), record.key.name
    endpoints = {
        "rank": f"{base}/v1/models/{name}/rank",
        "reward": f"{base}/v1/models/{name}/reward",
        "infer": f"{base}/v2/models/{name}/infer",
        "metadata": f"{base}/v2/models/{name}",
    }
    return {"observedGeneration": record.generation, "conditions": conditions(findings, record.generation), "endpoints": endpoints}


def _products(model: ModelService, world: World) -> Finding:
    for need in needs(model):
        where = f"{need.department}/{need.product}"
        product = world.product(namespace_of(need.department), need.product)
        if product is None or product.deleting or world.department(need.department) is None:
            return Finding(_C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_FOUND, f"spec.features: {where}.")
        if not status_of(product.status, _C.SERVING, product.generation):
            return Finding(_C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_READY, f"spec.features: {where}.")
    return Finding(_C.DATA_PRODUCTS_READY, _R.DATA_PRODUCTS_READY)


def _agreements(record: Record, world: World, now: datetime) -> Finding:
    found = [_bound(need, record, world, now) for need in needs(record.parsed)]
    lacking = [f for f in found if not f.holds]
    if not lacking:
        return Finding(_C.AGREEMENTS_BOUND, _R.AGREEMENTS_BOUND)
    return lacking[0]._replace(detail=" ".join(f.detail for f in lacking))


def _bound(need: Need, record: Record, world: World, now: datetime) -> Finding:
    """Return whether one agreement covers the need; else the check that the best candidate fails, and what exactly to ask for."""
    consumer, purpose = department_of(record.key.tenant), record.parsed.spec.purpose
    left = [
        p
        for p in world.usable("ConsentPolicy", namespace_of(need.department))
        if p.parsed.spec.product.name == need.product and p.parsed.spec.consumer.department == consumer
    ]
    checks: tuple[tuple[Reason, Callable[[Record], bool]], ...] = (
        # An agreement with this department for another client and another purpose has nothing to do with the model.
        (_R.NO_AGREEMENT, lambda p: _for_purpose(p, purpose) or _for_client(p)),
        (_R.PURPOSE_NOT_AGREED, lambda p: _for_purpose(p, purpose)),
        (_R.CLIENT_NOT_AGREED, _for_client),
        (_R.FIELD_NOT_AGREED, lambda p: set(need.fields) <= set(p.parsed.spec.fields)),
        (_R.AGREEMENT_NOT_IN_FORCE, lambda p: admitted(p, world, now) and status_of(p.status, _C.ENFORCED, p.generation)),
    )
    wish = f"Needed: {need.department}/{need.product} for {consumer}, client {CLIENT}, purpose {purpose}, fields {', '.join(need.fields)}."
    for reason, check in checks:
        passed = [p for p in left if check(p)]
        if not passed:
            near = "" if reason is _R.NO_AGREEMENT else f"ConsentPolicy {', '.join(f'{p.key.tenant}/{p.key.name}' for p in left)}. "
            return Finding(_C.AGREEMENTS_BOUND, reason, near + wish)
        left = passed
    return Finding(_C.AGREEMENTS_BOUND, _R.AGREEMENTS_BOUND)


def _for_purpose(policy: Record, purpose: str) -> bool:
    return any(p.key == purpose for p in policy.parsed.spec.purposes)


def _for_client(policy: Record) -> bool:
    return CLIENT in policy.parsed.spec.consumer.clients


def _runtime(record: Record, world: World) -> Finding:
    report = world.model_report(record.key.tenant)
    outcome = report.models.get(record.key.name) if report is not None else None
    if outcome is None or (outcome.uid, outcome.generation) != (record.uid, record.generation):
        return Finding(_C.RUNTIME_READY, _R.RUNTIME_PENDING)
    if outcome.ready:
        return Finding(_C.RUNTIME_READY, _R.RUNTIME_READY)
    reason = _R(outcome.reason) if outcome.reason in set(_R) and _C.RUNTIME_READY in entry_of(outcome.reason).types else _R.RUNTIME_REFUSED
    return Finding(_C.RUNTIME_READY, reason, outcome.message)
