"""The issuer over HTTP: discovery, keys, the sign-in page and the token endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import orjson
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from commonweal_runtime.identity import pages
from commonweal_runtime.identity.accounts import Account, Accounts
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.issue import Clock, Codes, Grant, Issuer
from commonweal_runtime.identity.requests import (
    AuthorizationRequest,
    RefusedError,
    ShownError,
    authorization,
    department_of,
    destination,
    parameters,
    proves,
)
from commonweal_runtime.identity.throttle import Throttle
from commonweal_runtime.identity.tickets import Tickets
from commonweal_runtime.serving import live, note_fault

MOST_BYTES = 32 * 1024
_logger = logging.getLogger(__name__)
_Request = Request[Any, Any, State]
_Answer = Response[bytes]
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
WRONG = "The username or the password is wrong. Check both and try again."


@dataclass(frozen=True)
class Desk:
    """Everything that a sign-in needs."""

    issuer: Issuer
    accounts: Accounts
    clients: Mapping[str, Client]
    codes: Codes
    tickets: Tickets
    throttle: Throttle
    clock: Clock

    @classmethod
    def of(cls, issuer: Issuer, accounts: Accounts, clients: Mapping[str, Client], clock: Clock) -> Desk:
        """Return a desk with nothing under way."""
        return cls(issuer, accounts, clients, Codes(clock), Tickets(clock), Throttle(clock), clock)


def create(desk: Desk) -> Litestar:
    """Return the application."""
    return Litestar(
        route_handlers=[live, ready, discovery, keys, ask, sign_in, token],
        state=State({"desk": desk}),
        exception_handlers={ShownError: _shown, HTTPException: _http, Exception: _failure},
        request_max_body_size=MOST_BYTES,
        openapi_config=None,
        logging_config=None,
    )


@get("/readyz")
async def ready() -> _Answer:
    """Answer that people can sign in."""
    return _json({"ready": True})


@get("/.well-known/openid-configuration")
async def discovery(state: State) -> _Answer:
    """Answer with the provider metadata of OpenID Connect Discovery and RFC 8414."""
    issuer: Issuer = state.desk.issuer
    return _json(
        {
            "issuer": issuer.url,
            "authorization_endpoint": f"{issuer.url}/authorize",
            "token_endpoint": f"{issuer.url}/token",
            "jwks_uri": f"{issuer.url}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": [issuer.key.algorithm],
            "scopes_supported": ["openid", "profile", "links"],
            "claims_supported": ["iss", "aud", "sub", "iat", "exp", "auth_time", "nonce", "name", "links"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


@get("/jwks")
async def keys(state: State) -> _Answer:
    """Answer with the public key."""
    return _json(state.desk.issuer.key.jwks(), headers={"Cache-Control": "public, max-age=300"})


@get("/authorize")
async def ask(request: _Request, state: State) -> _Answer:
    """Show the sign-in page, or tell the application why not."""
    desk: Desk = state.desk
    given = parameters(request.scope["query_string"].decode("latin-1"))
    client, redirect_uri = destination(given, desk.clients)
    try:
        asked = authorization(given, client, redirect_uri)
    except RefusedError as refused:
        state_given = [v for k, v in given if k == "state"][:1]
        return _back(desk, redirect_uri, {"error": refused.error, "error_description": refused.description}, *state_given)
    return _page(pages.sign_in(client, asked, desk.tickets.seal(asked)), redirect_uri=redirect_uri)


@post("/authorize", status_code=200)
async def sign_in(request: _Request, state: State) -> _Answer:
    """Check name and password; send the person back with a code, or show the page again."""
    desk: Desk = state.desk
    form = dict(parameters((await request.body()).decode("utf-8", "replace")))
    ticket, username, password = form.get("ticket", ""), form.get("username", "")[:200], form.get("password", "")[:1000]
    asked = desk.tickets.open(ticket)
    if asked is None:
        raise ShownError("The page was open for too long.")
    if _sent_from_elsewhere(request):
        raise ShownError("The form was sent from another site.")
    address = request.client.host if request.client else ""
    seconds = desk.throttle.wait(username, address)
    if seconds:
        text = f"There were too many attempts. Try again in {-(-seconds // 60)} minutes."
        return _again(desk, asked, ticket, username, text, 429, {"Retry-After": str(seconds)})
    account = await asyncio.to_thread(desk.accounts.check, username, password)
    if account is None:
        desk.throttle.failed(username, address)
        return _again(desk, asked, ticket, username, WRONG, 400)
    desk.throttle.succeeded(username)
    return _signed_in(desk, asked, account)


@post("/token", status_code=200)
async def token(request: _Request, state: State) -> _Answer:
    """Exchange a code for tokens."""
    desk: Desk = state.desk
    try:
        form = dict(parameters((await request.body()).decode("utf-8", "replace")))
        return _json(desk.issuer.tokens(_redeemed(desk, form)), headers=_NO_STORE)
    except RefusedError as refused:
        return _json({"error": refused.error, "error_description": refused.description}, 400, _NO_STORE)
    except ShownError as shown:
        return _json({"error": "invalid_request", "error_description": str(shown)}, 400, _NO_STORE)


def _redeemed(desk: Desk, form: Mapping[str, str]) -> Grant:
    """Return what a code stands for. A code is spent by the first attempt, right or wrong, so that none can be tried out."""
    if form.get("grant_type") != "authorization_code":
        raise RefusedError("unsupported_grant_type", "grant_type must be authorization_code")
    if form.get("client_id") not in desk.clients:
        raise RefusedError("invalid_client", "client_id is not known")
    grant = desk.codes.take(form.get("code", ""))
    if grant is None or (grant.request.client_id, grant.request.redirect_uri) != (form["client_id"], form.get("redirect_uri")):
        raise RefusedError("invalid_grant", "code is unknown, used, expired, or was made for another client_id or redirect_uri")
    if not proves(form.get("code_verifier", ""), grant.request.code_challenge):
        raise RefusedError("invalid_grant", "code_verifier does not belong to the code_challenge")
    if "resource" in form and department_of(form["resource"]) != grant.request.department:
        raise RefusedError("invalid_target", "resource must be the one that was authorized")
    return grant


def _sent_from_elsewhere(request: _Request) -> bool:
    """Whether a browser says that another site's page sent the form. What is no browser names no origin."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _signed_in(desk: Desk, asked: AuthorizationRequest, account: Account) -> _Answer:
    code = desk.codes.make(Grant(account, asked, int(desk.clock())))
    return _back(desk, asked.redirect_uri, {"code": code}, *([asked.state] if asked.state is not None else []))


def _again(
    desk: Desk, asked: AuthorizationRequest, ticket: str, username: str, error: str, status: int, more: dict[str, str] | None = None
) -> _Answer:
    text = pages.sign_in(desk.clients[asked.client_id], asked, ticket, username=username, error=error)
    return _page(text, status, asked.redirect_uri, more)


def _back(desk: Desk, redirect_uri: str, values: dict[str, str], *state: str) -> _Answer:
    """Send the person back to the application; `iss` tells it who answers (RFC 9207)."""
    parts = urlsplit(redirect_uri)
    query = urlencode([*values.items(), *(("state", s) for s in state), ("iss", desk.issuer.url)])
    location = urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
    return Response(b"", status_code=303, headers={"Location": location, "Referrer-Policy": "no-referrer"} | _NO_STORE)


def _page(text: str, status: int = 200, redirect_uri: str | None = None, more: dict[str, str] | None = None) -> _Answer:
    headers = pages.headers(redirect_uri) | (more or {})
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8", headers=headers)


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> _Answer:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json", headers=headers)


def _shown(_: _Request, error: ShownError) -> _Answer:
    return _page(pages.problem(str(error)), 400)


def _http(_: _Request, error: HTTPException) -> _Answer:
    return _page(pages.problem("There is nothing here."), error.status_code, more=error.headers)


def _failure(_: _Request, error: Exception) -> _Answer:
    """Answer for what was not foreseen; the log gets its kind and place, never its text, which may hold a password."""
    note_fault(_logger, error)
    return _page(pages.problem("Signing in does not work at the moment."), 500)
