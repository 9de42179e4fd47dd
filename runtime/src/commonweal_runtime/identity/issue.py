"""What the issuer hands out: codes that work once, tokens that name a person as one department or application knows them. Pure but for what is spent."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel

from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sealing import Seal
from commonweal_runtime.identity.sessions import Session
from commonweal_runtime.identity.stored import Once, Store
from commonweal_runtime.identity.vault import digest

CODE_SECONDS = 60
TOKEN_SECONDS = 600  # a department cannot ask whether a session lives, so what it takes ends soon
LOGOUT_SECONDS = 120
ACCESS, LOGOUT, IDENTITY_TOKEN = "at+jwt", "logout+jwt", "JWT"
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Code(BaseModel):
    """What a code stands for; the tokens that can be refreshed later are a family with its id."""

    id: UUID
    session: UUID
    request: AuthorizationRequest


class Codes:
    """Authorization codes, for a minute. The code itself carries what it stands for, sealed; that it was used is kept in the store, for all replicas."""

    def __init__(self, seal: bytes, store: Store, clock: Clock) -> None:
        self._seal, self._store, self._clock = Seal(seal, "code", CODE_SECONDS, clock), store, clock

    def make(self, session: Session, asked: AuthorizationRequest) -> str:
        """Return a new code."""
        request = asked.model_copy(update={"state": None, "acr_values": None})  # of no use any more, and they can be long
        return self._seal.seal(Code(id=uuid4(), session=session.id, request=request).model_dump_json())

    async def take(self, code: str) -> Code | None:
        """Return what the code stands for, the first time; None ever after, and when it is too old. Used again, what came of it ends (RFC 6749, 4.1.2)."""
        text, now = self._seal.open(code), self._clock()
        if text is None:
            return None
        found = Code.model_validate_json(text)
        if not await self._store.spend(Once(digest(f"code {found.id}"), now + 2 * CODE_SECONDS), now):
            await self._store.end_family(found.id)
            return None
        return found


class Audience(NamedTuple):
    """Who a token is for, and what it calls the person and the session."""

    audience: str
    subject: UUID
    sid: str


class Issuer:
    """Makes the tokens of one issuer."""

    def __init__(self, url: str, key: SigningKey, clock: Clock) -> None:
        self.url, self.key, self._clock = url, key, clock

    def access_token(self, session: Session, client: str, scopes: Sequence[str], to: Audience) -> tuple[str, int]:
        """Return an RFC 9068 token for a department, which alone can tie its `sub` to records, and for how many seconds it is good."""
        return self._access(session, client, scopes, to, TOKEN_SECONDS)

    def identity_token(self, session: Session, client: str, scopes: Sequence[str], to: Audience) -> tuple[str, int]:
        """Return a token for the issuer itself, as long as the session can last: the issuer asks at each use whether it does."""
        return self._access(session, client, scopes, to, None)

    def _access(self, session: Session, client: str, scopes: Sequence[str], to: Audience, most: int | None) -> tuple[str, int]:
        left = max(int(session.ends - self._clock()), 1)
        seconds = left if most is None else min(most, left)
        more = {"client_id": client, "scope": " ".join(scopes), "jti": secrets.token_urlsafe(16), **_assurance(session)}
        return self.key.sign(self._claims(to, seconds) | more, ACCESS), seconds

    def id_token(self, session: Session, to: Audience, more: Mapping[str, Any]) -> str:
        """Return an ID token: an id that only this application knows, and what it asked for by name."""
        return self.key.sign(self._claims(to, TOKEN_SECONDS) | _assurance(session) | dict(more), IDENTITY_TOKEN)

    def logout_token(self, client: str, sid: str) -> str:
        """Return what tells an application that a session has ended (OpenID Connect Back-Channel Logout, section 2.4)."""
        now = int(self._clock())
        claims = {"iss": self.url, "aud": client, "iat": now, "exp": now + LOGOUT_SECONDS, "jti": secrets.token_urlsafe(16)}
        return self.key.sign(claims | {"sid": sid, "events": {_LOGOUT_EVENT: {}}}, LOGOUT)

    def read(self, text: str, kind: str, audience: str | None) -> dict[str, Any] | None:
        """Return the claims of a text that this issuer signed, whatever its times."""
        found = self.key.claims(text, kind, audience)
        return found if found is not None and found.get("iss") == self.url else None

    def _claims(self, to: Audience, seconds: int) -> dict[str, Any]:
        now = int(self._clock())
        return {"iss": self.url, "aud": to.audience, "sub": str(to.subject), "iat": now, "exp": now + seconds, "sid": to.sid}


def _assurance(session: Session) -> dict[str, Any]:
    """Return when and how surely the person signed in."""
    said = session.sign_in
    acr = {"acr": said.acr} if said.acr is not None else {}
    return {"auth_time": said.at, **acr, **({"amr": list(said.amr)} if said.amr else {})}
