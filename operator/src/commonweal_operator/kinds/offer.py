"""What a product has in force: its newest contract, or the one before it while the newest would break what somebody reads.

The plan in the cluster remembers the contract that was carried out last, so a change that is refused stays refused when the operator starts anew. Nothing
is taken away meanwhile: the old contract is served on.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from commonweal_api.compatibility import breaking
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import ProductPlan
from commonweal_api.versions import served_version, served_versions
from commonweal_kube.objects import Record
from commonweal_operator.kinds import terms
from commonweal_operator.kinds.world import World


class InForce(NamedTuple):
    """The contract that the store shall carry out, and, when the newest one is held back, whom and what it would break."""

    plan: ProductPlan
    breaks: tuple[str, ...] = ()


def in_force(product: Record, world: World, now: datetime) -> InForce:
    """Return what a product has in force; it must parse."""
    newest = ProductPlan(name=product.key.name, uid=product.uid, generation=product.generation, spec=product.parsed.spec)
    last = world.in_force(product.key.tenant).get(product.key.name)
    if last is None or last.uid != product.uid or last.generation == product.generation or last.spec == newest.spec:
        return InForce(newest)
    readers = (p for p in world.usable("ConsentPolicy", product.key.tenant) if p.parsed.spec.product.name == product.key.name)
    breaks = [text for p in readers if reads(p, last.spec, world, now) for text in _broken(p, last.spec, newest.spec, now)]
    return InForce(last, tuple(breaks)) if breaks else InForce(newest)


def reads(policy: Record, product: DataProductSpec, world: World, now: datetime) -> bool:
    """Return whether the product must keep its promise to this agreement: it is agreed, enforced and has not ended."""
    spec: ConsentPolicySpec = policy.parsed.spec
    return spec.mode == "Enforce" and now < spec.validity.until and terms.examine(policy, product, world, now).final


def _broken(policy: Record, old: DataProductSpec, new: DataProductSpec, now: datetime) -> list[str]:
    """Return what the agreement would lose, each as text that names field and consumer."""
    spec: ConsentPolicySpec = policy.parsed.spec
    who = f"It is read under {spec.consumer.department}/{policy.key.name}"
    before, after = served_version(old, spec, now), served_version(new, spec, now)
    if before is None:
        return []
    if after is None:
        return [f"Version {before} is served no more. {who}."]
    changes = breaking(served_versions(old, now)[before], served_versions(new, now)[after], spec.fields)
    return [f"{change.sentence} {who}." for change in changes]
