"""Versions of a product side by side: each earlier one is a product of its own, `name@MAJOR`, with its own table and contract."""

from __future__ import annotations

from datetime import datetime

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import EarlierVersion, major_of
from commonweal_api.plan import ProductPlan, StorePlan
from commonweal_api.reasons import Reason
from commonweal_api.versions import served_version, served_versions
from commonweal_runtime.exceptions import AgreementClosedError

MARK = "@"  # no product's own name has it


def name_of(product: str, major: int) -> str:
    """Return the name of an earlier version in the store."""
    return f"{product}{MARK}{major}"


def expand(plan: StorePlan, now: datetime) -> StorePlan:
    """Return the plan with each earlier version that has not ended at `now` as a product of its own, after the one that it belongs to."""
    products = [q for p in plan.products for q in (p, *(_earlier(p, e) for e in p.spec.earlier if now < e.until))]
    return plan.model_copy(update={"products": products})


def next_end(plan: StorePlan, now: datetime) -> datetime | None:
    """Return the next moment at which a version of the plan ends; the plan has to be carried out anew then."""
    return min((e.until for p in plan.products for e in p.spec.earlier if now < e.until), default=None)


def resolve(plan: StorePlan, agreement: ConsentPolicySpec, now: datetime) -> str:
    """Return the name in the store of the version that an agreement reads at `now`; raise AgreementClosedError when there is none."""
    name = agreement.product.name
    product = next((p for p in plan.products if p.name == name), None)
    if product is None:
        raise AgreementClosedError(Reason.PRODUCT_NOT_FOUND, f"There is no product «{name}» here.")
    major = served_version(product.spec, agreement, now)
    if major is None:
        served = ", ".join(map(str, served_versions(product.spec, now)))
        raise AgreementClosedError(
            Reason.VERSION_UNKNOWN, f"spec.product.version: «{name}» serves no version {agreement.product.version}; it has {served}."
        )
    return name if major == major_of(product.spec.version) else name_of(name, major)


def _earlier(product: ProductPlan, version: EarlierVersion) -> ProductPlan:
    """Return an earlier version as a product: the same source, subject and service, its own offer, and the checks on the fields that it has."""
    raw = {f.name for f in version.fields if f.mask is None}
    spec = product.spec.model_copy(
        update={
            "version": version.version,
            "fields": version.fields,
            "answers": version.answers,
            "quality": [q for q in product.spec.quality if q.field is None or q.field in raw],
            "earlier": [],
        }
    )
    major = major_of(version.version)
    return product.model_copy(update={"name": name_of(product.name, major), "uid": name_of(product.uid, major), "spec": spec})
