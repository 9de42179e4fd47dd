"""Who has signed an agreement, and whether it counts: both parties, over the terms as they stand, with keys that they publish now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from commonweal_api.agreement_signatures import kid_of, verify
from commonweal_api.jwk import Jwk, PurposeOfKey
from commonweal_api.negotiation import Negotiation, Signature
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding
from commonweal_operator.kinds.reading import department_of

_C, _R = ConditionType, Reason
_BROKEN = (_R.SIGNATURE_INVALID, _R.SIGNED_OTHER_TERMS, _R.SIGNED_BY_STRANGER)


class SignatureState(NamedTuple):
    """How far the parties are: what CounterSigned says, and who has signed so that it counts."""

    finding: Finding
    signed: frozenset[str]


def parties_of(policy: Record) -> tuple[str, ...]:
    """Return provider and consumer; one department that agrees with itself is one party."""
    return tuple(dict.fromkeys((department_of(policy.key.tenant), policy.parsed.spec.consumer.department)))


def key_for(purpose: PurposeOfKey, status: Mapping[str, Any]) -> Jwk | None:
    """Return the public key for that purpose that a Department's status shows; one that cannot be read counts as none."""
    keys = (_jwk(entry) for entry in status.get("keys") or ())
    return next((key for key in keys if key is not None and key.purpose == purpose), None)


def signature_state(policy: Record, digest: str, keys: Mapping[str, Jwk]) -> SignatureState:
    """Return who has signed the terms that have this digest; `keys` are those of the parties that show one.

    A signature that does not hold comes first in what is said: it must never look like one that is only missing.
    """
    parties = parties_of(policy)
    faults = {s.party: _fault(s, parties, digest, keys) for s in policy.parsed.spec.signatures}
    signed = frozenset(party for party, fault in faults.items() if fault is None)
    bad = sorted((f for f in faults.values() if f is not None), key=lambda f: f.reason not in _BROKEN)
    missing = [party for party in parties if party not in faults]
    if bad:
        return SignatureState(bad[0], signed)
    if missing:
        detail = f"status.hash: {digest}. Missing: {', '.join(missing)}."
        return SignatureState(Finding(_C.COUNTER_SIGNED, _R.AWAITING_SIGNATURE, detail), signed)
    return SignatureState(Finding(_C.COUNTER_SIGNED, _R.COUNTER_SIGNED), signed)


def negotiation(policy: Record, state: SignatureState, *, whole: bool) -> Negotiation:
    """Return the state of the negotiation; `whole` says that everything besides the signatures is in place."""
    if state.finding.reason in _BROKEN:
        return Negotiation.TERMINATED
    if state.finding.holds:
        return Negotiation.FINALIZED if whole else Negotiation.AGREED
    return Negotiation.ACCEPTED if policy.parsed.spec.consumer.department in state.signed else Negotiation.OFFERED


def _fault(signature: Signature, parties: tuple[str, ...], digest: str, keys: Mapping[str, Jwk]) -> Finding | None:
    """Return what is wrong with one signature, or None."""
    party, place = signature.party, f"spec.signatures, {signature.party}:"
    if party not in parties:
        return Finding(_C.COUNTER_SIGNED, _R.SIGNED_BY_STRANGER, f"{place} the parties are {' and '.join(parties)}.")
    if signature.hash != digest:
        return Finding(_C.COUNTER_SIGNED, _R.SIGNED_OTHER_TERMS, f"{place} signed {signature.hash}; these terms are {digest}.")
    key = keys.get(party)
    if key is None:
        return Finding(_C.COUNTER_SIGNED, _R.PARTY_KEY_UNKNOWN, f"Department {party}.")
    found = verify(signature.jws, [key])
    if found is None:
        return Finding(_C.COUNTER_SIGNED, _R.SIGNATURE_INVALID, f"{place} {_why(signature.jws, key.kid)}")
    if (found.hash, found.party) != (digest, party):
        return Finding(_C.COUNTER_SIGNED, _R.SIGNATURE_INVALID, f"{place} its JWS is by {found.party} over {found.hash}.")
    return None


def _why(text: str, kid: str) -> str:
    used = kid_of(text)
    if used is None:
        return "its JWS is no signature under an agreement."
    if used != kid:
        return f"it was made with the key {used}, which the department does not publish or publishes no more; its key is {kid} now."
    return f"its JWS was not made with the key {kid}, or was changed since."


def _jwk(entry: Any) -> Jwk | None:
    try:
        return Jwk.model_validate(entry)
    except ValidationError:
        return None
