"""Which version of a product an agreement reads: one rule for operator and keeper."""

from __future__ import annotations

from datetime import datetime

from commonweal_api.compatibility import breaking
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec, major_of
from commonweal_api.meaning import Meaning, definitions, meaning_of
from commonweal_api.offer import Offer


def served_versions(product: DataProductSpec, now: datetime) -> dict[int, Offer]:
    """Return what is served at `now` by major number: the current version first, then earlier ones that have not ended, newest first."""
    earlier = sorted((e for e in product.earlier if now < e.until), key=lambda e: major_of(e.version), reverse=True)
    return {major_of(product.version): product, **{major_of(e.version): e for e in earlier}}


def served_version(product: DataProductSpec, agreement: ConsentPolicySpec, now: datetime) -> int | None:
    """Return the major version that the agreement reads at `now`, or None when the product serves none for it.

    An agreement that names a version reads that one. Another begins at the oldest version that offers all its fields and moves up as long as nothing that
    it reads breaks or means something else: a new major version that keeps the old one in `spec.earlier` changes nothing under anybody's feet. When no version offers all its
    fields it is given the current one, whose lack is then named.
    """
    served = served_versions(product, now)
    wanted = agreement.product.version
    if wanted is not None:
        return wanted if wanted in served else None
    rising = [(major, offer) for major, offer in reversed(served.items()) if set(agreement.fields) <= set(offer.names())]
    if not rising:
        return major_of(product.version)
    major, reached = rising[0]
    for next_major, offer in rising[1:]:
        if breaking(reached, offer, agreement.fields) or definitions(reached, agreement.fields) != definitions(offer, agreement.fields):
            break
        major, reached = next_major, offer
    return major


def meaning_for(product: DataProductSpec, agreement: ConsentPolicySpec, now: datetime) -> Meaning | None:
    """Return what the agreement's fields mean in the version that it reads at `now`; None when there is no such version."""
    major = served_version(product, agreement, now)
    return meaning_of(agreement.fields, product, served_versions(product, now)[major]) if major is not None else None
