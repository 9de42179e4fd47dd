"""Reasons of a ConsentPolicy."""

from __future__ import annotations

from commonweal_api.reasons.names import ConditionType, Entry, Reason, no, wait, yes

_T, _R = ConditionType, Reason

AGREEMENTS: dict[Reason, Entry] = {
    _R.PRODUCT_RESOLVED: yes(_T.PRODUCT_RESOLVED, "The product exists in this namespace."),
    _R.PRODUCT_NOT_FOUND: no(
        (_T.PRODUCT_RESOLVED, _T.FIELDS_PERMITTED, _T.COUNTER_SIGNED, _T.ENFORCED, _T.DATA_PRODUCTS_READY),
        "There is no such DataProduct, or it is being deleted.",
        "Correct the product's name in spec, or apply the DataProduct; names are looked up in its department's namespace only.",
    ),
    _R.PRODUCT_NOT_READY: no(
        (_T.PRODUCT_RESOLVED, _T.FIELDS_PERMITTED, _T.COUNTER_SIGNED, _T.ENFORCED, _T.DATA_PRODUCTS_READY),
        "The DataProduct exists but is not ready.",
        "See the conditions of the DataProduct that the message names.",
    ),
    _R.VERSION_UNKNOWN: no(
        (_T.PRODUCT_RESOLVED, _T.COUNTER_SIGNED, _T.ENFORCED),
        "The product does not serve that major version, or serves it no more.",
        "Correct spec.product.version to one of the DataProduct's status.versions, or leave it out for the current one.",
    ),
    _R.FIELDS_PERMITTED: yes(_T.FIELDS_PERMITTED, "The product offers every field that the agreement lists."),
    _R.FIELD_NOT_OFFERED: no(
        (_T.FIELDS_PERMITTED, _T.ENFORCED),
        "The agreement lists a field that the product does not offer.",
        "Remove the field that the message names from spec.fields, or publish it in the DataProduct.",
    ),
    _R.MASK_AND_RAW_TOGETHER: no(
        (_T.FIELDS_PERMITTED, _T.ENFORCED),
        "The agreement grants a mask and the raw field that it masks, which makes the mask pointless.",
        "Keep one of the two that the message names in spec.fields.",
    ),
    _R.LINKAGE_FIELD_UNKNOWN: no(
        _T.FIELDS_PERMITTED,
        "The agreement links on a field that the product does not have, or that is a mask or an answer.",
        "Correct spec.linkage.on to a field of the product with a column or an expression.",
    ),
    _R.LINKAGE_NOT_LIVE: no(
        (_T.FIELDS_PERMITTED, _T.ENFORCED),
        "The agreement links, and the product is read Live: the store holds no field to link on.",
        "Take spec.linkage out of the agreement, or have spec.serve.mode of the product set to Replica.",
    ),
    _R.PERSON_KEY_GIVEN: no(
        (_T.FIELDS_PERMITTED, _T.ENFORCED),
        "A field of the agreement would give the source's own key of the person, which never leaves it.",
        "Remove the field that the message names from spec.fields, or publish a mask of it (Present, FirstThree) in the DataProduct; records are told apart"
        " by subject, and matched by spec.linkage.",
    ),
    _R.CONSUMER_KNOWN: yes(_T.CONSUMER_KNOWN, "The consuming department exists on this site."),
    _R.CONSUMER_NOT_FOUND: no(
        _T.CONSUMER_KNOWN,
        "The consuming department does not exist on this site.",
        "Correct spec.consumer.department, or have the platform team create the Department.",
    ),
    _R.COUNTER_SIGNED: yes(_T.COUNTER_SIGNED, "Provider and consumer have signed the agreement as it stands."),
    _R.AWAITING_SIGNATURE: no(
        _T.COUNTER_SIGNED,
        "A party has not signed, so nothing is opened.",
        "Have the department that the message names run `commonweal agreement sign`, and apply the agreement with its signature in spec.signatures.",
    ),
    _R.SIGNATURE_INVALID: no(
        _T.COUNTER_SIGNED,
        "A signature does not verify against the keys of its department.",
        "Take the signature that the message names out of spec.signatures, and have that department sign again.",
    ),
    _R.SIGNED_OTHER_TERMS: no(
        _T.COUNTER_SIGNED,
        "A party signed other terms than those that stand here.",
        "Put back what was signed, or take out spec.signatures and have both sign the present status.hash.",
    ),
    _R.SIGNED_BY_STRANGER: no(
        _T.COUNTER_SIGNED,
        "A signature is by a department that is neither provider nor consumer.",
        "Take the signature that the message names out of spec.signatures.",
    ),
    _R.PARTY_KEY_UNKNOWN: wait(
        _T.COUNTER_SIGNED,
        "The public key of a party is not known yet, so its signature cannot be checked.",
        "Wait until the Department that the message names shows status.keys.",
    ),
    _R.MEANING_CHANGED: no(
        (_T.COUNTER_SIGNED, _T.ENFORCED),
        "A field means something else than when the agreement was signed, so nothing is opened.",
        "Put the DataProduct back as it was, or have both parties run `commonweal agreement sign --renew` over what it means now.",
    ),
    _R.SIGNED_BEFORE: yes(
        _T.COUNTER_SIGNED,
        "Both have signed in the form of an earlier release, which does not cover what the fields mean; it holds for a last term and cannot be changed, so have"
        " both parties run `commonweal agreement sign --renew` before that ends.",
    ),
    _R.REVOKED: no(
        _T.COUNTER_SIGNED,
        "A party has revoked the agreement, and it never opens again.",
        "Delete it, or have both parties agree again with `commonweal agreement sign --renew`.",
    ),
    _R.REVOCATION_INVALID: no(
        _T.COUNTER_SIGNED,
        "A revocation does not verify against the keys of the parties; until it is known whose it is, the agreement is closed.",
        "Have the party that wants it over run `commonweal agreement revoke`, or have both agree again with `commonweal agreement sign --renew`.",
    ),
    _R.IN_FORCE: yes(_T.IN_FORCE, "The agreement's term has begun and has not ended."),
    _R.NOT_YET_IN_FORCE: no(
        _T.IN_FORCE, "The agreement's term begins later.", "Wait until spec.validity.from, or bring that date forward."
    ),
    _R.EXPIRED: no(
        _T.IN_FORCE, "The agreement's term has ended; every read is refused.", "Extend spec.validity.until, or delete the agreement."
    ),
    _R.ENFORCED: yes(_T.ENFORCED, "The store grants exactly what the agreement says."),
    _R.NONCE_ENDED: no(
        _T.ENFORCED,
        "The store has kept that this nonce is over: the agreement was revoked, or others took its place.",
        "Have both parties agree again with `commonweal agreement sign --renew`, which writes another spec.nonce.",
    ),
    _R.NONCE_USED: no(
        _T.ENFORCED,
        "The store knows this nonce as that of another agreement, of one that was deleted, or of other terms.",
        "Have both parties agree again with `commonweal agreement sign --renew`, which writes another spec.nonce.",
    ),
    _R.LAPSED: no(
        _T.ENFORCED,
        "It was signed in the form of an earlier release, and is not, or not any more, among those that hold for a last term.",
        "Have both parties run `commonweal agreement sign --renew`.",
    ),
    _R.DRY_RUN: wait(
        _T.ENFORCED,
        "It is a dry run: nothing is opened, and what Enforce would change is told in status.whatIf.",
        "Set spec.mode to Enforce when that is what you want.",
    ),
}
