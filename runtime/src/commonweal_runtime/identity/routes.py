"""The issuer over HTTP: discovery, keys, the sign-in page and the token endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post

from commonweal_runtime.exceptions import AuthorizationError, SignInShownError
from commonweal_runtime.identity import pages
from commonweal_runtime.identity.devices import COOKIE
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.requests import AuthorizationRequest, authorization, destination, parameters
from commonweal_runtime.identity.responses import TOKEN, TOKEN_HEADERS, back, page, remembered
from commonweal_runtime.identity.service import Rejected, SignInContext
from commonweal_runtime.serving import body_of, json_answer, live

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def sign_in_routes(context: SignInContext) -> list[Any]:
    """Return all routes of the issuer."""
    return [live, *_metadata(context), *_authorization(context), *_token(context)]


def _metadata(context: SignInContext) -> list[Any]:
    @get("/readyz")
    async def ready() -> _Answer:
        return json_answer({"ready": True})

    @get("/.well-known/openid-configuration")
    async def discovery() -> _Answer:
        return json_answer(provider_metadata(context.issuer), headers={})

    @get("/jwks")
    async def keys() -> _Answer:
        return json_answer(context.issuer.key.jwks(), headers={"Cache-Control": "public, max-age=300"})

    return [ready, discovery, keys]


def _authorization(context: SignInContext) -> list[Any]:
    @get("/authorize")
    async def ask(request: _Request) -> _Answer:
        given = parameters(request.scope["query_string"].decode("latin-1"))
        client, redirect_uri = destination(given, context.clients)
        try:
            asked = authorization(given, client, redirect_uri)
            context.issuer.subjects.expect(asked.department)
        except AuthorizationError as refused:
            told = {"error": refused.error, "error_description": refused.description}
            return back(context.issuer.url, redirect_uri, told, next((v for k, v in given if k == "state"), None))
        return page(pages.sign_in(client, asked, context.tickets.seal(asked)), redirect_uri=redirect_uri)

    @post("/authorize", status_code=200)
    async def sign_in(request: _Request) -> _Answer:
        form = await _form(request)
        ticket = form.get("ticket", "")
        asked = context.asked(ticket)
        if _sent_from_elsewhere(request):
            raise SignInShownError("The form was sent from another site.")
        address = request.client.host if request.client else ""
        cookie = request.cookies.get(COOKIE, "")
        outcome = await context.sign_in(asked, form.get("username", ""), form.get("password", ""), address, cookie)
        if isinstance(outcome, Rejected):
            return _again(context, asked, ticket, outcome)
        kept = remembered(context.issuer.url, outcome.device)
        return back(context.issuer.url, asked.redirect_uri, {"code": outcome.code}, asked.state, kept)

    return [ask, sign_in]


def _token(context: SignInContext) -> list[Any]:
    @post(TOKEN, status_code=200)
    async def token(request: _Request) -> _Answer:
        return json_answer(context.tokens(await _form(request)), headers=TOKEN_HEADERS)

    return [token]


def provider_metadata(issuer: Issuer) -> dict[str, Any]:
    """Return the provider metadata of OpenID Connect Discovery and RFC 8414."""
    return {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "token_endpoint": f"{issuer.url}{TOKEN}",
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


async def _form(request: _Request) -> dict[str, str]:
    """Return the members of a form body."""
    return dict(parameters((await body_of(request)).decode("utf-8", "replace")))


def _sent_from_elsewhere(request: _Request) -> bool:
    """Whether a browser says that another site's page sent the form. What is no browser names no origin."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _again(context: SignInContext, asked: AuthorizationRequest, ticket: str, rejected: Rejected) -> _Answer:
    """Show the page again, with what was wrong."""
    text = pages.sign_in(context.clients[asked.client_id], asked, ticket, username=rejected.username, error=rejected.text)
    if rejected.seconds:
        return page(text, 429, asked.redirect_uri, {"Retry-After": str(rejected.seconds)})
    return page(text, 400, asked.redirect_uri)
