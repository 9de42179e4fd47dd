"""Whom a bearer token speaks for. One verifier per issuer; nothing of a token is believed before its signature holds."""

from __future__ import annotations

import asyncio
import math
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import jwt
import orjson

from commonweal_api.common import PLATFORM_SUFFIX, department_at
from commonweal_api.model_service import RUNTIME_CLIENT
from commonweal_api.pairwise import pairwise
from commonweal_api.plan import audience_of
from commonweal_runtime.certificates import is_secured, outside
from commonweal_runtime.exceptions import KeysUnavailableError, ProblemError
from commonweal_runtime.problems import issuer_not_set, keys_unavailable, token_invalid, token_missing

ALGORITHMS = ("RS256", "ES256", "EdDSA")
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})  # what a token may call itself: other signed texts of an issuer are no tokens
MAX_TOKEN = 8192
LONGEST_DOCUMENT = 256 * 1024
LONGEST_KEY = 200
SHORTEST_RSA_BITS = 2048
SKEW = 30.0
# A service's token is believed without asking the site whether its account is still there, so none may be one that its maker keeps for when he has left.
LONGEST_CLIENT_SECONDS = 86400.0
REMEMBERED = 2048
REMEMBER_SECONDS = 60.0
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 5.0
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CLUSTER_JWKS = "https://kubernetes.default.svc/openid/v1/jwks"

_DEPARTMENTS = audience_of("")
# Claims that people choose themselves, and where a provider says that it has looked (OpenID Connect Core, section 5.1).
_VERIFIED = {"email": "email_verified", "phone_number": "phone_number_verified"}
_SUBJECT = re.compile(r"^system:serviceaccount:(dept-[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?):([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$")

Keys = Mapping[str, jwt.PyJWK]
Fetch = Callable[[], Awaitable[Mapping[str, Any]]]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Client:
    """A service of a department: a Kubernetes ServiceAccount."""

    department: str
    client: str

    def __str__(self) -> str:
        return f"{self.department}/{self.client}"


@dataclass(frozen=True, slots=True)
class Person:
    """A person, by the pairwise id that this department knows; the session that the token belongs to, and how they signed in, as far as it says."""

    subject: UUID
    session: str = ""
    acr: str = ""


@dataclass(frozen=True, slots=True)
class Naming:
    """Which claim of a token names a person.

    Without `sector_key` the claim is the department's pairwise id itself, as the embedded issuer writes it. With it the claim is the key by
    which the department's sources know the person, and the id is made from it here, as the keeper makes it from the sources' column.
    """

    claim: str = "sub"
    sector_key: bytes | None = field(default=None, repr=False)

    def subject(self, claims: Mapping[str, Any]) -> UUID:
        """Return the pairwise id, or raise a ProblemError that names the claim."""
        value = claims.get(self.claim)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_KEY:
            raise token_invalid(
                f"The token has no usable claim {self.claim}.",
                "Sign in again; if it stays so, the platform team sets the claim that names people.",
            )
        if self.claim in _VERIFIED and claims.get(_VERIFIED[self.claim]) is not True:
            raise token_invalid(
                f"The token's claim {self.claim} is what the person wrote: {_VERIFIED[self.claim]} is not true.",
                "Have the provider verify it and say so, or have the platform team name people by a claim that the provider vouches for.",
            )
        if self.sector_key is not None:
            return pairwise(self.sector_key, value)
        try:
            return UUID(value)
        except ValueError:
            raise token_invalid(
                "The token's subject is not a pairwise id.", "Sign in again with this department as the audience of the token."
            ) from None


def checked_url(url: str) -> str:
    """Return an address that keys may be fetched from: over TLS, or on this machine. ValueError for any other: whoever answered there would be believed."""
    if is_secured(url):
        return url
    raise ValueError(f"{url}: an issuer's keys are fetched over https only; use https, or give the keys themselves.")


def fetch_given(document: Mapping[str, Any]) -> Fetch:
    """Return how to have keys that were given with the settings."""

    async def fetch() -> Mapping[str, Any]:
        return document

    return fetch


def fetch_from(url: str, *, token_file: Path | None = None, ca_file: Path | None = None) -> Fetch:
    """Return how to fetch a JWKS from a `checked_url`. The bearer token is read anew each time, for Kubernetes rotates it."""
    checked_url(url)

    async def fetch() -> Mapping[str, Any]:
        bearer = await asyncio.to_thread(token_file.read_text) if token_file else ""
        headers = {"Authorization": f"Bearer {bearer.strip()}"} if bearer else {}
        trust = ssl.create_default_context(cafile=str(ca_file)) if ca_file else outside().context
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            return await _document(session, url, headers=headers, ssl=trust)

    return fetch


def fetch_by_discovery(issuer: str) -> Fetch:
    """Return how to fetch the JWKS that an issuer names under `/.well-known/openid-configuration`. It must name itself as we do."""
    checked_url(issuer)

    async def fetch() -> Mapping[str, Any]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            metadata = await _document(session, issuer.rstrip("/") + "/.well-known/openid-configuration", ssl=outside().context)
            address = metadata.get("jwks_uri")
            if metadata.get("issuer") != issuer or not isinstance(address, str):
                raise ValueError("the issuer's metadata name another issuer, or no keys")
            return await _document(session, checked_url(address), ssl=outside().context)

    return fetch


async def _document(session: aiohttp.ClientSession, url: str, **more: Any) -> Mapping[str, Any]:
    """Return a JSON object of bounded size. Nobody is sent on: the next address would be one that nobody has checked."""
    async with session.get(url, allow_redirects=False, **more) as answer:
        answer.raise_for_status()
        return await document_of(answer)


async def document_of(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return the JSON object of bounded size that an answer holds; ValueError for anything else."""
    text = bytearray()
    async for part in answer.content.iter_any():
        text += part
        if len(text) > LONGEST_DOCUMENT:
            raise ValueError("the document is too long")
    document = orjson.loads(text)
    if not isinstance(document, dict):
        raise ValueError("the document is no object")  # noqa: TRY004 - what came is wrong, not who called
    return document


def fetch_from_cluster(url: str = CLUSTER_JWKS, account: Path = SERVICE_ACCOUNT) -> Fetch:
    """Return how to fetch the site's own keys with the pod's ServiceAccount; outside a pod, without it."""
    token, authority = account / "token", account / "ca.crt"
    return fetch_from(url, token_file=token if token.exists() else None, ca_file=authority if authority.exists() else None)


class KeySet:
    """The public keys of one issuer: cached, read again after `REFRESH_SECONDS` and, at most each `RETRY_SECONDS`, on an unknown key id.

    Keys once fetched are used on while the issuer is away; without any key `key` raises `KeysUnavailableError`.
    """

    def __init__(self, fetch: Fetch, clock: Clock = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: Keys = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with that id, or None if the issuer does not publish it."""
        if kid not in self._keys or self._older_than(self._fetched, REFRESH_SECONDS):
            await self._refresh()
        if not self._keys:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _older_than(self, moment: float | None, seconds: float) -> bool:
        return moment is None or self._clock() - moment >= seconds

    async def _refresh(self) -> None:
        async with self._lock:  # those who waited find `_tried` fresh
            if not self._older_than(self._tried, RETRY_SECONDS):
                return
            self._tried = self._clock()
            try:
                self._keys = _parse(await self._fetch())
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, jwt.PyJWTError):
                return
            self._fetched = self._clock()


_SHORTEST = {"RS256": SHORTEST_RSA_BITS, "ES256": 256, "EdDSA": 0}


def _parse(document: Mapping[str, Any]) -> Keys:
    """Return the signature keys by id; keys of kinds we do not accept are left out, an empty set is an error."""
    keys = {}
    listed = document.get("keys", [])
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(entry)
        except Exception:  # noqa: BLE001, S112 - whatever a library makes of a foreign key, it must not cost us the others
            continue
        if key.algorithm_name in ALGORITHMS and getattr(key.key, "key_size", SHORTEST_RSA_BITS) >= _SHORTEST[key.algorithm_name]:
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("no usable key in the JWKS")
    return keys


class Verifier:
    """Checks signature, issuer, audience and expiry of tokens of one issuer; where none is set, no token is good.

    A token that was checked is remembered for `REMEMBER_SECONDS`, never past its expiry; so a key that the issuer withdraws is honoured for
    at most `REFRESH_SECONDS + REMEMBER_SECONDS`. Every refusal is a `ProblemError` whose remedy says what to correct.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str],
        keys: KeySet,
        now: Clock = time.time,
        naming: Naming | None = None,
        skew: float = SKEW,
    ) -> None:
        self._issuer, self._keys, self._now, self._naming, self._skew = issuer, keys, now, naming or Naming(), skew
        self._audiences = [audience] if isinstance(audience, str) else list(audience)
        self._known: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def client(self, authorization: str | None) -> Client:
        """Return the service that the `Authorization` header speaks for. Its token was made for a day at most."""
        claims = await self.claims(authorization)
        if "iat" not in claims or _seconds(claims["exp"]) - _seconds(claims["iat"]) > LONGEST_CLIENT_SECONDS:
            raise token_invalid(
                "The token was made for longer than a day, or does not say when.",
                "Ask for one of at most 86400 seconds; a projected ServiceAccount token has an hour unless you say otherwise, and is renewed in its file.",
            )
        match = _SUBJECT.fullmatch(str(claims["sub"]))
        if match is None:
            raise token_invalid(
                "The token's subject is not a ServiceAccount of a department.",
                "Use a token of a ServiceAccount in a namespace named dept-<department>.",
            )
        return _client(match[1], match[2])

    async def person(self, authorization: str | None) -> Person:
        """Return the person whom the `Authorization` header speaks for."""
        claims = await self.claims(authorization)
        return Person(self._naming.subject(claims), _text(claims, "sid"), _text(claims, "acr"))

    async def claims(self, authorization: str | None) -> Mapping[str, Any]:
        """Return the claims of a token that passes every check."""
        token = _bearer(authorization)
        if not self._issuer:
            raise issuer_not_set()
        known = self._known.get(token)
        if known is not None and self._now() < known[0]:
            return known[1]
        claims = await self._check(token)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token] = (min(float(claims["exp"]), self._now() + REMEMBER_SECONDS), claims)
        return claims

    async def _check(self, token: str) -> Mapping[str, Any]:
        key = await self._key_of(token)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audiences,
                options={"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise self._refusal(error) from None
        self._for_one_department(claims["aud"])
        return self._in_time(claims)

    def _for_one_department(self, audiences: str | Sequence[str]) -> None:
        """Refuse what another department could have been given, and have brought here."""
        listed = [audiences] if isinstance(audiences, str) else audiences
        if any(a.startswith(_DEPARTMENTS) and a not in self._audiences for a in listed):
            raise token_invalid(
                "The token is meant for several departments, so each could use it at the others.",
                f"Ask for a token with the audience {' or '.join(self._audiences)} alone, one for each department.",
            )

    def _in_time(self, claims: dict[str, Any]) -> Mapping[str, Any]:
        """Return the claims if now lies between `nbf` and `exp`; by our own clock, so that tests need not wait.

        A clock of the issuer that is ahead by no more than the skew is forgiven. One that is behind shortens its tokens; so `exp` needs no grace.
        """
        now = self._now()
        try:
            begins, ends = max(_seconds(claims.get("nbf", 0)), _seconds(claims.get("iat", 0))), _seconds(claims["exp"])
        except (TypeError, ValueError, OverflowError):
            raise token_invalid("The token's exp, nbf or iat is not a number.", "Ask for a new token.") from None
        if now >= ends:
            raise token_invalid("The token has expired.", "Ask for a new token; projected ServiceAccount tokens are renewed in their file.")
        if now + self._skew < begins:
            raise token_invalid("The token is not valid yet.", "Check the clock of the issuer, then ask for a new token.")
        return claims

    async def _key_of(self, token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise token_invalid("The bearer token is not a JWT.", "Send a token of this site's issuer, unaltered.") from None
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            raise token_invalid(
                "The token's algorithm or key id is not accepted.", f"Sign with one of {', '.join(ALGORITHMS)} and name the key."
            )
        if str(header.get("typ", "JWT")).lower() not in TYPES:
            raise token_invalid("The bearer token is a signed text of another kind.", "Send an access token; its typ is JWT or at+jwt.")
        try:
            key = await self._keys.key(header["kid"])
        except KeysUnavailableError:
            raise keys_unavailable(self._issuer) from None
        if key is None or key.algorithm_name != header["alg"]:
            raise token_invalid(
                "The token is signed with a key that its issuer does not publish.", f"Use a token issued by {self._issuer}."
            )
        return key

    def _refusal(self, error: jwt.PyJWTError) -> ProblemError:
        if isinstance(error, jwt.InvalidIssuerError):
            return token_invalid("The token comes from another issuer.", f"Use a token issued by {self._issuer}.")
        if isinstance(error, jwt.InvalidAudienceError):
            return token_invalid(
                "The token is meant for another audience.", f"Ask for a token with the audience {' or '.join(self._audiences)}."
            )
        if isinstance(error, jwt.MissingRequiredClaimError):
            return token_invalid(f"The token lacks the claim {error.claim}.", "Ask for a new token.")
        return token_invalid("The token's signature or form is wrong.", "Send the token unaltered, or ask for a new one.")


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that may be missing; what is no short text counts as missing."""
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= LONGEST_KEY else ""


def _client(namespace: str, account: str) -> Client:
    """Return whom a ServiceAccount speaks for. The namespace decides who is a department's model runtime: only the platform makes accounts in its own."""
    if namespace.endswith(PLATFORM_SUFFIX) != (account == RUNTIME_CLIENT):
        raise token_invalid(
            f"The ServiceAccount {account} in {namespace} is no client of a department.",
            f"Use a ServiceAccount of another name than {RUNTIME_CLIENT} in a namespace named dept-<department>; {RUNTIME_CLIENT} speaks from dept-<department>-platform only.",
        )
    return Client(department_at(namespace), account)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError
    return seconds


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise token_missing()
    token = token.strip()
    if len(token) > MAX_TOKEN:
        raise token_invalid("The token is too long.", f"A token has at most {MAX_TOKEN} characters.")
    return token
