"""ODRL in the profile of the Dataspace Protocol 2025-1: an agreement as other data spaces exchange it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.exports.names import DPV, TERMS, agreement_id, target_id
from commonweal_api.negotiation import Signature
from commonweal_api.plan import audience_of
from commonweal_api.rights import RIGHTS, BasisType

Constraint = dict[str, Any]
CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
BASIS = {
    BasisType.CONSENT: "Consent",
    BasisType.PUBLIC_TASK: "OfficialAuthorityOfController",
    BasisType.LEGAL_OBLIGATION: "LegalObligation",
    BasisType.VITAL_INTERESTS: "VitalInterest",
    BasisType.CONTRACT: "Contract",
    BasisType.RECOGNISED_LEGITIMATE_INTEREST: "LegitimateInterest",
}


def odrl_agreement(policy: ConsentPolicy, provider: str) -> dict[str, Any]:
    """Return the agreement: one permission to use with all its conditions, its duties, and the prohibition to pass it on unless that is agreed."""
    spec = policy.spec
    duties: list[Constraint] = [{"action": "inform"}] if spec.transparency.visibility != "Suppressed" else []
    if spec.limits.data_life_days is not None:
        life = {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": f"P{spec.limits.data_life_days}D"}
        duties.append({"action": "delete", "constraint": [life]})
    permission = {"action": "use", "constraint": [{"and": list(_constraints(policy))}], **({"duty": duties} if duties else {})}
    agreed = _agreed(spec.signatures)
    return {
        "@context": [CONTEXT],
        "@id": agreement_id(provider, policy),
        "@type": "Agreement",
        "target": target_id(provider, policy),
        "assigner": audience_of(provider),
        "assignee": audience_of(spec.consumer.department),
        **({"timestamp": agreed} if agreed is not None else {}),
        "permission": [permission],
        **({} if spec.limits.onward_sharing else {"prohibition": [{"action": "distribute"}]}),
    }


def _constraints(policy: ConsentPolicy) -> Iterable[Constraint]:
    """Yield every condition of use; terms of our own carry the address of our vocabulary."""
    spec, rights = policy.spec, RIGHTS[policy.spec.basis.type]
    clients = [f"{audience_of(spec.consumer.department)}/clients/{client}" for client in spec.consumer.clients]
    yield _is("purpose", "isAnyOf", list(dict.fromkeys(DPV + purpose.iri.removeprefix("dpv:") for purpose in spec.purposes)))
    yield _is(f"{TERMS}purposeKey", "isAnyOf", [purpose.key for purpose in spec.purposes])
    yield _is(f"{TERMS}client", "isAnyOf", clients)
    yield _is(f"{TERMS}field", "isAnyOf", list(spec.fields))
    yield _is("dateTime", "gteq", spec.validity.from_.astimezone(UTC).isoformat())
    yield _is("dateTime", "lt", spec.validity.until.astimezone(UTC).isoformat())
    yield _is(f"{DPV}hasLegalBasis", "eq", DPV + BASIS[spec.basis.type])
    if spec.basis.condition is not None:
        yield _is(f"{TERMS}interest", "eq", str(spec.basis.condition))
    if rights.grant:
        yield _is(f"{DPV}hasConsentStatus", "isAnyOf", [f"{DPV}ConsentGiven", f"{DPV}RenewedConsentGiven"])
    if rights.objection:
        yield _is(f"{TERMS}objection", "eq", "None")
    yield from _limits(policy)


def _limits(policy: ConsentPolicy) -> Iterable[Constraint]:
    limits = policy.spec.limits
    yield _is(f"{TERMS}rowsPerAnswer", "lteq", str(limits.max_rows))
    if limits.once:
        yield _is(f"{TERMS}usesPerSubject", "lteq", "1")
    for term, limit in (("requests", limits.requests), ("usesPerSubject", limits.per_subject)):
        if limit is not None:
            yield _is(TERMS + term, "lteq", {"max": limit.max, "period": f"PT{limit.seconds}S"})


def _is(left: str, operator: str, right: Any) -> Constraint:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _agreed(signatures: Iterable[Signature]) -> str | None:
    """Return when the last party signed, as the signatures say it, or None while none says so. Whether they verify is not asked here."""
    moments = [moment for signature in signatures if (moment := _issued_at(signature.jws)) is not None]
    return max(moments).strftime("%Y-%m-%dT%H:%M:%SZ") if moments else None


def _issued_at(jws: str) -> datetime | None:
    payload = jws.split(".")[1]
    try:
        said = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(said["iat"], UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
