"""Sessions: who is signed in in which browser, for how long, and in which applications."""

from __future__ import annotations

import secrets
from typing import NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.stored import Member, Store, StoredSession
from commonweal_runtime.identity.vault import Vault, digest

ABSOLUTE_SECONDS = 8 * 3600
PASSWORD_ACR = "https://commonweal.dev/acr/password"  # noqa: S105 - how somebody signed in: by a password and nothing more


class Person(BaseModel):
    """Who signed in: a name in people.json, or what a provider calls the person. It is kept sealed, with the session alone."""

    model_config = ConfigDict(frozen=True)

    username: str | None = None
    issuer: str | None = None
    subject: str | None = None
    name: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What the id of the account is made from."""
        return ("people", self.username) if self.username is not None else ("provider", self.issuer or "", self.subject or "")


class SignIn(BaseModel):
    """Who signed in, when, and how sure that is."""

    model_config = ConfigDict(frozen=True)

    person: Person
    at: int
    acr: str | None = None
    amr: tuple[str, ...] = ()


class Session(NamedTuple):
    """A session that lives."""

    id: UUID
    account: UUID
    sign_in: SignIn
    started: float
    seen: float
    ends: float


class Started(NamedTuple):
    """A session and its cookie; `told` are the applications of the session that was in its place, which another person had."""

    session: Session
    cookie: str
    told: list[Member]


class Listed(NamedTuple):
    """A session as its person is told of it."""

    session: Session
    clients: list[str]


class Sessions:
    """The sessions of all people. A session is over after a quarter of an hour without use, after eight hours, and when its account is gone."""

    def __init__(self, store: Store, vault: Vault, accounts: Accounts, clock: Clock) -> None:
        self._store, self._vault, self._accounts, self._clock = store, vault, accounts, clock

    async def answers(self) -> None:
        """Return if sessions can be begun and found; raises IdentityStoreError."""
        await self._store.answers()

    async def start(self, sign_in: SignIn, cookie: str = "") -> Started:
        """Begin a session, or go on with the one of `cookie` if the same person signed in again. The cookie is another one each time."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        account = self._vault.account(*sign_in.person.key)
        before = await self.of_cookie(cookie)
        if before is not None and before.account == account:
            again = before._replace(sign_in=sign_in, seen=now, ends=now + ABSOLUTE_SECONDS)
            await self._store.renew(self._stored(again, secret))
            return Started(again, secret, [])
        told = [] if before is None else await self._store.end(before.id) or []
        new = Session(uuid4(), account, sign_in, now, now, now + ABSOLUTE_SECONDS)
        await self._store.begin(self._stored(new, secret), now)
        return Started(new, secret, told)

    async def of_cookie(self, cookie: str) -> Session | None:
        """Return the session of a cookie, which counts as a use of it."""
        return self._opened(await self._store.session_of(digest(cookie), self._clock())) if cookie else None

    async def of_id(self, id_: UUID) -> Session | None:
        """Return a session, which counts as a use of it."""
        return self._opened(await self._store.session(id_, self._clock()))

    async def join(self, session: Session, client: str) -> str:
        """Note that an application uses the session; return what the application calls it."""
        member = Member(client, self.sid(session.id, client))
        await self._store.join(session.id, member)
        return member.sid

    def sid(self, session: UUID, client: str) -> str:
        """Return what an application calls a session."""
        return self._vault.sid(session, f"client:{client}")

    async def listed(self, account: UUID) -> list[Listed]:
        """Return the sessions of an account, the last used first."""
        found = [(self._opened(stored), clients) for stored, clients in await self._store.sessions(account, self._clock())]
        return [Listed(session, clients) for session, clients in found if session is not None]

    async def called(self, client: str, sid: str) -> UUID | None:
        """Return the session that an application calls so."""
        return await self._store.named(Member(client, sid))

    async def end(self, id_: UUID, account: UUID | None = None) -> list[Member] | None:
        """End a session, of this account if one is named; return the applications to tell, or None when there was none."""
        return await self._store.end(id_, account)

    def _stored(self, session: Session, secret: str) -> StoredSession:
        sealed = self._vault.seal(session.sign_in.model_dump_json(), "session", session.id)
        return StoredSession(session.id, digest(secret), session.account, sealed, session.started, session.seen, session.ends)

    def _opened(self, stored: StoredSession | None) -> Session | None:
        """Return what was stored, unless it was changed there, or its account is gone."""
        text = None if stored is None else self._vault.open(stored.sealed, "session", stored.id)
        if stored is None or text is None:
            return None
        try:
            sign_in = SignIn.model_validate_json(text)
        except ValidationError:
            return None
        person = sign_in.person
        is_there = person.username is None or self._accounts.find(person.username) is not None
        if not is_there or self._vault.account(*person.key) != stored.account:
            return None
        return Session(stored.id, stored.account, sign_in, stored.started, stored.seen, stored.ends)
