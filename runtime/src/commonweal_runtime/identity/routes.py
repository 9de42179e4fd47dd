"""The issuer over HTTP: discovery, keys, the sign-in page and the token endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from litestar import Request, Response, get, post

from commonweal_runtime.exceptions import AuthorizationError, IdentityStoreError, SignInShownError
from commonweal_runtime.identity import pages, provider
from commonweal_runtime.identity.devices import COOKIE
from commonweal_runtime.identity.grants import CODE, EXCHANGE, REFRESH
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.languages import Language, language_of
from commonweal_runtime.identity.parts import Parts
from commonweal_runtime.identity.provider import Declined, Provider
from commonweal_runtime.identity.requests import AuthorizationRequest, Parameters, authorization, destination, parameters
from commonweal_runtime.identity.responses import (
    END_SESSION,
    SESSION_COOKIE,
    TOKEN,
    TOKEN_HEADERS,
    back,
    host_cookie_name,
    onward,
    page,
    passing_cookie,
    remembered,
    session_cookie,
)
from commonweal_runtime.identity.service import Cookies, Rejected, SignInContext
from commonweal_runtime.identity.sign_out import Onward, Question
from commonweal_runtime.serving import body_of, json_answer, live

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def sign_in_routes(parts: Parts) -> list[Any]:
    """Return all routes by which people sign in and out and applications have tokens."""
    context = parts.sign_in
    front = [] if context.provider is None else _provider(context, context.provider)
    return [live, *_metadata(context), *_authorization(context), *front, *_token(parts), *_end(parts)]


def _metadata(context: SignInContext) -> list[Any]:
    @get("/readyz")
    async def ready() -> _Answer:
        # Ready without its store, too: keys are published, and what does not work is said in words.
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
        given = query_of(request)
        client, redirect_uri = destination(given, context.clients)
        try:
            asked = authorization(given, client, redirect_uri)
            context.expect(asked)
            code = await _of_session(context, asked, cookies_of(request, context.issuer).session)
        except AuthorizationError as refused:
            told = {"error": refused.error, "error_description": refused.description}
            return back(context.issuer.url, redirect_uri, told, next((v for k, v in given if k == "state"), None))
        if code is not None:
            return back(context.issuer.url, redirect_uri, {"code": code}, asked.state)
        if context.provider is not None:
            sent = await context.provider.send(asked)
            return onward(sent.location, [], passing_cookie(context.issuer.url, provider.COOKIE, sent.cookie))
        language = language_of(asked.ui_locales, request.headers.get("accept-language", ""))
        text = pages.sign_in(client, asked, context.tickets.seal(asked), language, again=_in_the_other(given, language))
        return page(text, redirect_uri=redirect_uri)

    @post("/authorize", status_code=200)
    async def sign_in(request: _Request) -> _Answer:
        form = await form_of(request)
        ticket = form.get("ticket", "")
        asked = context.asked(ticket)
        if sent_from_elsewhere(request):
            raise SignInShownError("The form was sent from another site.")
        address = request.client.host if request.client else ""
        kept = cookies_of(request, context.issuer)
        outcome = await context.sign_in(asked, form.get("username", ""), form.get("password", ""), address, kept)
        if isinstance(outcome, Rejected):
            return _again(context, asked, ticket, outcome, request.headers.get("accept-language", ""))
        url = context.issuer.url
        cookies = remembered(url, outcome.device), session_cookie(url, outcome.session)
        return back(url, asked.redirect_uri, {"code": outcome.code}, asked.state, *cookies)

    return [ask, sign_in]


async def _of_session(context: SignInContext, asked: AuthorizationRequest, cookie: str) -> str | None:
    """Return the code that a session gives; where no page may be shown, the application is told that the store is away."""
    try:
        return await context.of_session(asked, cookie)
    except IdentityStoreError:
        if not asked.silent:
            raise
        raise AuthorizationError("temporarily_unavailable", "sessions cannot be looked up at the moment; try again in a minute") from None


def _provider(context: SignInContext, front: Provider) -> list[Any]:
    url = context.issuer.url
    name = host_cookie_name(url, provider.COOKIE)

    @get(provider.CALLBACK)
    async def take_back(request: _Request) -> _Answer:
        over = passing_cookie(url, provider.COOKIE, "")
        outcome = await front.take_back(dict(query_of(request)), request.cookies.get(name, ""))
        if isinstance(outcome, Declined):
            text = "the provider of identities did not sign the person in; try again"
            return back(url, outcome.asked.redirect_uri, {"error": outcome.error, "error_description": text}, outcome.asked.state, over)
        code, cookie = await context.signed_in(outcome.asked, outcome.sign_in, cookies_of(request, context.issuer).session)
        return back(url, outcome.asked.redirect_uri, {"code": code}, outcome.asked.state, over, session_cookie(url, cookie))

    return [take_back]


def _token(parts: Parts) -> list[Any]:
    @post(TOKEN, status_code=200)
    async def token(request: _Request) -> _Answer:
        return json_answer(await parts.grants.answer(await form_of(request)), headers=TOKEN_HEADERS)

    return [token]


def _end(parts: Parts) -> list[Any]:
    issuer, sign_out = parts.sign_in.issuer, parts.sign_out

    def answer(outcome: Onward | Question, request: _Request) -> _Answer:
        language = language_of(request.query_params.get("ui_locales"), request.headers.get("accept-language", ""))
        if isinstance(outcome, Question):
            return page(pages.sign_out(outcome.ticket, language))
        over = session_cookie(issuer.url, "")
        if outcome.uri is None:
            return page(pages.signed_out(language), cookies=[over])
        return onward(outcome.uri, [("state", outcome.state)] if outcome.state is not None else [], over)

    @get(END_SESSION)
    async def asked(request: _Request) -> _Answer:
        return answer(await sign_out.ask(dict(query_of(request)), cookies_of(request, issuer).session), request)

    @post(END_SESSION, status_code=200)
    async def sent(request: _Request) -> _Answer:
        form, cookie = await form_of(request), cookies_of(request, issuer).session
        if "ticket" not in form:
            return answer(await sign_out.ask(form, cookie), request)
        if sent_from_elsewhere(request):
            raise SignInShownError("The form was sent from another site.")
        return answer(await sign_out.confirm(form["ticket"], cookie), request)

    return [asked, sent]


def provider_metadata(issuer: Issuer) -> dict[str, Any]:
    """Return the provider metadata of OpenID Connect Discovery and RFC 8414."""
    return {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "token_endpoint": f"{issuer.url}{TOKEN}",
        "jwks_uri": f"{issuer.url}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "end_session_endpoint": f"{issuer.url}{END_SESSION}",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "grant_types_supported": [CODE, REFRESH, EXCHANGE],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [issuer.key.algorithm],
        "scopes_supported": ["openid", "profile", "links", "offline_access"],
        "claims_supported": ["iss", "aud", "sub", "iat", "exp", "sid", "auth_time", "acr", "amr", "nonce", "name", "links"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
    }


def query_of(request: _Request) -> list[tuple[str, str]]:
    """Return the parameters of the address."""
    return parameters(request.scope["query_string"].decode("latin-1"))


async def form_of(request: _Request) -> dict[str, str]:
    """Return the members of a form body."""
    return dict(parameters((await body_of(request)).decode("utf-8", "replace")))


def cookies_of(request: _Request, issuer: Issuer) -> Cookies:
    """Return what the browser kept."""
    return Cookies(request.cookies.get(COOKIE, ""), request.cookies.get(host_cookie_name(issuer.url, SESSION_COOKIE), ""))


def sent_from_elsewhere(request: _Request) -> bool:
    """Whether a browser says that another site's page sent the form. What is no browser names no origin."""
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _in_the_other(given: Parameters, language: Language) -> str:
    """Return the query of the same page in the other language."""
    return urlencode([*((k, v) for k, v in given if k != "ui_locales"), ("ui_locales", "en" if language == "cy" else "cy")])


def _again(context: SignInContext, asked: AuthorizationRequest, ticket: str, rejected: Rejected, accepted: str) -> _Answer:
    """Show the page again, with what was wrong."""
    client, language = context.clients[asked.client_id], language_of(asked.ui_locales, accepted)
    text = pages.sign_in(client, asked, ticket, language, username=rejected.username, error=rejected.text)
    if rejected.seconds:
        return page(text, 429, asked.redirect_uri, {"Retry-After": str(rejected.seconds)})
    return page(text, 400, asked.redirect_uri)
