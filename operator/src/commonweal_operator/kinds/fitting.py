"""Making plans fit: what a ConfigMap cannot hold is left out in a stated order, and never what takes access away.

That is not in a plan at all: `commonweal_api.closings` lists what may be open, and what is left out here is not in that list either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import orjson

from commonweal_api.common import Strict
from commonweal_api.plan import AgreementPlan, ModelEntry, ModelPlan, ProductPlan, StorePlan

# A ConfigMap holds 1 MiB. Inside the request each quotation mark takes one byte more, and a request may have 3 MiB.
PLAN_BYTES = 900_000
P = TypeVar("P", StorePlan, ModelPlan)


class Fitted(NamedTuple, Generic[P]):
    """A plan that fits, and what was left out of it, each as kind and name."""

    plan: P
    left_out: tuple[str, ...] = ()


class _Part(NamedTuple):
    """What stays or goes together: a product with the agreements that open it, a dry run, a model."""

    step: int
    size: int
    entries: tuple[Strict, ...]


def fitted_store(plan: StorePlan, most: int = PLAN_BYTES) -> Fitted[StorePlan]:
    """Return the plan in at most that many bytes.

    First goes the public register of models, which opens nothing; then dry runs, which open nothing; then products that no agreement opens; then products with all agreements about them. Of each the largest first,
    so that as few as possible go.
    """
    if plan.models and _size(plan) > most:
        fitted = fitted_store(plan.model_copy(update={"models": None}), most)
        return fitted._replace(left_out=("public register of models", *fitted.left_out))
    left_out = _left_out(plan, _parts(plan), most)
    if not left_out:
        return Fitted(plan)
    gone = {(type(e), e.uid) for e in left_out if isinstance(e, ProductPlan | AgreementPlan)}
    products = [p for p in plan.products if (ProductPlan, p.uid) not in gone]
    agreements = [a for a in plan.agreements if (AgreementPlan, a.uid) not in gone]
    return Fitted(plan.model_copy(update={"products": products, "agreements": agreements}), _named(left_out))


def fitted_models(plan: ModelPlan, most: int = PLAN_BYTES) -> Fitted[ModelPlan]:
    """Return the plan in at most that many bytes; the largest models go first."""
    left_out = _left_out(plan, [_Part(0, _size(m), (m,)) for m in plan.models], most)
    if not left_out:
        return Fitted(plan)
    gone = {e.uid for e in left_out if isinstance(e, ModelEntry)}
    return Fitted(plan.model_copy(update={"models": [m for m in plan.models if m.uid not in gone]}), _named(left_out))


def _parts(plan: StorePlan) -> list[_Part]:
    opened: dict[str, list[AgreementPlan]] = {}
    for agreement in plan.agreements:
        if not agreement.dry_run:
            opened.setdefault(agreement.spec.product.name, []).append(agreement)
    parts = [_Part(0, _size(a), (a,)) for a in plan.agreements if a.dry_run]
    for product in plan.products:
        together = (product, *opened.pop(product.name, ()))
        parts.append(_Part(2 if len(together) > 1 else 1, sum(map(_size, together)), together))
    # An agreement about a product that the plan does not have opens nothing either.
    return parts + [_Part(0, _size(a), (a,)) for rest in opened.values() for a in rest]


def _left_out(plan: StorePlan | ModelPlan, parts: Sequence[_Part], most: int) -> list[Strict]:
    empty: dict[str, list[Strict]] = {"products": [], "agreements": []} if isinstance(plan, StorePlan) else {"models": []}
    size = _size(plan.model_copy(update=empty)) + sum(part.size for part in parts)
    gone: list[Strict] = []
    for part in sorted(parts, key=lambda p: (p.step, -p.size)):
        if size <= most:
            break
        gone += part.entries
        size -= part.size
    return gone


def _size(entry: Strict) -> int:
    return len(orjson.dumps(entry.wire())) + 1  # with the comma


def _named(entries: Iterable[Strict]) -> tuple[str, ...]:
    kinds = {ProductPlan: "DataProduct", AgreementPlan: "ConsentPolicy", ModelEntry: "ModelService"}
    return tuple(sorted(f"{kinds[type(e)]} {e.name}" for e in entries if isinstance(e, ProductPlan | AgreementPlan | ModelEntry)))
