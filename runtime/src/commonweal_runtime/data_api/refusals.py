"""Every way the data API says no. Reasons are stable; details name fields and agreements, never a person."""

from __future__ import annotations

from types import MappingProxyType

from commonweal_runtime.problems import Problem

_RETRY = MappingProxyType({"Retry-After": "2"})


def not_found() -> Problem:
    """Return what absent and denied are told alike, byte for byte, so that it does not tell whether somebody is known here.

    A new one each time: an exception that is raised again keeps the frames of every time before, and with them whom they were about.
    """
    return Problem(
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


def frequency_limit(seconds: int) -> Problem:
    """Return the refusal of one more read of the same person; 0 seconds: there is no later."""
    return Problem(
        429,
        "FrequencyLimit",
        "Read too often",
        "The agreement lets this person's record be read only so often (spec.limits.perSubject, or once)."
        if seconds
        else "The agreement lets this person's record be read once (spec.limits.once), and it was.",
        "Use what you have read, or wait as long as Retry-After says." if seconds else "Use what you have read.",
        {"Retry-After": str(seconds)} if seconds else {},
    )


def rate_limit(seconds: int) -> Problem:
    return Problem(
        429,
        "RateLimit",
        "Too many requests",
        "The agreement's number of requests in its period is used up (spec.limits.requests).",
        "Wait as long as Retry-After says, or have the limit raised in the agreement.",
        {"Retry-After": str(max(seconds, 1))},
    )


def consent_feed_stale() -> Problem:
    return Problem(
        503,
        "ConsentFeedStale",
        "Consents may be out of date",
        "What people decided at another site of this department has not come for too long, so nothing that rests on consent is read here.",
        "Try again later, or read at another site; the platform team looks at the link between the sites.",
        {"Retry-After": "10"},
    )


def quality_stopped() -> Problem:
    return Problem(
        503,
        "QualityStopped",
        "Stopped by a quality check",
        "A quality check of the product failed or could not run (spec.quality, onFail StopServing), so nothing of it is read.",
        "Try again later; the department that owns the product looks at QualityPassed of its DataProduct.",
        {"Retry-After": "60"},
    )


def source_unavailable() -> Problem:
    return Problem(
        503,
        "SourceUnavailable",
        "Source not available",
        "The product is read where it lies, and its source does not answer in time, so nothing is read.",
        "Try again in a few seconds; the department that owns the product looks at SourceReachable of its DataProduct.",
        {"Retry-After": "5"},
    )


def department_moving() -> Problem:
    return Problem(
        503,
        "DepartmentMoving",
        "The department is moving",
        "The department is moving to another site, so nothing is read for the moment. What people say is taken all the while.",
        "Try again in a few seconds.",
        {"Retry-After": "5"},
    )


def department_moved(url: str) -> Problem:
    """Return where to go; `url` is the base of the data API at the new site."""
    return Problem(
        421,
        "DepartmentMoved",
        "The department has moved",
        "The department is served by another site now; this one neither reads nor takes anything.",
        f"Send the request to {url}, with a token of that site.",
        {"Location": url, "Link": f'<{url}>; rel="alternate"'},
    )


def no_such_agreement() -> Problem:
    return Problem(
        404, "NotFound", "Not found", "There is no agreement of this name in force.", "Take the name from `agreement` in /me/consents."
    )


def no_consent_to_decide() -> Problem:
    return _nothing_to_decide(
        "consent, or not this one now",
        "Where the law is the basis and objection is «Honoured», use /me/objections; else see the agreement's state under /me/consents.",
    )


def no_objection_to_decide() -> Problem:
    return _nothing_to_decide(
        "objections", "The law that the agreement names leaves no objection; the department's contact is under /openapi.json."
    )


def _nothing_to_decide(what: str, remedy: str) -> Problem:
    return Problem(409, "NothingToDecide", "Nothing to decide", f"This agreement takes no {what}.", remedy)


def not_delegated() -> Problem:
    return Problem(
        403,
        "NotDelegated",
        "Not yours to do",
        "No delegation in force lets you do this for the person in On-Behalf-Of.",
        "Leave On-Behalf-Of out to act for yourself; /me/delegations shows who you may act for, and in what.",
    )


def no_registrar() -> Problem:
    return Problem(
        403,
        "NotRegistrar",
        "Not a registrar",
        "This client may not record delegations.",
        "Have the department add the account to spec.registrars of its Department.",
    )


def no_such_delegation() -> Problem:
    return Problem(404, "NotFound", "Not found", "There is no such delegation in force.", "Take `id` from /me/delegations.")


def no_such_product() -> Problem:
    return Problem(
        404, "NotFound", "Not found", "There is no product of this name with records of you.", "Take `product` from /me/consents."
    )


def no_such_use() -> Problem:
    return Problem(404, "NotFound", "Not found", "There is no such use among yours.", "Take `id` from /me/uses.")


def delegation_not_possible() -> Problem:
    return Problem(
        409,
        "DelegationNotPossible",
        "Delegation not possible",
        "The agreements allow no delegation of this type (spec.subjects.delegation), or it stands already.",
        "See /me/delegations for those in force, and ask the department which types its agreements allow.",
    )


def nothing_to_erase() -> Problem:
    return Problem(
        409,
        "ErasureNotPossible",
        "Erasure not possible",
        "The law on which this product is used, or its source, leaves no erasure here.",
        "Write to the department's contact, which is in /openapi.json.",
    )


def answers_pending() -> Problem:
    return Problem(
        503,
        "AnswersPending",
        "Answers are being renewed",
        "The product's answers depend on the day and are not all renewed for today yet.",
        "Try again in a few seconds.",
        {"Retry-After": "5"},
    )
