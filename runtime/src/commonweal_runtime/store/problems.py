"""What the store's refusals become for whoever asked: the same problem wherever it is found, before the store is asked or by the store itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import asyncpg

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.store.sqlstates import SqlState, ours

_RETRY = MappingProxyType({"Retry-After": "2"})


def no_agreement(client: str) -> ProblemError:
    return ProblemError(
        403,
        "NoAgreement",
        "No agreement",
        f"No agreement in force lets {client} read this product.",
        "Ask the department that owns the product for a ConsentPolicy that names your department and this client.",
    )


def purpose_not_agreed(agreed: list[str]) -> ProblemError:
    return ProblemError(
        403,
        "PurposeNotAgreed",
        "Purpose not agreed",
        "The agreement does not allow this purpose.",
        f"Send one of the agreed purposes ({', '.join(agreed)}), or have yours added to spec.purposes of the agreement.",
    )


def field_not_agreed(fields: list[str], agreed: list[str]) -> ProblemError:
    named = ", ".join(f[:63] for f in fields[:5])
    return ProblemError(
        403,
        "FieldNotAgreed",
        "Field not agreed",
        f"The agreement does not grant: {named}.",
        f"Ask for agreed fields only ({', '.join(agreed)}), or have the field added to spec.fields of the agreement.",
    )


def agreement_expired(name: str) -> ProblemError:
    return ProblemError(
        403,
        "AgreementExpired",
        "Agreement expired",
        f"The agreement {name} has ended.",
        "Ask the department that owns the product to extend spec.validity.until.",
    )


def store_unavailable() -> ProblemError:
    return ProblemError(
        503,
        "StoreUnavailable",
        "Store not available",
        "The department's store does not answer, so nothing is read.",
        "Try again in a few seconds; if it stays so, the department looks at StoreReady of its Department.",
        _RETRY,
    )


def frequency_limit(seconds: int) -> ProblemError:
    """Return the refusal of one more read of the same person; 0 seconds: there is no later."""
    return ProblemError(
        429,
        "FrequencyLimit",
        "Read too often",
        "The agreement lets this person's record be read only so often (spec.limits.perSubject, or once)."
        if seconds
        else "The agreement lets this person's record be read once (spec.limits.once), and it was.",
        "Use what you have read, or wait as long as Retry-After says." if seconds else "Use what you have read.",
        {"Retry-After": str(seconds)} if seconds else {},
    )


def rate_limit(seconds: int) -> ProblemError:
    return ProblemError(
        429,
        "RateLimit",
        "Too many requests",
        "The agreement's number of requests in its period is used up (spec.limits.requests).",
        "Wait as long as Retry-After says, or have the limit raised in the agreement.",
        {"Retry-After": str(max(seconds, 1))},
    )


def saying_limit(seconds: int) -> ProblemError:
    """Return the refusal of one more opening word within a day; what closes is never refused."""
    return ProblemError(
        429,
        "SayingLimit",
        "Said too often",
        "Within a day consent to an agreement can be given, or an objection lifted, a hundred times; a hundred delegations of a person and ten complaints"
        " can be made, and a hundred attempts to link a sign-in.",
        "Wait as long as Retry-After says. Withdrawing, objecting and ending a delegation are taken at any time.",
        {"Retry-After": str(max(seconds, 1))},
    )


def link_frozen() -> ProblemError:
    return ProblemError(
        403,
        "LinkFrozen",
        "The link is disputed",
        "The link between this sign-in and a record of the department is disputed, so nothing is shown or taken under it.",
        "Wait until the department's registrar has decided; GET /me/link shows how it stands, and names the contact.",
    )


def link_ended() -> ProblemError:
    return ProblemError(
        403,
        "LinkEnded",
        "The link has ended",
        "The link between this sign-in and a record of the department has been ended.",
        "Sign in again; to link it again, send POST /me/link.",
    )


def consent_feed_stale() -> ProblemError:
    return ProblemError(
        503,
        "ConsentFeedStale",
        "Consents may be out of date",
        "What people decided at another site of this department has not come for too long, so nothing that rests on consent is read here.",
        "Try again later, or read at another site; the platform team looks at the link between the sites.",
        {"Retry-After": "10"},
    )


def quality_stopped() -> ProblemError:
    return ProblemError(
        503,
        "QualityStopped",
        "Stopped by a quality check",
        "A quality check of the product failed or could not run (spec.quality, onFail StopServing), so nothing of it is read.",
        "Try again later; the department that owns the product looks at QualityPassed of its DataProduct.",
        {"Retry-After": "60"},
    )


def source_unavailable() -> ProblemError:
    return ProblemError(
        503,
        "SourceUnavailable",
        "Source not available",
        "The product is read where it lies, and its source does not answer in time, so nothing is read.",
        "Try again in a few seconds; the department that owns the product looks at SourceReachable of its DataProduct.",
        {"Retry-After": "5"},
    )


def department_moving() -> ProblemError:
    return ProblemError(
        503,
        "DepartmentMoving",
        "The department is moving",
        "The department is moving to another site, so nothing is read for the moment. What people say is taken all the while.",
        "Try again in a few seconds.",
        {"Retry-After": "5"},
    )


def department_moved(url: str) -> ProblemError:
    """Return where to go; `url` is the base of the data API at the new site."""
    return ProblemError(
        421,
        "DepartmentMoved",
        "The department has moved",
        "The department is served by another site now; this one neither reads nor takes anything.",
        f"Send the request to {url}, with a token of that site.",
        {"Location": url, "Link": f'<{url}>; rel="alternate"'},
    )


def answers_pending() -> ProblemError:
    return ProblemError(
        503,
        "AnswersPending",
        "Answers are being renewed",
        "The product's answers depend on the day and are not all renewed for today yet.",
        "Try again in a few seconds.",
        {"Retry-After": "5"},
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """What of the agreement that is read under a refusal names."""

    agreement: str = ""
    purposes: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


Own = Mapping[SqlState, Callable[[], ProblemError]]
_NO_TERMS = Terms()
_NOTHING_OWN: Own = MappingProxyType({})
_PROBLEMS: Mapping[SqlState, Callable[[str, Terms], ProblemError]] = MappingProxyType({
    SqlState.PURPOSE_NOT_AGREED: lambda _, t: purpose_not_agreed(list(t.purposes)),
    SqlState.CLIENT_NOT_AGREED: lambda _, __: no_agreement("this client"),
    SqlState.NOT_IN_FORCE: lambda _, t: agreement_expired(t.agreement),
    SqlState.FIELD_NOT_AGREED: lambda _, t: field_not_agreed([], list(t.fields)),
    SqlState.SUBJECT_LIMIT: lambda text, _: frequency_limit(_seconds(text)),
    SqlState.REQUEST_LIMIT: lambda text, _: rate_limit(_seconds(text)),
    SqlState.CONSENTS_STALE: lambda _, __: consent_feed_stale(),
    SqlState.QUALITY_STOPPED: lambda _, __: quality_stopped(),
    SqlState.ANSWERS_PENDING: lambda _, __: answers_pending(),
    SqlState.SOURCE_UNAVAILABLE: lambda _, __: source_unavailable(),
    SqlState.DEPARTMENT_MOVING: lambda _, __: department_moving(),
    SqlState.DEPARTMENT_MOVED: lambda text, _: department_moved(text),
    SqlState.SAYING_LIMIT: lambda text, _: saying_limit(_seconds(text)),
    SqlState.LINK_FROZEN: lambda _, __: link_frozen(),
    SqlState.LINK_ENDED: lambda _, __: link_ended(),
    SqlState.INVALID_VALUE: lambda _, __: invalid_request("", "See /openapi.json for what may be sent."),
})  # fmt: skip
_SHOWN = frozenset({SqlState.INVALID_VALUE, SqlState.NOT_POSSIBLE})


def problem_of(error: asyncpg.PostgresError, terms: Terms = _NO_TERMS, own: Own = _NOTHING_OWN) -> ProblemError:
    """Return what whoever asked is told of an error of PostgreSQL: the one mapping of SQLSTATEs.

    `own` are the caller's answers to what means another thing in each operation: nothing of the name, not permitted, not possible. An error's text is
    shown only where our SQL wrote it for that, and then it names no person; what is in neither mapping is told as a store that does not answer.
    """
    state, text = ours(error.sqlstate), str(error.args[0]) if error.args else ""
    if state is None:
        return store_unavailable()
    if state in own:
        problem = own[state]()
    elif state in _PROBLEMS:
        problem = _PROBLEMS[state](text, terms)
    else:
        return store_unavailable()
    return replace(problem, detail=_sentence(text)) if state in _SHOWN else problem


def _sentence(text: str) -> str:
    """Return a message as a sentence; a field's name at its beginning stays as the request has it."""
    first, rest = text[:1], text[1:]
    begin = first if text.partition(" ")[0].endswith(":") else first.upper()
    return f"{begin}{rest}".removesuffix(".") + "."


def _seconds(text: str) -> int:
    """Return the whole seconds that a limit's refusal carries; anything else in its place counts as a minute."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 60
