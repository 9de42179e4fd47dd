"""What the issuer keeps, and what it asks of whatever keeps it. Moments are seconds since 1970, and arguments.

Whatever is asked raises IdentityStoreError while the store does not answer. Each method is one transaction, so that replicas agree: a code works once
over all of them, a session that ended at one is known at none.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol
from uuid import UUID

IDLE_SECONDS = 900
MOST_SESSIONS = 100  # of an account; the ones unused for longest end


class StoredSession(NamedTuple):
    """A session: `secret` is the digest of its cookie, `sealed` who signed in and how."""

    id: UUID
    secret: bytes
    account: UUID
    sealed: bytes
    started: float
    seen: float
    ends: float


class Member(NamedTuple):
    """An application that a session was used in, and what it calls the session."""

    client: str
    sid: str


class StoredLink(NamedTuple):
    """A link that a person made; with no `sealed` id it is one that they ended."""

    account: UUID
    department: str
    sealed: bytes | None
    record: bytes | None
    since: float


class Family(NamedTuple):
    """Refresh tokens that came of one sign-in: one works at a time, and `current` is its digest."""

    id: UUID
    session: UUID
    client: str
    request: bytes
    current: bytes


class Once(NamedTuple):
    """Something that is used once, and until when it would be taken."""

    digest: bytes
    until: float


class Rotated(NamedTuple):
    """What became of a refresh token: the family, whether it was the one that works, and which applications to tell that the session ended."""

    family: Family | None
    reused: bool = False
    told: tuple[Member, ...] = ()


Linking = Literal["Linked", "Spent"]


class Store(Protocol):
    """The issuer's store."""

    async def answers(self) -> None:
        """Return if the store answers."""

    async def spend(self, once: Once, now: float) -> bool:
        """Return whether this is the first use."""

    async def begin(self, session: StoredSession, now: float) -> None:
        """Keep a new session. What is over is forgotten; of too many of an account, those unused for longest."""

    async def renew(self, session: StoredSession) -> None:
        """Give a session another secret, content and end: the person has signed in again."""

    async def session(self, id_: UUID, now: float) -> StoredSession | None:
        """Return a session that lives, and note that it was used now."""

    async def session_of(self, secret: bytes, now: float) -> StoredSession | None:
        """Return the living session of a cookie, and note that it was used now."""

    async def join(self, session: UUID, member: Member) -> None:
        """Note that an application uses a session."""

    async def sessions(self, account: UUID, now: float) -> list[tuple[StoredSession, list[str]]]:
        """Return the living sessions of an account, the last used first, with their applications."""

    async def named(self, member: Member) -> UUID | None:
        """Return the session that an application calls so."""

    async def end(self, session: UUID, account: UUID | None = None) -> list[Member] | None:
        """End a session, of this account if one is named, with all its refresh tokens; return its applications, or None when there was none."""

    async def links(self, account: UUID) -> list[StoredLink]:
        """Return what is kept of an account's links."""

    async def put_link(self, link: StoredLink, once: Once, now: float) -> Linking:
        """Keep a link and spend its token, or tell that the token was spent. Another account's link to the record ends: what the department said last holds."""

    async def end_link(self, account: UUID, department: str, now: float) -> None:
        """Keep that an account has no link at a department."""

    async def begin_family(self, family: Family) -> bool:
        """Keep a family of refresh tokens; False when its session has ended."""

    async def family(self, id_: UUID) -> Family | None:
        """Return a family, whether its session lives or not."""

    async def rotate(self, family: UUID, presented: bytes, following: bytes, now: float) -> Rotated:
        """Put `following` in the place of the token that works. One that was replaced ends its family and the session, and `reused` says so."""

    async def end_family(self, family: UUID) -> None:
        """End a family."""

    async def preferences(self, account: UUID) -> tuple[int, bytes] | None:
        """Return version and content of an account's preferences."""

    async def put_preferences(self, account: UUID, sealed: bytes, expected: int | None) -> int | None:
        """Keep them and return their version; None when a version is expected and it is another one. None of them has version 0."""
