"""How the issuer answers: pages for people, redirects back to the application, and JSON for programs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from commonweal_runtime.exceptions import AuthorizationError, IdentityStoreError, ProblemError, ProviderError, SignInShownError
from commonweal_runtime.identity import pages
from commonweal_runtime.identity.devices import COOKIE, DEVICE_SECONDS
from commonweal_runtime.identity.languages import language_of
from commonweal_runtime.identity.tickets import TICKET_SECONDS
from commonweal_runtime.serving import NO_STORE, json_answer, problem_response

TOKEN = "/token"  # noqa: S105 - an address
TOKEN_HEADERS = {**NO_STORE, "Pragma": "no-cache"}  # RFC 6749, section 5.1
END_SESSION = "/end-session"
SESSION_COOKIE = "commonweal-session"
AWAY_SECONDS = 5
_OUT_OF_ORDER = {
    END_SESSION: "Signing out does not work at the moment. Try again in a minute; on a shared device, close all windows of the browser.",
    "": "Signing in does not work at the moment. Try again in a minute.",
}
_API = ("/me/", "/v1/")
log = logging.getLogger(__name__)
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def page(
    text: str,
    status: int = 200,
    redirect_uri: str | None = None,
    more: Mapping[str, str] | None = None,
    cookies: Sequence[Cookie] = (),
) -> _Answer:
    """Return a page; its form may be sent here and on to `redirect_uri` only."""
    headers = {**pages.headers(redirect_uri), **(more or {})}
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8", headers=headers, cookies=list(cookies))


def back(issuer: str, redirect_uri: str, values: Mapping[str, str], state: str | None, *cookies: Cookie) -> _Answer:
    """Send the person back to the application; `iss` tells it who answers (RFC 9207)."""
    return onward(redirect_uri, [*values.items(), *([("state", state)] if state is not None else []), ("iss", issuer)], *cookies)


def onward(uri: str, values: Sequence[tuple[str, str]], *cookies: Cookie) -> _Answer:
    """Send the person to an address with these parameters."""
    parts, query = urlsplit(uri), urlencode(values)
    joined = "&".join(part for part in (parts.query, query) if part)
    headers = {"Location": urlunsplit(parts._replace(query=joined)), "Referrer-Policy": "no-referrer", **TOKEN_HEADERS}
    return Response(b"", status_code=303, headers=headers, cookies=list(cookies))


def remembered(issuer: str, device: str) -> Cookie:
    """Return the cookie by which a device remembers that somebody signed in on it. No script reads it, and no other site has it sent."""
    return Cookie(COOKIE, value=device, max_age=DEVICE_SECONDS, httponly=True, samesite="strict", secure=_is_secure(issuer))


def host_cookie_name(issuer: str, name: str) -> str:
    """Return the name of a cookie. Over https its prefix has browsers refuse one that another host or a plain connection set."""
    return f"__Host-{name}" if _is_secure(issuer) else name


def session_cookie(issuer: str, value: str) -> Cookie:
    """Return the cookie that keeps a session in the browser, until it is closed; without a value, the one that takes it away.

    No script reads it. Another site's link to the sign-in page has it sent, which is how one sign-in serves all applications; another site's form has not.
    """
    return _host_cookie(issuer, SESSION_COOKIE, value, None)


def passing_cookie(issuer: str, name: str, value: str) -> Cookie:
    """Return a cookie for as long as a sign-in may take; without a value, the one that takes it away."""
    return _host_cookie(issuer, name, value, TICKET_SECONDS)


def _host_cookie(issuer: str, name: str, value: str, seconds: int | None) -> Cookie:
    age = seconds if value else 0
    return Cookie(host_cookie_name(issuer, name), value=value, max_age=age, httponly=True, samesite="lax", secure=_is_secure(issuer))


def _is_secure(issuer: str) -> bool:
    return issuer.startswith("https:")


def shown(error: SignInShownError) -> ProblemError:
    """Return the problem of what is shown to the person."""
    return ProblemError(400, "invalid_request", "There is a problem", str(error), "")


def refused(error: AuthorizationError) -> ProblemError:
    """Return the problem of what is told to the application; its reason is the error code of RFC 6749."""
    return ProblemError(400, error.error, "There is a problem", error.description, "")


def away(_: IdentityStoreError) -> ProblemError:
    """Return what is said while the store does not answer: no session and no link is assumed."""
    return ProblemError(
        503,
        "StoreUnavailable",
        "Not possible at the moment",
        "The issuer's store does not answer, so no session and no link is known.",
        "Try again in a few seconds; tokens for departments that were given already stay good for their time.",
        {"Retry-After": str(AWAY_SECONDS)},
    )


def provider_failed(error: ProviderError) -> ProblemError:
    """Return what is said where the provider in front did not do its part; the log has what it was."""
    log.warning("the provider of identities: %s", error)
    return ProblemError(502, "ProviderFailed", "There is a problem", "The service that checks who people are did not answer.", "", {})


def of_problem(request: _Request, problem: ProblemError) -> _Answer:
    """Return a page; under the token endpoint what RFC 6749 has in its place, and for the issuer's own API what RFC 9457 has."""
    path = request.url.path
    if path == TOKEN:
        return json_answer(
            {"error": _error(problem), "error_description": problem.detail}, problem.status, headers={**TOKEN_HEADERS, **problem.headers}
        )
    if path.startswith(_API):
        return problem_response(problem)
    text = _OUT_OF_ORDER.get(path, _OUT_OF_ORDER[""]) if problem.status >= 500 else problem.detail
    language = language_of(request.query_params.get("ui_locales"), request.headers.get("accept-language", ""))
    return page(pages.problem(text, language), problem.status, more=problem.headers)


def _error(problem: ProblemError) -> str:
    """Return the error code of RFC 6749 for a problem."""
    if problem.reason.islower():
        return problem.reason
    if problem.status in (429, 503):
        return "temporarily_unavailable"
    return "invalid_request" if problem.status < 500 else "server_error"
