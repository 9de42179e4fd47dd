"""ModelService: whether it may read what it wants, and whether it runs. Without its agreements it runs all the same, without those features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from commonweal_api import ModelService
from commonweal_api.model_service import RUNTIME_CLIENT, Caller
from commonweal_api.plan import Outcome
from commonweal_api.reasons import ConditionType, Reason, entry_of
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding, conditions, status_of
from commonweal_operator.kinds.consent_policy import Agreement, admitted
from commonweal_operator.kinds.reading import department_of

_C, _R = ConditionType, Reason


class Need(NamedTuple):
    """What a model reads of one product."""

    department: str
    product: str
    fields: tuple[str, ...]


def needs(model: ModelService) -> list[Need]:
    """Return what the model reads, one entry per product."""
    pairs = sorted({(f.department, f.product) for f in model.spec.features})
    return [Need(d, p, tuple(f.field for f in model.spec.features if (f.department, f.product) == (d, p))) for d, p in pairs]


@dataclass(frozen=True, slots=True)
class NeededProduct:
    """What a model reads of one product, and what there is for it.

    `product` is None while it or its department is missing or being deleted; `agreements` are those about it with the department of the model, or of one
    of its callers, as consumer; `ending` when its department was deleted, if that is still there.
    """

    need: Need
    product: Record | None
    agreements: tuple[Agreement, ...]
    ending: datetime | None = None


@dataclass(frozen=True, slots=True)
class ModelServiceInput:
    """All that bears on one model. `outcome` is what the runtime reports under its name, which may be of another object; `models` is a base URL."""

    now: datetime
    record: Record
    needed: tuple[NeededProduct, ...]
    outcome: Outcome | None
    models: str


def status(inputs: ModelServiceInput) -> dict[str, Any]:
    """Return the status without times."""
    record, base, name = inputs.record, inputs.models, inputs.record.key.name
    findings = [_products(inputs.needed), _agreements(inputs), _callers(inputs), _runtime(record, inputs.outcome)]
    endpoints = {
        "rank": f"{base}/v1/models/{name}/rank",
        "reward": f"{base}/v1/models/{name}/reward",
        "infer": f"{base}/v2/models/{name}/infer",
        "metadata": f"{base}/v2/models/{name}",
    }
    return {"observedGeneration": record.generation, "conditions": conditions(findings, record.generation), "endpoints": endpoints}


def _products(needed: tuple[NeededProduct, ...]) -> Finding:
    for need, product, ending in ((n.need, n.product, n.ending) for n in needed):
        where = f"spec.features: {need.department}/{need.product}."
        if ending is not None:
            return Finding(_C.DATA_PRODUCTS_READY, _R.PARTY_ENDING, f"{where} Since {ending.isoformat()}.")
        if product is None:
            return Finding(_C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_FOUND, where)
        if not status_of(product.status, _C.SERVING, product.generation):
            return Finding(_C.DATA_PRODUCTS_READY, _R.PRODUCT_NOT_READY, where)
    return Finding(_C.DATA_PRODUCTS_READY, _R.DATA_PRODUCTS_READY)


def _agreements(inputs: ModelServiceInput) -> Finding:
    found = [_bound(needed, inputs.record, inputs.now) for needed in inputs.needed]
    lacking = [f for f in found if not f.holds]
    if not lacking:
        return Finding(_C.AGREEMENTS_BOUND, _R.AGREEMENTS_BOUND)
    return lacking[0]._replace(detail=" ".join(f.detail for f in lacking))


def _bound(needed: NeededProduct, model: Record, now: datetime) -> Finding:
    """Return whether one agreement covers the need; else the check that the best candidate fails, and what exactly to ask for."""
    need, consumer, purpose = needed.need, department_of(model.key.tenant), model.parsed.spec.purpose
    left = _of(needed, consumer)
    checks: tuple[tuple[Reason, Callable[[Agreement], bool]], ...] = (
        # An agreement with this department for another client and another purpose has nothing to do with the model.
        (_R.NO_AGREEMENT, lambda a: _for_purpose(a, purpose) or _for_client(a)),
        (_R.PURPOSE_NOT_AGREED, lambda a: _for_purpose(a, purpose)),
        (_R.CLIENT_NOT_AGREED, _for_client),
        (_R.FIELD_NOT_AGREED, lambda a: set(need.fields) <= set(a.spec.fields)),
        (_R.AGREEMENT_NOT_IN_FORCE, lambda a: admitted(a, now) and status_of(a.record.status, _C.ENFORCED, a.record.generation)),
    )
    wish = f"Needed: {need.department}/{need.product} for {consumer}, client {RUNTIME_CLIENT}, purpose {purpose}, fields {', '.join(need.fields)}."
    for reason, check in checks:
        passed = tuple(a for a in left if check(a))
        if not passed:
            keys = (a.record.key for a in left)
            near = "" if reason is _R.NO_AGREEMENT else f"ConsentPolicy {', '.join(f'{key.tenant}/{key.name}' for key in keys)}. "
            return Finding(_C.AGREEMENTS_BOUND, reason, near + wish)
        left = passed
    return Finding(_C.AGREEMENTS_BOUND, _R.AGREEMENTS_BOUND)


def agreed(model: Record, needed: Sequence[NeededProduct], now: datetime) -> list[Caller]:
    """Return the callers whom agreements name over all that the model reads: each could read itself what the model knows of a person.

    What is granted on this is asked for at the data APIs with the caller's name, and refused there by what is in force then.
    """
    return [c for c in model.parsed.spec.callers if needed and all(_names(n, c, model, now) for n in needed)]


def _names(needed: NeededProduct, caller: Caller, model: Record, now: datetime) -> bool:
    return any(
        caller.client in a.spec.consumer.clients
        and _for_purpose(a, model.parsed.spec.purpose)
        and set(needed.need.fields) <= set(a.spec.fields)
        and admitted(a, now)
        for a in _of(needed, caller.department)
    )


def _callers(inputs: ModelServiceInput) -> Finding:
    """Return whether each caller of another department is agreed; one of the own department is told decisions without that."""
    own, purpose = department_of(inputs.record.key.tenant), inputs.record.parsed.spec.purpose
    for caller in (c for c in inputs.record.parsed.spec.callers if c.department != own):
        for needed in inputs.needed:
            if not _names(needed, caller, inputs.record, inputs.now):
                need, who = needed.need, f"{caller.department}/{caller.client}"
                wish = f"{need.department}/{need.product} for {caller.department}, client {caller.client}, purpose {purpose}, fields {', '.join(need.fields)}"
                return Finding(_C.CALLERS_AGREED, _R.CALLER_NOT_AGREED, f"spec.callers: {who}. Needed: {wish}.")
    return Finding(_C.CALLERS_AGREED, _R.CALLERS_AGREED)


def _of(needed: NeededProduct, consumer: str) -> tuple[Agreement, ...]:
    return tuple(a for a in needed.agreements if a.spec.consumer.department == consumer)


def _for_purpose(agreement: Agreement, purpose: str) -> bool:
    return any(p.key == purpose for p in agreement.spec.purposes)


def _for_client(agreement: Agreement) -> bool:
    return RUNTIME_CLIENT in agreement.spec.consumer.clients


def _runtime(record: Record, outcome: Outcome | None) -> Finding:
    if outcome is None or (outcome.uid, outcome.generation) != (record.uid, record.generation):
        return Finding(_C.RUNTIME_READY, _R.RUNTIME_PENDING)
    if outcome.ready:
        return Finding(_C.RUNTIME_READY, _R.RUNTIME_READY)
    reason = _R(outcome.reason) if outcome.reason in set(_R) and _C.RUNTIME_READY in entry_of(outcome.reason).types else _R.RUNTIME_REFUSED
    return Finding(_C.RUNTIME_READY, reason, outcome.message)
