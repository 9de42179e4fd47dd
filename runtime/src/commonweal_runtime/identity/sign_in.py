"""Sign in without a browser, by the same pages and redirects that a browser would follow. For the demo, tests and scripts."""

from __future__ import annotations

import hashlib
import re
import secrets
import ssl
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt

from commonweal_api.plan import audience_of
from commonweal_api.signatures import base64url
from commonweal_runtime.exceptions import SignInError, SignInLaterError

CLIENT, REDIRECT = "commonweal-portal", "http://127.0.0.1/callback"
_TICKET = re.compile(r'name="ticket" value="([^"]+)"')


class SignedIn(NamedTuple):
    """What a person's application holds after signing in; `links` are the ids of the person at the departments asked for."""

    access_token: str
    subject: str
    links: dict[str, str]
    expires_in: int


async def sign_in(
    base: str, username: str, password: str, department: str, *, links: tuple[str, ...] = (), trust: ssl.SSLContext | None = None
) -> SignedIn:
    """Return a token for a department's audience, from the issuer that is reached at `base` (which need not be its issuer URL).

    `trust` is what its certificate is checked by; None: the authorities of this machine.

    Raises SignInError when the issuer refuses, SignInLaterError when it may know better in a minute, aiohttp's errors when it cannot be reached. Claims are read without checking the
    signature: they come straight from the issuer, and whoever gets the token checks it.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    connector = aiohttp.TCPConnector(ssl=trust if trust is not None else True)
    async with aiohttp.ClientSession(base.rstrip("/"), connector=connector) as session:
        ticket = await _page(session, _request(verifier, state, department, links))
        code = await _code(session, {"ticket": ticket, "username": username, "password": password}, state)
        form = {"grant_type": "authorization_code", "client_id": CLIENT, "redirect_uri": REDIRECT, "code": code, "code_verifier": verifier}
        async with session.post("/token", data=form) as answer:
            tokens: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise _kind(str(tokens.get("error")))(f"{tokens.get('error')}: {tokens.get('error_description')}")
    claims, identity = _claims(tokens["access_token"]), _claims(tokens["id_token"])
    return SignedIn(tokens["access_token"], claims["sub"], identity.get("links", {}), tokens["expires_in"])


def _request(verifier: str, state: str, department: str, links: tuple[str, ...]) -> dict[str, str]:
    scopes = ["openid", *(["links"] if links else []), *(f"link:{d}" for d in links)]
    return {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": REDIRECT,
        "scope": " ".join(scopes),
        "state": state,
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
        "resource": audience_of(department),
    }


async def _page(session: aiohttp.ClientSession, request: dict[str, str]) -> str:
    async with session.get("/authorize", params=request, allow_redirects=False) as answer:
        found = _TICKET.search(await answer.text())
        if found is None:
            raise _kind(_said(answer, "error"), answer.status)(_reason(answer) or f"no sign-in page (status {answer.status})")
        return unescape(found[1])


async def _code(session: aiohttp.ClientSession, form: dict[str, str], state: str) -> str:
    async with session.post("/authorize", data=form, allow_redirects=False) as answer:
        back = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
        if answer.status != 303 or "code" not in back:
            raise _kind("", answer.status)(_reason(answer) or f"the sign-in was refused (status {answer.status})")
        if back.get("state") != [state]:
            raise SignInError("the answer belongs to another request")
        return back["code"][0]


def _kind(error: str, status: int = 400) -> type[SignInError]:
    return SignInLaterError if error == "temporarily_unavailable" or status == 503 else SignInError


def _reason(answer: aiohttp.ClientResponse) -> str:
    return _said(answer, "error_description")


def _said(answer: aiohttp.ClientResponse, name: str) -> str:
    return " ".join(parse_qs(urlsplit(answer.headers.get("Location", "")).query).get(name, []))


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
