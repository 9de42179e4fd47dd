"""Every way the data API says no. Reasons are stable; details name fields and agreements, never a person."""

from __future__ import annotations

from collections.abc import Iterable

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.store.problems import (
    agreement_expired,
    answers_pending,
    consent_feed_stale,
    department_moved,
    department_moving,
    field_not_agreed,
    frequency_limit,
    link_ended,
    link_frozen,
    no_agreement,
    purpose_not_agreed,
    quality_stopped,
    rate_limit,
    saying_limit,
    source_unavailable,
    store_unavailable,
)

# Every refusal by one name, also those that the store finds itself.
__all__ = [
    "agreement_expired",
    "agreement_not_begun",
    "answers_pending",
    "caller_missing",
    "caller_not_accepted",
    "caller_not_agreed",
    "code_not_sent",
    "consent_feed_stale",
    "decision_not_possible",
    "delegation_not_possible",
    "department_moved",
    "department_moving",
    "field_not_agreed",
    "frequency_limit",
    "link_ended",
    "link_frozen",
    "link_not_offered",
    "link_not_possible",
    "no_agreement",
    "no_consent_to_decide",
    "no_objection_to_decide",
    "no_registrar",
    "no_such_agreement",
    "no_such_case",
    "no_such_complaint",
    "no_such_delegation",
    "no_such_product",
    "not_delegated",
    "not_found",
    "not_linked",
    "nothing_to_complain_of",
    "nothing_to_erase",
    "purpose_missing",
    "purpose_not_agreed",
    "quality_stopped",
    "rate_limit",
    "saying_limit",
    "sign_in_too_weak",
    "source_unavailable",
    "store_unavailable",
    "ticket_void",
    "wrong_code",
]


def not_found() -> ProblemError:
    """Return what absent and denied are told alike, byte for byte, so that it does not tell whether somebody is known here.

    A new one each time: an exception that is raised again keeps the frames of every time before, and with them whom they were about.
    """
    return ProblemError(
        404,
        "NotFound",
        "Not found",
        "There is no such record, or it is not for you to see.",
        "If the person should be known here, ask them whether they agreed; the person sees every agreement under /me/consents.",
    )


def purpose_missing() -> ProblemError:
    return ProblemError(
        403,
        "PurposeMissing",
        "No purpose",
        "The request names no purpose.",
        "Send the header `Purpose: department/purpose` with one of the keys in spec.purposes of the agreement.",
    )


def agreement_not_begun(name: str) -> ProblemError:
    return ProblemError(
        403,
        "AgreementNotBegun",
        "Agreement not begun",
        f"The agreement {name} begins later.",
        "Wait until spec.validity.from, or ask the department that owns the product to bring it forward.",
    )


def caller_missing() -> ProblemError:
    return ProblemError(
        403,
        "CallerMissing",
        "No caller",
        "A model runtime reads for a caller, one person at a time, and this request names none.",
        "Read /v1/{product}/subjects/{subject} with the headers `Caller: department/client` and `Caller-Gets: Decision` or `Values`.",
    )


def caller_not_accepted(client: str) -> ProblemError:
    return ProblemError(
        403,
        "CallerNotAccepted",
        "Caller not accepted",
        f"{client} is no model runtime, so it reads for itself only.",
        "Leave the headers Caller and Caller-Gets out.",
    )


def caller_not_agreed(caller: str, product: str, fields: Iterable[str], why: str) -> ProblemError:
    """Return the refusal of a caller that could not read itself what the model would tell it of."""
    return ProblemError(
        403,
        "CallerNotAgreed",
        "Caller not agreed",
        f"{caller} may not read {', '.join(fields)} of {product} itself for this purpose: {why}",
        "Have the caller added to spec.consumer.clients of an agreement over the product for its department, with the purpose and the fields of the model.",
    )


def no_such_agreement() -> ProblemError:
    return ProblemError(
        404, "NotFound", "Not found", "There is no agreement of this name in force.", "Take the name from `agreement` in /me/consents."
    )


def no_consent_to_decide() -> ProblemError:
    return _nothing_to_decide(
        "consent, or not this one now",
        "Where the law is the basis and objection is «Honoured», use /me/objections; else see the agreement's state under /me/consents.",
    )


def no_objection_to_decide() -> ProblemError:
    return _nothing_to_decide(
        "objections", "The law that the agreement names leaves no objection; the department's contact is under /openapi.json."
    )


def _nothing_to_decide(what: str, remedy: str) -> ProblemError:
    return ProblemError(409, "NothingToDecide", "Nothing to decide", f"This agreement takes no {what}.", remedy)


def not_delegated() -> ProblemError:
    return ProblemError(
        403,
        "NotDelegated",
        "Not yours to do",
        "No delegation in force lets you do this for the person in On-Behalf-Of.",
        "Leave On-Behalf-Of out to act for yourself; /me/delegations shows who you may act for, and in what.",
    )


def no_registrar() -> ProblemError:
    return ProblemError(
        403,
        "NotRegistrar",
        "Not a registrar",
        "This client may neither record delegations nor see complaints.",
        "Have the department add the account to spec.registrars of its Department.",
    )


def no_such_delegation() -> ProblemError:
    return ProblemError(404, "NotFound", "Not found", "There is no such delegation in force.", "Take `id` from /me/delegations.")


def no_such_complaint() -> ProblemError:
    return ProblemError(404, "NotFound", "Not found", "There is no such complaint.", "Take `id` from /v1/complaints.")


def nothing_to_complain_of() -> ProblemError:
    return ProblemError(
        404,
        "NotFound",
        "Not found",
        "There is no agreement of this name, or no such use about you.",
        "Take `agreement` from /me/consents or `id` from /me/uses; or send `about` empty.",
    )


def no_such_product() -> ProblemError:
    return ProblemError(
        404, "NotFound", "Not found", "There is no product of this name with records of you.", "Take `product` from /me/consents."
    )


def delegation_not_possible() -> ProblemError:
    return ProblemError(
        409,
        "DelegationNotPossible",
        "Delegation not possible",
        "The agreements allow no delegation of this type (spec.subjects.delegation), or it stands already.",
        "See /me/delegations for those in force, and ask the department which types its agreements allow.",
    )


def nothing_to_erase() -> ProblemError:
    return ProblemError(
        409,
        "ErasureNotPossible",
        "Erasure not possible",
        "The law on which this product is used, or its source, leaves no erasure here.",
        "Write to the department's contact, which is in /openapi.json.",
    )


def link_not_offered() -> ProblemError:
    return ProblemError(
        409,
        "LinkNotOffered",
        "Linking is not offered",
        "This department does not let people link this sign-in to a record.",
        "Write to the department's contact, which is in GET /me/link.",
    )


def link_not_possible() -> ProblemError:
    return ProblemError(
        409, "LinkNotPossible", "Linking is not possible", "The sign-in is linked already.", "GET /me/link shows how it stands."
    )


def not_linked() -> ProblemError:
    return ProblemError(
        409, "NotLinked", "Not linked", "This sign-in is linked to no record of the department.", "GET /me/link shows how to link it."
    )


def sign_in_too_weak(accepted: Iterable[str]) -> ProblemError:
    return ProblemError(
        403,
        "SignInTooWeak",
        "Sign-in too weak",
        "The department links people only who have signed in at another level.",
        f"Sign in again with acr_values={' '.join(accepted)}.",
    )


def ticket_void() -> ProblemError:
    """Return what a ticket is told that was used, has run out, or is of another sign-in: which of them is not said."""
    return ProblemError(
        409,
        "TicketVoid",
        "Ticket not valid",
        "The ticket is not of this sign-in and session, was used, or has run out.",
        "Send POST /me/link again, and confirm within ten minutes.",
    )


def wrong_code(left: int) -> ProblemError:
    return ProblemError(
        403,
        "CodeWrong",
        "Code not valid",
        "The code is not the one that was sent, or has run out.",
        f"Give the code of the newest message; tries left with it: {left}. After that, send POST /me/link again.",
    )


def code_not_sent() -> ProblemError:
    return ProblemError(
        503,
        "CodeNotSent",
        "Code not sent",
        "The code could not be sent, because the mail server does not take it.",
        "Try again in a minute; if it stays so, the platform team looks at COMMONWEAL_SMTP.",
        {"Retry-After": "60"},
    )


def no_such_case() -> ProblemError:
    return ProblemError(404, "NotFound", "Not found", "There is no such case.", "Take `id` from GET /v1/cases.")


def decision_not_possible() -> ProblemError:
    return ProblemError(
        409, "DecisionNotPossible", "Decision not possible", "The case has been decided.", "See GET /v1/cases for those that wait."
    )
