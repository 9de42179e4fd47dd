"""The portal before the issuer: signing in (code, PKCE, nonce), tokens for departments by exchange, signing out, and the issuer's own API for a person."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import jwt

from commonweal_api.people_issuer import PORTAL_WEB
from commonweal_api.plan import audience_of
from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError, KeysUnavailableError, SignedOutError
from commonweal_runtime.portal.connection import Answer, Connection, at, refusal
from commonweal_runtime.portal.visits import Session, Signing
from commonweal_runtime.tokens import ALGORITHMS, SKEW, KeySet

CLIENT = PORTAL_WEB
NAME = "issuer"  # as whom errors name it
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of a kind of token
LOGOUT_SECONDS = 300.0
METADATA_SECONDS = 300.0
Clock = Callable[[], float]


class Issuer:
    """The issuer of people's tokens. `inner` is where it is reached from here; what people and tokens name is `url`."""

    def __init__(self, connection: Connection, *, url: str, inner: str, portal: str, clock: Clock) -> None:
        self.url, self._inner, self._portal, self._clock = url, inner, portal, clock
        self._connection = connection
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys = KeySet(self._jwks, clock)

    async def begin(self, onward: str, language: str) -> tuple[Signing, str]:
        """Return a sign-in that begins, and the address to which the person is sent for it."""
        verifier = secrets.token_urlsafe(48)
        begun = Signing(
            state=secrets.token_urlsafe(24), nonce=secrets.token_urlsafe(24), verifier=verifier, onward=onward, begun=int(self._clock())
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": f"{self._portal}/signed-in",
            "scope": "openid profile",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "ui_locales": language,
        }
        return begun, f"{(await self.metadata())['authorization_endpoint']}?{urlencode(query)}"

    async def redeem(self, signing: Signing, code: str) -> Session:
        """Return the session that a code stands for; DepartmentAnswerError when the issuer or its ID token does not fit what was begun."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": CLIENT,
            "redirect_uri": f"{self._portal}/signed-in",
            "code_verifier": signing.verifier,
        }
        given = await self._token(form)
        claims = await self._claims(str(given.get("id_token", "")), audience=CLIENT)
        if claims.get("nonce") != signing.nonce:
            raise DepartmentAnswerError(NAME, 400, "SignInNotFitting")
        now = int(self._clock())
        return Session(
            token=str(given["access_token"]),
            id_token=str(given["id_token"]),
            sid=str(claims.get("sid", "")),
            name=str(claims.get("name", ""))[:200],
            started=now,
            seen=now,
        )

    async def exchange(self, session: Session, department: str) -> tuple[str, float]:
        """Return a token for a department and when it ends; SignedOutError once the issuer honours the session no longer."""
        form = {
            "grant_type": EXCHANGE,
            "client_id": CLIENT,
            "subject_token": session.token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": audience_of(department),
        }
        try:
            given = await self._token(form)
        except DepartmentAnswerError as error:
            if error.reason in ("invalid_grant", "invalid_token", "invalid_request") or error.status == 401:
                raise SignedOutError from None
            raise
        return str(given["access_token"]), self._clock() + float(given["expires_in"])

    async def ask(self, session: Session, method: str, path: str, **more: Any) -> Any:
        """Return the JSON of the issuer's own API for the person; SignedOutError once the session is over."""
        answer = await self._ask(method, f"{self.url}{path}", headers={"Authorization": f"Bearer {session.token}"}, **more)
        if answer.status == 401:
            raise SignedOutError
        if answer.status >= 300:
            raise refusal(NAME, answer)
        return answer.json(NAME)

    async def directory(self, etag: str = "") -> Answer:
        """Return the answer with the site's departments; of status 304 where nothing has changed since `etag`."""
        return await self._ask("GET", f"{self.url}/v1/directory", headers={"If-None-Match": etag} if etag else {})

    async def ended(self, session: Session | None, language: str) -> str:
        """Return the address at which a person signs out of the issuer, too."""
        query = {"client_id": CLIENT, "post_logout_redirect_uri": f"{self._portal}/signed-out", "ui_locales": language}
        if session is not None:
            query["id_token_hint"] = session.id_token
        return f"{(await self.metadata())['end_session_endpoint']}?{urlencode(query)}"

    async def logged_out(self, token: str) -> str:
        """Return the session that a logout token of the issuer ends; DepartmentAnswerError for any other text (OpenID Connect Back-Channel Logout, 2.6)."""
        claims = await self._claims(token, audience=CLIENT, ended=False)
        events, issued = claims.get("events"), claims.get("iat")
        is_fresh = isinstance(issued, int) and abs(self._clock() - issued) <= LOGOUT_SECONDS
        if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims or not is_fresh or not claims.get("sid"):
            raise DepartmentAnswerError(NAME, 400, "invalid_request")
        return str(claims["sid"])

    async def metadata(self) -> Mapping[str, Any]:
        """Return what the issuer says of itself; it must name itself as we do."""
        now, held = self._clock(), self._metadata
        if held is not None and now - held[0] <= METADATA_SECONDS:
            return held[1]
        try:
            found = (await self._ask("GET", f"{self.url}/.well-known/openid-configuration")).json(NAME)
        except DepartmentSilentError:
            found = None
        if isinstance(found, dict) and found.get("issuer") == self.url:
            self._metadata = now, found
            return found
        if held is None:
            raise DepartmentSilentError(NAME)
        return held[1]  # what it said before holds while it is away

    async def _token(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        answer = await self._ask("POST", (await self.metadata())["token_endpoint"], data=form)
        if answer.status != 200:
            raise refusal(NAME, answer)
        given = answer.json(NAME)
        if not isinstance(given, dict) or "access_token" not in given:
            raise DepartmentSilentError(NAME)
        return given

    async def _ask(self, method: str, url: str, **more: Any) -> Answer:
        return await self._connection.ask(NAME, method, at(self.url, url, self._inner), **more)

    async def _jwks(self) -> Mapping[str, Any]:
        answer = await self._ask("GET", (await self.metadata())["jwks_uri"])
        found: Mapping[str, Any] = answer.json(NAME) or {}
        return found

    async def _claims(self, token: str, *, audience: str, ended: bool = True) -> Mapping[str, Any]:
        """Return the claims of a token that the issuer signed for us."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.key(str(header.get("kid", "")))
            if key is None or header.get("alg") not in ALGORITHMS or key.algorithm_name != header["alg"]:
                raise DepartmentAnswerError(NAME, 400, "SignInNotFitting")
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self.url,
                audience=audience,
                options={"require": ["iss", "aud", "iat"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except KeysUnavailableError:
            raise DepartmentSilentError(NAME) from None
        except jwt.PyJWTError:
            raise DepartmentAnswerError(NAME, 400, "SignInNotFitting") from None
        if ended and not (isinstance(claims.get("exp"), int) and self._clock() < claims["exp"] + SKEW):
            raise DepartmentAnswerError(NAME, 400, "SignInNotFitting")
        return claims


class Tokens:
    """Tokens for departments, in memory till shortly before they end. A person who asks for several pages at once has one exchange under way for each department."""

    EARLY_SECONDS = 30.0
    MOST = 20_000
    AT_ONCE = 6  # of one person: the issuer refuses whoever has more than 16 under way, and another replica may ask it, too

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer, self._clock = issuer, clock
        self._held: dict[tuple[str, str], tuple[str, float, str]] = {}
        self._under_way: dict[tuple[str, str], asyncio.Task[str]] = {}
        self._lines: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def of(self, session: Session, department: str) -> str:
        """Return a token for a department; SignedOutError once the session is over."""
        key = session.holder, department
        held = self._held.get(key)
        if held is not None and self._clock() < held[1] - self.EARLY_SECONDS:
            return held[0]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._exchange(key, session))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    def forget(self, session: Session) -> None:
        """Forget the tokens of a person who signs out."""
        self._held = {key: held for key, held in self._held.items() if key[0] != session.holder}

    def forget_sid(self, sid: str) -> None:
        """Forget the tokens of a session that the issuer has ended."""
        self._held = {key: held for key, held in self._held.items() if held[2] != sid}

    def forget_at(self, session: Session, department: str) -> None:
        """Forget one token: the person is another one to this department from now on."""
        self._held.pop((session.holder, department), None)

    async def _exchange(self, key: tuple[str, str], session: Session) -> str:
        line = self._lines.setdefault(session.holder, asyncio.Semaphore(self.AT_ONCE))
        async with line:
            token, ends = await self._issuer.exchange(session, key[1])
        if len(self._held) >= self.MOST:
            now = self._clock()
            self._held = {k: held for k, held in self._held.items() if held[1] > now}
        self._held[key] = token, ends, session.sid
        return token
