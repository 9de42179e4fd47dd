"""Which version of a product an agreement reads: one rule for operator and keeper."""

from __future__ import annotations

from datetime import datetime

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec, major_of
from commonweal_api.offer import Offer


def served_versions(product: DataProductSpec, now: datetime) -> dict[int, Offer]:
    """Return what is served at `now` by major number: the current version first, then earlier ones that have not ended, newest first."""
    earlier = sorted((e for e in product.earlier if now < e.until), key=lambda e: major_of(e.version), reverse=True)
    return {major_of(product.version): product, **{major_of(e.version): e for e in earlier}}


def served_version(product: DataProductSpec, agreement: ConsentPolicySpec, now: datetime) -> int | None:
    """Return the major version that the agreement reads at `now`, or None when the product serves none for it.

    An agreement that names a version reads that one. Another reads the newest version that offers all its fields, so that a new major version which keeps
    the old one in `spec.earlier` closes nobody; when none offers them all, it is given the current one, whose lack is then named.
    """
    served = served_versions(product, now)
    wanted = agreement.product.version
    if wanted is not None:
        return wanted if wanted in served else None
    return next((major for major, offer in served.items() if set(agreement.fields) <= set(offer.names())), major_of(product.version))
