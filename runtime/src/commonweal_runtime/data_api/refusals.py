"""Every way the data API says no. Reasons are stable; details name fields and agreements, never a person."""

from __future__ import annotations

from types import MappingProxyType

from commonweal_runtime.problems import Problem

_RETRY = MappingProxyType({"Retry-After": "2"})

# Absent and denied are this one answer, byte for byte, so that it does not tell whether somebody is known here.
NOT_FOUND = Problem(
    404,
    "NotFound",
    "Not found",
    "There is no such record, or it is not for you to see.",
    "If the person should be known here, ask them whether they agreed; the person sees every agreement under /me/consents.",
)


def no_agreement(client: str) -> Problem:
    return Problem(
        403,
        "NoAgreement",
        "No agreement",
        f"No agreement in force lets {client} read this product.",
        "Ask the department that owns the product for a ConsentPolicy that names your department and this client.",
    )


def purpose_missing() -> Problem:
    return Problem(
        403,
        "PurposeMissing",
        "No purpose",
        "The request names no purpose.",
        "Send the header `Purpose: department/purpose` with one of the keys in spec.purposes of the agreement.",
    )


def purpose_not_agreed(agreed: list[str]) -> Problem:
    return Problem(
        403,
        "PurposeNotAgreed",
        "Purpose not agreed",
        "The agreement does not allow this purpose.",
        f"Send one of the agreed purposes ({', '.join(agreed)}), or have yours added to spec.purposes of the agreement.",
    )


def field_not_agreed(fields: list[str], agreed: list[str]) -> Problem:
    named = ", ".join(f[:63] for f in fields[:5])
    return Problem(
        403,
        "FieldNotAgreed",
        "Field not agreed",
        f"The agreement does not grant: {named}.",
        f"Ask for agreed fields only ({', '.join(agreed)}), or have the field added to spec.fields of the agreement.",
    )


def agreement_expired(name: str) -> Problem:
    return Problem(
        403,
        "AgreementExpired",
        "Agreement expired",
        f"The agreement {name} has ended.",
        "Ask the department that owns the product to extend spec.validity.until.",
    )


def agreement_not_begun(name: str) -> Problem:
    return Problem(
        403,
        "AgreementNotBegun",
        "Agreement not begun",
        f"The agreement {name} begins later.",
        "Wait until spec.validity.from, or ask the department that owns the product to bring it forward.",
    )


def store_unavailable() -> Problem:
    return Problem(
        503,
        "StoreUnavailable",
        "Store not available",
        "The department's store does not answer, so nothing is read.",
        "Try again in a few seconds; if it stays so, the department looks at StoreReady of its Department.",
        _RETRY,
    )


def no_such_agreement() -> Problem:
    return Problem(
        404, "NotFound", "Not found", "There is no agreement of this name in force.", "Take the name from `agreement` in /me/consents."
    )


def nothing_to_decide(what: str) -> Problem:
    remedies = {
        "consents": "This agreement rests on the law that it names, not on consent; where objection is «Honoured», use /me/objections.",
        "objections": "The law that the agreement names leaves no objection; the department's contact is under /openapi.json.",
    }
    return Problem(409, "NothingToDecide", "Nothing to decide", f"This agreement takes no {what}.", remedies[what])
