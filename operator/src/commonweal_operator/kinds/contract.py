"""What a product has in force: its newest contract, or the one before it while the newest would break what somebody reads.

The plan in the cluster remembers the contract that was carried out last, so a change that is refused stays refused when the operator is started again.
Nothing is taken away meanwhile: the old contract is served on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from commonweal_api.compatibility import breaking
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import ProductPlan
from commonweal_api.versions import served_version, served_versions
from commonweal_kube.objects import Record
from commonweal_operator.kinds.terms import Parties, terms_for


class Contract(NamedTuple):
    """A product with the contract that the store shall carry out, and, when the newest one is held back, whom and what it would break."""

    record: Record
    plan: ProductPlan
    breaks: tuple[str, ...] = ()


class Reader(NamedTuple):
    """An agreement about the product, with what is known of its parties."""

    record: Record
    parties: Parties


def newest(product: Record) -> ProductPlan:
    """Return the product as its spec says it now."""
    return ProductPlan(name=product.key.name, uid=product.uid, generation=product.generation, spec=product.parsed.spec)


def replaced(product: Record, last: ProductPlan | None) -> ProductPlan | None:
    """Return the contract that the newest one would replace, or None when it replaces nothing: then nobody can be broken."""
    unchanged = last is None or last.uid != product.uid or last.generation == product.generation or last.spec == product.parsed.spec
    return None if unchanged else last


def contract_in_force(product: Record, last: ProductPlan | None, readers: Iterable[Reader], now: datetime) -> Contract:
    """Return the contract of a product that parses; `last` is what the newest one replaces, `readers` are the agreements about it."""
    new = newest(product)
    if last is None:
        return Contract(product, new)
    breaks = [text for r in readers if relies_on(r, last.spec, now) for text in _broken(r.record, last.spec, new.spec, now)]
    return Contract(product, last, tuple(breaks)) if breaks else Contract(product, new)


def relies_on(reader: Reader, product: DataProductSpec, now: datetime) -> bool:
    """Return whether the product must keep its promise to this agreement: it is agreed, enforced and has not ended."""
    spec: ConsentPolicySpec = reader.record.parsed.spec
    return spec.mode == "Enforce" and now < spec.validity.until and terms_for(spec, reader.parties, product, now).final


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
