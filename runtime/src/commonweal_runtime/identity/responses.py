"""How the issuer answers: pages for people, redirects back to the application, and JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from litestar import Request, Response

from commonweal_runtime.exceptions import AuthorizationError, ProblemError, SignInShownError
from commonweal_runtime.identity import pages
from commonweal_runtime.identity.devices import COOKIE, DEVICE_SECONDS
from commonweal_runtime.serving import NO_STORE, json_answer

TOKEN = "/token"  # noqa: S105 - an address
TOKEN_HEADERS = {**NO_STORE, "Pragma": "no-cache"}  # RFC 6749, section 5.1
_OUT_OF_ORDER = "Signing in does not work at the moment."
_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def page(text: str, status: int = 200, redirect_uri: str | None = None, more: Mapping[str, str] | None = None) -> _Answer:
    """Return a page; its form may be sent here and on to `redirect_uri` only."""
    headers = {**pages.headers(redirect_uri), **(more or {})}
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8", headers=headers)


def back(issuer: str, redirect_uri: str, values: Mapping[str, str], state: str | None, more: Mapping[str, str] | None = None) -> _Answer:
    """Send the person back to the application; `iss` tells it who answers (RFC 9207)."""
    parts = urlsplit(redirect_uri)
    query = urlencode([*values.items(), *([("state", state)] if state is not None else []), ("iss", issuer)])
    location = urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
    headers = {"Location": location, "Referrer-Policy": "no-referrer", **TOKEN_HEADERS, **(more or {})}
    return Response(b"", status_code=303, headers=headers)


def remembered(issuer: str, device: str) -> dict[str, str]:
    """Return the header by which a device remembers that somebody signed in on it. No script reads it, and no other site has it sent."""
    secure = "; Secure" if issuer.startswith("https:") else ""
    return {"Set-Cookie": f"{COOKIE}={device}; Max-Age={DEVICE_SECONDS}; Path=/; HttpOnly; SameSite=Strict{secure}"}


def shown(error: SignInShownError) -> ProblemError:
    """Return the problem of what is shown to the person."""
    return ProblemError(400, "invalid_request", "There is a problem", str(error), "")


def refused(error: AuthorizationError) -> ProblemError:
    """Return the problem of what is told to the application; its reason is the error code of RFC 6749."""
    return ProblemError(400, error.error, "There is a problem", error.description, "")


def of_problem(request: _Request, problem: ProblemError) -> _Answer:
    """Return a page, or under the token endpoint what RFC 6749 has in its place."""
    if request.url.path == TOKEN:
        error = problem.reason if problem.reason.islower() else "invalid_request" if problem.status < 500 else "server_error"
        headers = {**TOKEN_HEADERS, **problem.headers}
        return json_answer({"error": error, "error_description": problem.detail}, problem.status, headers=headers)
    text = _OUT_OF_ORDER if problem.status >= 500 else problem.detail
    return page(pages.problem(text), problem.status, more=problem.headers)
