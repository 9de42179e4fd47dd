"""Whether an agreement's terms hold against what a product offers. Each check says in a condition what it found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from commonweal_api.consent_policy import ConsentPolicySpec, Validity
from commonweal_api.data_product import DataProductSpec
from commonweal_api.meaning import Meaning, gives_key, meaning_of
from commonweal_api.offer import Offer
from commonweal_api.reasons import ConditionType, Reason
from commonweal_api.versions import served_version, served_versions
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding
from commonweal_operator.kinds.signatures import Examined, SignatureState

_C, _R = ConditionType, Reason


class Terms(NamedTuple):
    """What was found about an agreement, in order of causes, how far the parties are, and over what.

    Time is not among it: the store holds the clock. `hash` and `meaning` are None while there is nothing to sign.
    """

    resolved: Finding
    permitted: Finding
    consumer: Finding
    signatures: SignatureState
    hash: str | None = None
    meaning: Meaning | None = None

    @property
    def whole(self) -> bool:
        """Whether everything besides the signatures is in place."""
        return self.resolved.holds and self.permitted.holds and self.consumer.holds

    @property
    def final(self) -> bool:
        """Whether it is agreed, and everything that it needs is in place."""
        return self.whole and self.signatures.finding.holds


class Parties(NamedTuple):
    """What is to be known of an agreement's parties: whether the consumer exists, and who has signed, which depends on what the fields mean."""

    consumer: Finding
    examine: Callable[[Meaning | None], Examined]


def consumer_known(spec: ConsentPolicySpec, *, exists: bool, ending: datetime | None = None) -> Finding:
    """Return what ConsumerKnown says; `exists` is whether the consuming department does, `ending` when it was deleted, if it is still there."""
    if exists:
        return Finding(_C.CONSUMER_KNOWN, _R.CONSUMER_KNOWN)
    if ending is not None:
        return Finding(
            _C.CONSUMER_KNOWN, _R.PARTY_ENDING, f"spec.consumer.department: {spec.consumer.department}, since {ending.isoformat()}."
        )
    return Finding(_C.CONSUMER_KNOWN, _R.CONSUMER_NOT_FOUND, f"spec.consumer.department: {spec.consumer.department}.")


def terms_for(spec: ConsentPolicySpec, parties: Parties, product: DataProductSpec, now: datetime) -> Terms:
    """Return how an agreement stands to the product."""
    major = served_version(product, spec, now)
    served = served_versions(product, now)
    if major is None:
        there = f"spec.product.version: {spec.product.version}. It serves {', '.join(str(m) for m in served)}."
        permitted = _permitted(spec, meaning_of(spec.fields, product, product), product)
        return _closed(Finding(_C.PRODUCT_RESOLVED, _R.VERSION_UNKNOWN, there), permitted, parties)
    offer = served[major]
    meaning = meaning_of(spec.fields, product, offer)
    permitted = _permitted(spec, meaning, offer)
    if permitted.holds and spec.linkage is not None and product.serve.mode == "Live":
        permitted = Finding(_C.FIELDS_PERMITTED, _R.LINKAGE_NOT_LIVE, f"spec.linkage: DataProduct {spec.product.name}.")
    digest, signatures = parties.examine(meaning)
    return Terms(Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_RESOLVED), permitted, parties.consumer, signatures, digest, meaning)


def terms_without_product(spec: ConsentPolicySpec, parties: Parties, product: Record | None) -> Terms:
    """Return how an agreement stands whose product is missing or does not parse."""
    if product is None or product.deleting:
        found = Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_NOT_FOUND, f"spec.product.name: {spec.product.name}.")
    else:
        found = Finding(_C.PRODUCT_RESOLVED, _R.PRODUCT_NOT_READY, f"DataProduct {spec.product.name}: {product.invalid}")
    return _closed(found, found._replace(type=_C.FIELDS_PERMITTED), parties)


def _closed(resolved: Finding, permitted: Finding, parties: Parties) -> Terms:
    """Return the terms of an agreement that reads nothing: what was to be signed is not known, unless it was signed by its words alone."""
    digest, signatures = parties.examine(None)
    if digest is None and signatures.finding.holds:
        signatures = signatures._replace(finding=resolved._replace(type=_C.COUNTER_SIGNED))
    return Terms(resolved, permitted, parties.consumer, signatures, digest)


def within_term(validity: Validity, now: datetime) -> Finding:
    """Return whether the agreement's term has begun and has not ended."""
    if now < validity.from_:
        return Finding(_C.IN_FORCE, _R.NOT_YET_IN_FORCE, f"It begins at {validity.from_.isoformat()}.")
    if now >= validity.until:
        return Finding(_C.IN_FORCE, _R.EXPIRED, f"It ended at {validity.until.isoformat()}.")
    return Finding(_C.IN_FORCE, _R.IN_FORCE)


def _permitted(spec: ConsentPolicySpec, meaning: Meaning, offer: Offer) -> Finding:
    fields, wanted = {f.name: f for f in offer.fields}, spec.fields
    missing = [name for name in wanted if name not in offer.names()]
    if missing:
        detail = f"spec.fields: {', '.join(missing)}. It offers {', '.join(offer.names())}."
        return Finding(_C.FIELDS_PERMITTED, _R.FIELD_NOT_OFFERED, detail)
    for name in wanted:
        mask = fields[name].mask if name in fields else None
        if mask is not None and mask.of in wanted:
            return Finding(_C.FIELDS_PERMITTED, _R.MASK_AND_RAW_TOGETHER, f"spec.fields: {name} masks {mask.of}.")
    key = gives_key(meaning)
    if key is not None:
        return Finding(_C.FIELDS_PERMITTED, _R.PERSON_KEY_GIVEN, f"spec.fields: {key} is made from {meaning.subject}.")
    if spec.linkage is not None and (spec.linkage.on not in fields or fields[spec.linkage.on].mask is not None):
        return Finding(_C.FIELDS_PERMITTED, _R.LINKAGE_FIELD_UNKNOWN, f"spec.linkage.on: {spec.linkage.on}.")
    return Finding(_C.FIELDS_PERMITTED, _R.FIELDS_PERMITTED)
