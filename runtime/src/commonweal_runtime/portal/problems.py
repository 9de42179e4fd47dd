"""What a person is told when something cannot be done: each reason of the APIs in plain words, with what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError, FormRefusedError, ProblemError
from commonweal_runtime.portal.departments import Department, Departments
from commonweal_runtime.portal.languages import mark
from commonweal_runtime.portal.pages import Page
from commonweal_runtime.portal.reasons import MORE, Said

ISSUER = "issuer"


_AWAY = Said(
    mark("This body does not answer at the moment"),
    mark("We could not reach it. What you told it still holds."),
    mark("Try again in a few minutes."),
)
_FAULT = Said(
    mark("Sorry, there is a problem with this service"),
    mark("Something went wrong on our side. What you sent was not saved."),
    mark("Try again later."),
)
_GONE = Said(
    mark("Page not found"),
    mark("There is no page at this address, or it is not about you."),
    mark("Check the address, or go to the home page."),
)
_AGAIN = Said(
    mark("We could not take what you sent"),
    mark("The page may have been open for too long, or you may have signed out since."),
    mark("Go back, load the page again and send it once more."),
)
_MANY = Said(
    mark("Too many requests"),
    mark("You have asked for a lot of pages in a short time."),
    mark("Wait a minute, then try again."),
)
_NOT_ALLOWED = Said(
    mark("You cannot do this"),
    mark("This body does not let you see or do this."),
    mark("If you think that this is wrong, contact the body."),
)
_NO_CHOICE = Said(
    mark("There is nothing for you to choose here"),
    mark("The law behind this agreement does not ask for your yes or no."),
    mark("Read the agreement to see why it exists and who to ask."),
)
_NOT_NOW = Said(
    mark("Nothing is shared for now"),
    mark("This body has stopped this for the moment. Nothing of yours is shared meanwhile."),
    mark("Try again in a few minutes."),
)
_SIGN_IN = Said(
    mark("We could not sign you in"),
    mark("The sign-in was not finished, or it took too long."),
    mark("Start again from the home page."),
)
_MOVED = Said(
    mark("This body is moving"),
    mark("It is moving its records to another place. What you say is taken, and nothing of yours is shared meanwhile."),
    mark("Try again in a few minutes."),
)
TEXTS: Mapping[str, Said] = MappingProxyType(
    {
        "NotFound": _GONE,
        "NoAgreement": _GONE,
        "NoSuchDepartment": _GONE,
        "MethodNotAllowed": _GONE,
        "InvalidRequest": _AGAIN,
        "BodyTooLarge": _AGAIN,
        "BodyTooSlow": _AGAIN,
        "FormRefused": _AGAIN,
        "TokenInvalid": _AGAIN,
        "TokenMissing": _AGAIN,
        "NotSealedYet": Said(
            mark("The proof is not ready yet"),
            mark("This was recorded a moment ago. Its proof is made within a few seconds."),
            mark("Wait a few seconds, then load the page again."),
        ),
        "NotDelegated": Said(
            mark("You may not act for this person here"),
            mark("They have not let you do this, or the time for it is over."),
            mark("Ask them to let you act for them, or act for yourself."),
        ),
        "DelegationNotPossible": Said(
            mark("This person cannot act here"),
            mark("This body does not let people act for others in this way, or it set this up itself."),
            mark("Contact the body if you want to change it."),
        ),
        "ErasureNotPossible": Said(
            mark("This cannot be erased now"),
            mark("An agreement or a law stands in the way."),
            mark("Read the agreements of this body to see which one, and when it ends."),
        ),
        "SayingLimit": Said(
            mark("You have changed this too often today"),
            mark("To say yes again you have to wait. You can still say no at any time."),
            mark("Try again tomorrow."),
        ),
        "LinkFrozen": Said(
            mark("Your link to this body is stopped"),
            mark("You told this body that something is wrong. Nothing is shown until it has looked at this."),
            mark("Wait for the body to contact you, or contact it yourself."),
        ),
        "TooManyAtOnce": _MANY,
        "RateLimit": _MANY,
        "DepartmentMoving": _MOVED,
        "DepartmentMoved": _MOVED,
        "StoreUnavailable": _AWAY,
        "SourceUnavailable": _NOT_NOW,
        "AnswersPending": _NOT_NOW,
        "QualityStopped": _NOT_NOW,
        "ConsentFeedStale": _NOT_NOW,
        "AgreementExpired": _NOT_NOW,
        "AgreementNotBegun": _NOT_NOW,
        "IssuerUnavailable": _AWAY,
        "Fault": _FAULT,
        "SignInNotFitting": _SIGN_IN,
        "invalid_grant": _SIGN_IN,
        "access_denied": _SIGN_IN,
        "login_required": _SIGN_IN,
        "SignInUnavailable": Said(
            mark("You cannot sign in at the moment"),
            mark("The service that signs people in does not answer. What you told public bodies still holds."),
            mark("Try again in a few minutes."),
        ),
        "invalid_target": _AWAY,
        "Silent": _AWAY,
        "server_error": _AWAY,
        "temporarily_unavailable": _AWAY,
        "invalid_request": _SIGN_IN,
        "invalid_client": _SIGN_IN,
        "invalid_scope": _SIGN_IN,
        "consent_required": _SIGN_IN,
        "interaction_required": _SIGN_IN,
        **MORE,
    }
)
_BY_STATUS = {400: _AGAIN, 401: _AGAIN, 403: _NOT_ALLOWED, 404: _GONE, 405: _GONE, 409: _NO_CHOICE, 413: _AGAIN, 429: _MANY}


def said_of(reason: str, status: int) -> Said:
    """Return what is told of a reason; of one that is not known, what its status says."""
    return TEXTS.get(reason) or _BY_STATUS.get(status) or (_AWAY if status in (502, 503, 504) else _FAULT)


def problem_values(reason: str, status: int, department: Department | None = None) -> Mapping[str, Any]:
    """Return what the page of a problem shows."""
    return {"said": said_of(reason, status), "reason": reason, "department": department}


async def page_of(error: Exception, departments: Departments) -> Page:
    """Return the page of what a view could not do."""
    reason, status, retry, name = _facts(error)
    return Page(
        "problem.html",
        problem_values(reason, status, await _named(departments, name)),
        status=status,
        sensitive=False,
        headers={"Retry-After": str(retry)} if retry else {},
    )


def _facts(error: Exception) -> tuple[str, int, int, str]:
    """Return reason, status, seconds to wait and department of an error."""
    match error:
        case DepartmentAnswerError():
            return (
                error.reason,
                error.status if error.status in _BY_STATUS else 503 if error.status >= 500 else 409,
                error.retry,
                error.department,
            )
        case DepartmentSilentError():
            return "SignInUnavailable" if error.department == ISSUER else "Silent", 503, 5, error.department
        case FormRefusedError():
            return "FormRefused", 403, 0, ""
        case ProblemError():
            retry = error.headers.get("Retry-After", "0")
            return error.reason, error.status, int(retry) if retry.isdecimal() else 0, ""
    return "Fault", 500, 0, ""


async def _named(departments: Departments, name: str) -> Department | None:
    if name in ("", ISSUER):
        return None
    try:
        return (await departments.all()).get(name)
    except (DepartmentAnswerError, DepartmentSilentError):
        return None
