"""Who has signed an agreement, and whether it counts: both parties, over the terms as they stand, with keys that they publish now."""

from __future__ import annotations

from typing import NamedTuple

from commonweal_api import ConsentPolicy
from commonweal_api.negotiation import Negotiation, Signature
from commonweal_api.reasons import ConditionType, Reason
from commonweal_kube.objects import Record
from commonweal_operator.kinds import jws
from commonweal_operator.kinds.conditions import Finding
from commonweal_operator.kinds.reading import department_of
from commonweal_operator.kinds.world import World

_C, _R = ConditionType, Reason
_BROKEN = (_R.SIGNATURE_INVALID, _R.SIGNED_OTHER_TERMS, _R.SIGNED_BY_STRANGER)


class Standing(NamedTuple):
    """How far the parties are: what CounterSigned says, and who has signed so that it counts."""

    finding: Finding
    signed: frozenset[str]


def parties_of(policy: Record) -> tuple[str, ...]:
    """Return provider and consumer; one department that agrees with itself is one party."""
    return tuple(dict.fromkeys((department_of(policy.key.tenant), policy.parsed.spec.consumer.department)))


def standing(policy: Record, world: World) -> Standing:
    """Return who has signed. A signature that does not hold comes first in what is said: it must never look like one that is only missing."""
    agreement: ConsentPolicy = policy.parsed
    parties = parties_of(policy)
    faults = {s.party: _fault(s, policy, world) for s in agreement.spec.signatures}
    signed = frozenset(party for party, fault in faults.items() if fault is None)
    bad = sorted((f for f in faults.values() if f is not None), key=lambda f: f.reason not in _BROKEN)
    missing = [party for party in parties if party not in faults]
    if bad:
        return Standing(bad[0], signed)
    if missing:
        detail = f"status.hash: {world.hash_of(policy)}. Missing: {', '.join(missing)}."
        return Standing(Finding(_C.COUNTER_SIGNED, _R.AWAITING_SIGNATURE, detail), signed)
    return Standing(Finding(_C.COUNTER_SIGNED, _R.COUNTER_SIGNED), signed)


def negotiation(policy: Record, stands: Standing, *, whole: bool) -> Negotiation:
    """Return the state; `whole` says that everything besides the signatures is in place."""
    if stands.finding.reason in _BROKEN:
        return Negotiation.TERMINATED
    if stands.finding.holds:
        return Negotiation.FINALIZED if whole else Negotiation.AGREED
    return Negotiation.ACCEPTED if policy.parsed.spec.consumer.department in stands.signed else Negotiation.OFFERED


def _fault(signature: Signature, policy: Record, world: World) -> Finding | None:
    """Return what is wrong with one signature, or None."""
    party, place = signature.party, f"spec.signatures, {signature.party}:"
    if party not in parties_of(policy):
        return Finding(_C.COUNTER_SIGNED, _R.SIGNED_BY_STRANGER, f"{place} the parties are {' and '.join(parties_of(policy))}.")
    wanted = world.hash_of(policy)
    if signature.hash != wanted:
        return Finding(_C.COUNTER_SIGNED, _R.SIGNED_OTHER_TERMS, f"{place} signed {signature.hash}; these terms are {wanted}.")
    key = world.agreement_key(party)
    if key is None:
        return Finding(_C.COUNTER_SIGNED, _R.PARTY_KEY_UNKNOWN, f"Department {party}.")
    found = jws.verify(signature.jws, [key])
    if found is None:
        return Finding(_C.COUNTER_SIGNED, _R.SIGNATURE_INVALID, f"{place} {_why(signature.jws, key.kid)}")
    if (found.hash, found.party) != (wanted, party):
        return Finding(_C.COUNTER_SIGNED, _R.SIGNATURE_INVALID, f"{place} its JWS is by {found.party} over {found.hash}.")
    return None


def _why(text: str, kid: str) -> str:
    used = jws.kid_of(text)
    if used is None:
        return "its JWS is no signature under an agreement."
    if used != kid:
        return f"it was made with the key {used}, which the department does not publish or publishes no more; its key is {kid} now."
    return f"its JWS was not made with the key {kid}, or was changed since."
