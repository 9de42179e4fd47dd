"""An OpenID provider in front: it says who a person is, and everything else stays as it is. The issuer is one of its applications.

Authorization code with PKCE, `state` and `nonce`. What the provider says is believed once its signature holds by a key that it publishes, and only in the
browser in which the person was sent to it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import jwt
from pydantic import BaseModel

from commonweal_api.signatures import base64url
from commonweal_runtime.certificates import is_secured, outside
from commonweal_runtime.exceptions import KeysUnavailableError, ProviderError, SignInShownError
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sealing import Seal
from commonweal_runtime.identity.sessions import Person, SignIn
from commonweal_runtime.tokens import ALGORITHMS, SKEW, KeySet, document_of, fetch_by_discovery

CALLBACK = "/provider"
COOKIE = "commonweal-provider"
FLOW_SECONDS = 900
ANSWER_SECONDS = 5.0
METADATA_SECONDS = 300.0
LONGEST_SUBJECT, LONGEST_TEXT, MOST_METHODS = 255, 200, 10
_PASSED_ON = frozenset({"access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required"})
_ENDPOINTS = ("authorization_endpoint", "token_endpoint")


class Relying(NamedTuple):
    """What the provider knows this issuer by. Without a secret it is a public client, whose codes PKCE alone protects."""

    issuer: str
    client_id: str
    secret: str | None


class Sent(NamedTuple):
    """Where a person is sent, and what their browser keeps meanwhile."""

    location: str
    cookie: str


class Returned(NamedTuple):
    """A person who has come back: what they came here for, and who they are."""

    asked: AuthorizationRequest
    sign_in: SignIn


class Declined(NamedTuple):
    """A person who has come back without the provider saying who they are: what is told to the application that sent them."""

    asked: AuthorizationRequest
    error: str


class _Flow(BaseModel):
    """A sign-in that is under way, sealed into `state`: `browser` is the digest of the cookie of the browser that may end it."""

    asked: AuthorizationRequest
    nonce: str
    verifier: str
    browser: str
    began: float


class Provider:
    """Sends people to the provider and takes them back. ProviderError says what the provider did wrong, SignInShownError what the browser did."""

    def __init__(self, relying: Relying, url: str, seal: bytes, clock: Clock) -> None:
        self._relying, self._redirect, self._clock = relying, f"{url}{CALLBACK}", clock
        self._seal = Seal(seal, "provider", FLOW_SECONDS, clock)
        self._keys = KeySet(fetch_by_discovery(relying.issuer))
        self._metadata: tuple[float, Mapping[str, Any]] | None = None

    async def send(self, asked: AuthorizationRequest) -> Sent:
        """Return where to send a person who asks for a sign-in."""
        metadata = await self._discovered()
        cookie, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = _Flow(asked=asked, nonce=nonce, verifier=verifier, browser=_digest(cookie), began=self._clock())
        values = {
            "response_type": "code",
            "client_id": self._relying.client_id,
            "redirect_uri": self._redirect,
            "scope": "openid profile",
            "state": self._seal.seal(flow.model_dump_json()),
            "nonce": nonce,
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        if asked.again:
            values["prompt"] = "login"
        if asked.max_age is not None:
            values["max_age"] = str(asked.max_age)
        if asked.acr_values is not None:
            values["acr_values"] = asked.acr_values
        address = metadata["authorization_endpoint"]
        return Sent(f"{address}{'&' if '?' in address else '?'}{urlencode(values, quote_via=quote)}", cookie)

    async def take_back(self, given: Mapping[str, str], cookie: str) -> Returned | Declined:
        """Return who came back and what for."""
        flow = self._flow(given, cookie)
        metadata = await self._discovered()
        if given.get("iss", self._relying.issuer) != self._relying.issuer or (
            metadata.get("authorization_response_iss_parameter_supported") is True and "iss" not in given
        ):
            raise ProviderError("another issuer answered than the one that was asked (iss)")
        if "error" in given or "code" not in given:
            error = given.get("error", "")
            return Declined(flow.asked, error if error in _PASSED_ON else "server_error")
        claims = await self._claims(await self._redeemed(given["code"], flow, metadata["token_endpoint"]))
        return Returned(flow.asked, self._sign_in(claims, flow))

    def _flow(self, given: Mapping[str, str], cookie: str) -> _Flow:
        text = self._seal.open(given.get("state", ""))
        flow = None if text is None else _Flow.model_validate_json(text)
        if flow is None or not hmac.compare_digest(flow.browser, _digest(cookie)):
            raise SignInShownError("The sign-in took too long, or was begun in another browser.")
        return flow

    async def _discovered(self) -> Mapping[str, Any]:
        """Return the provider's metadata, of the last minutes at most."""
        if self._metadata is not None and self._clock() < self._metadata[0]:
            return self._metadata[1]
        found = await _asked(
            lambda session: session.get(
                self._relying.issuer.rstrip("/") + "/.well-known/openid-configuration", ssl=outside().context, allow_redirects=False
            )
        )
        if found.get("issuer") != self._relying.issuer:
            raise ProviderError("its metadata name another issuer")
        for name in _ENDPOINTS:
            if not isinstance(found.get(name), str) or not is_secured(found[name]):
                raise ProviderError(f"its metadata have no {name} over https")
        self._metadata = (self._clock() + METADATA_SECONDS, found)
        return found

    async def _redeemed(self, code: str, flow: _Flow, endpoint: str) -> str:
        """Return the ID token that the provider gives for a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect, "code_verifier": flow.verifier}
        headers = {"Accept": "application/json"}
        if self._relying.secret is None:
            form["client_id"] = self._relying.client_id
        else:
            headers["Authorization"] = _basic(self._relying.client_id, self._relying.secret)
        answer = await _asked(
            lambda session: session.post(endpoint, data=form, headers=headers, ssl=outside().context, allow_redirects=False)
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("its answer to a code has no ID token")
        return token

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """Return what the provider signed, for this issuer."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.key(str(header.get("kid"))) if header.get("alg") in ALGORITHMS else None
            if key is None or key.algorithm_name != header["alg"]:
                raise ProviderError("its ID token is signed with no key that it publishes")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._relying.issuer,
                audience=self._relying.client_id,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.PyJWTError as error:
            raise ProviderError(f"its ID token is not valid ({type(error).__name__})") from None
        except KeysUnavailableError:
            raise ProviderError("its keys cannot be fetched") from None
        return claims

    def _sign_in(self, claims: Mapping[str, Any], flow: _Flow) -> SignIn:
        """Return who signed in; ProviderError where the ID token is not of this sign-in."""
        self._check(claims, flow)
        at = claims.get("auth_time", claims["iat"])
        if not _is_time(at) or not self._is_recent(at, "auth_time" in claims, flow):
            raise ProviderError("the person did not sign in again, though that was asked for (auth_time)")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise ProviderError("its ID token has no usable sub")
        person = Person(issuer=self._relying.issuer, subject=subject, name=_text(claims.get("name")) or "")
        return SignIn(person=person, at=int(at), acr=_text(claims.get("acr")), amr=_methods(claims.get("amr")))

    def _check(self, claims: Mapping[str, Any], flow: _Flow) -> None:
        """Raise ProviderError unless the ID token is for this issuer, of this sign-in, and of this time."""
        now, alone = self._clock(), not isinstance(claims["aud"], list) or len(claims["aud"]) == 1
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), flow.nonce.encode()):
            raise ProviderError("its ID token is of another sign-in (nonce)")
        if claims.get("azp", self._relying.client_id if alone else None) != self._relying.client_id:
            raise ProviderError("its ID token is another application's (azp)")
        if not (_is_time(claims["exp"]) and _is_time(claims["iat"]) and claims["iat"] - SKEW <= now < claims["exp"]):
            raise ProviderError("its ID token is not of this time (exp, iat)")

    def _is_recent(self, at: float, is_said: bool, flow: _Flow) -> bool:
        """Whether the person signed in as lately as was asked; OpenID Connect has the provider say when, where that was asked."""
        if flow.asked.max_age is None and not flow.asked.again:
            return True
        latest = flow.began if flow.asked.again else self._clock() - (flow.asked.max_age or 0)
        return is_said and at >= latest - SKEW


async def _asked(ask: Callable[[aiohttp.ClientSession], Any]) -> Mapping[str, Any]:
    """Return the JSON object that the provider answers, within the deadline."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session, ask(session) as answer:
            if answer.status != 200:
                raise ProviderError(f"it answers with status {answer.status}")
            return await document_of(answer)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise ProviderError(f"it does not answer ({type(error).__name__})") from None


def _basic(client: str, secret: str) -> str:
    """Return what proves this issuer to the provider (RFC 6749, section 2.3.1: both parts are form-encoded first)."""
    both = ":".join(quote(part, safe="") for part in (client, secret))
    return "Basic " + base64.b64encode(both.encode()).decode()


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**40


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT else None


def _methods(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(v for v in listed[:MOST_METHODS] if _text(v) is not None)
