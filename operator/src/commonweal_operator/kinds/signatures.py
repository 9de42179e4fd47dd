"""Who has signed an agreement, and whether it counts: both parties, over terms and meaning as they stand, with keys that they publish now, and none took it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from commonweal_api.agreement_signatures import agreement_hash, kid_of, verify, verify_revocation
from commonweal_api.jwk import Jwk, PurposeOfKey
from commonweal_api.meaning import Meaning, differences
from commonweal_api.negotiation import Negotiation, Revocation, Signature
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.objects import Record
from commonweal_operator.kinds.conditions import Finding
from commonweal_operator.kinds.reading import department_of

_C, _R = ConditionType, Reason
_BROKEN = (_R.SIGNATURE_INVALID, _R.SIGNED_OTHER_TERMS, _R.MEANING_CHANGED, _R.SIGNED_BY_STRANGER, _R.REVOKED, _R.REVOCATION_INVALID)
HashOf = Callable[[Record, Meaning | None], str]


class SignatureState(NamedTuple):
    """How far the parties are: what CounterSigned says, and who has signed so that it counts."""

    finding: Finding
    signed: frozenset[str]


class Examined(NamedTuple):
    """What the parties of an agreement sign now, and who has; `hash` is None while there is nothing to sign."""

    hash: str | None
    signatures: SignatureState


def parties_of(policy: Record) -> tuple[str, ...]:
    """Return provider and consumer; one department that agrees with itself is one party."""
    return tuple(dict.fromkeys((department_of(policy.key.tenant), policy.parsed.spec.consumer.department)))


def key_for(purpose: PurposeOfKey, status: Mapping[str, Any]) -> Jwk | None:
    """Return the public key for that purpose that a Department's status shows; one that cannot be read counts as none."""
    keys = (_jwk(entry) for entry in status.get("keys") or ())
    return next((key for key in keys if key is not None and key.purpose == purpose), None)


def examined(policy: Record, keys: Mapping[str, Jwk], hash_of: HashOf, meaning: Meaning | None) -> Examined:
    """Return what there is to sign while the fields mean this, and who has signed it; `keys` are those of the parties that show one.

    While it is not known what the fields mean, nobody can have signed it; whether both have signed the same shows all the same.
    """
    spec = policy.parsed.spec
    stated = next((s.hash for s in spec.signatures), None)
    if spec.nonce is not None and meaning is None:
        return Examined(None, signature_state(policy, stated or "", keys))
    digest = hash_of(policy, meaning) if spec.nonce is not None or stated is not None else ""
    state = signature_state(policy, digest, keys)
    if state.finding.reason is _R.SIGNED_OTHER_TERMS and meaning is not None and stated is not None:
        old = meant_when_signed(policy, stated)
        if old is not None and old != meaning:
            state = state._replace(finding=Finding(_C.COUNTER_SIGNED, _R.MEANING_CHANGED, " ".join(differences(old, meaning))))
    return Examined(digest or None, state)


def signature_state(policy: Record, digest: str, keys: Mapping[str, Jwk]) -> SignatureState:
    """Return who has signed the terms that have this digest; `keys` are those of the parties that show one.

    A revocation, then a signature that does not hold, come first in what is said: they must never look like one that is only missing.
    """
    parties = parties_of(policy)
    faults = {s.party: _fault(s, parties, digest, keys) for s in policy.parsed.spec.signatures}
    signed = frozenset(party for party, fault in faults.items() if fault is None)
    over = _over(policy, keys)
    bad = sorted((f for f in faults.values() if f is not None), key=lambda f: f.reason not in _BROKEN)
    missing = [party for party in parties if party not in faults]
    if over is not None or bad:
        return SignatureState(over or bad[0], signed)
    if missing:
        detail = (f"status.hash: {digest}. " if digest else "") + f"Missing: {', '.join(missing)}."
        return SignatureState(Finding(_C.COUNTER_SIGNED, _R.AWAITING_SIGNATURE, detail), signed)
    return SignatureState(Finding(_C.COUNTER_SIGNED, _R.COUNTER_SIGNED if policy.parsed.spec.nonce else _R.SIGNED_BEFORE), signed)


def meant_when_signed(policy: Record, digest: str) -> Meaning | None:
    """Return what the fields meant when these terms were signed, if the status still says it: the hash proves whatever stands there."""
    spec, provider = policy.parsed.spec, department_of(policy.key.tenant)
    if spec.nonce is None:
        return None
    kept = (_meaning(policy.status.get(name)) for name in ("signedMeaning", "meaning"))
    return next((m for m in kept if m is not None and agreement_hash(provider, policy.key.name, spec, m) == digest), None)


def revoked(policy: Record, keys: Mapping[str, Jwk]) -> list[str]:
    """Return the nonces that a party has revoked here, so that it counts."""
    return [r.nonce for r in policy.parsed.spec.revocations or () if _revokes(r, parties_of(policy), keys)]


def negotiation(policy: Record, state: SignatureState, *, whole: bool) -> Negotiation:
    """Return the state of the negotiation; `whole` says that everything besides the signatures is in place."""
    if state.finding.reason in _BROKEN:
        return Negotiation.TERMINATED
    if state.finding.holds and whole:
        return Negotiation.FINALIZED
    if state.signed >= set(parties_of(policy)):
        return Negotiation.AGREED
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


def _over(policy: Record, keys: Mapping[str, Jwk]) -> Finding | None:
    """Return what is said of revocations of the present nonce, or None. One that nobody can be found to have made closes as well."""
    spec, parties = policy.parsed.spec, parties_of(policy)
    found = [r for r in spec.revocations or () if r.nonce == spec.nonce]
    made = [r.party for r in found if _revokes(r, parties, keys)]
    if made:
        return Finding(_C.COUNTER_SIGNED, _R.REVOKED, f"spec.revocations: by {' and '.join(made)}.")
    return Finding(_C.COUNTER_SIGNED, _R.REVOCATION_INVALID, f"spec.revocations, {found[0].party}.") if found else None


def _revokes(revocation: Revocation, parties: tuple[str, ...], keys: Mapping[str, Jwk]) -> bool:
    key = keys.get(revocation.party)
    found = verify_revocation(revocation.jws, key) if key is not None and revocation.party in parties else None
    return found is not None and found[:3] == (revocation.nonce, revocation.hash, revocation.party)


def _meaning(written: Any) -> Meaning | None:
    try:
        return Meaning.model_validate(written)
    except ValidationError:
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
