"""The issuer's store in memory, for tests of one process. The tests in contract/identity hold it to what PostgreSQL does."""

from __future__ import annotations

from uuid import UUID

from commonweal_runtime.exceptions import IdentityStoreError
from commonweal_runtime.identity.stored import (
    IDLE_SECONDS,
    MOST_SESSIONS,
    Family,
    Linking,
    Member,
    Once,
    Rotated,
    StoredLink,
    StoredSession,
)


class MemoryStore:
    """Keeps what `Store` says, as long as the process lives. With `away` it does not answer."""

    def __init__(self) -> None:
        self.away = False
        self._sessions: dict[UUID, StoredSession] = {}
        self._members: dict[UUID, dict[str, Member]] = {}
        self._families: dict[UUID, Family] = {}
        self._spent: dict[bytes, float] = {}
        self._links: dict[tuple[UUID, str], StoredLink] = {}
        self._preferences: dict[UUID, tuple[int, bytes]] = {}

    async def answers(self) -> None:
        if self.away:
            raise IdentityStoreError

    async def spend(self, once: Once, now: float) -> bool:
        await self.answers()
        return self._use(once, now)

    async def begin(self, session: StoredSession, now: float) -> None:
        await self.answers()
        for over in [s.id for s in self._sessions.values() if not _alive(s, now)]:
            self._end(over)
        self._sessions[session.id] = session
        own = sorted((s for s in self._sessions.values() if s.account == session.account), key=lambda s: (-s.seen, -s.started, s.id.bytes))
        for beyond in own[MOST_SESSIONS:]:
            self._end(beyond.id)

    async def renew(self, session: StoredSession) -> None:
        await self.answers()
        found = self._sessions.get(session.id)
        if found is not None:
            seen = max(found.seen, session.seen)
            self._sessions[session.id] = found._replace(secret=session.secret, sealed=session.sealed, seen=seen, ends=session.ends)

    async def session(self, id_: UUID, now: float) -> StoredSession | None:
        await self.answers()
        found = self._sessions.get(id_)
        if found is None or not _alive(found, now):
            return None
        self._sessions[id_] = found._replace(seen=max(found.seen, now))
        return self._sessions[id_]

    async def session_of(self, secret: bytes, now: float) -> StoredSession | None:
        await self.answers()
        found = next((s for s in self._sessions.values() if s.secret == secret), None)
        return None if found is None else await self.session(found.id, now)

    async def join(self, session: UUID, member: Member) -> None:
        await self.answers()
        if session in self._sessions:
            self._members.setdefault(session, {}).setdefault(member.client, member)

    async def sessions(self, account: UUID, now: float) -> list[tuple[StoredSession, list[str]]]:
        await self.answers()
        found = [s for s in self._sessions.values() if s.account == account and _alive(s, now)]
        return [(s, sorted(self._members.get(s.id, {}))) for s in sorted(found, key=lambda s: (-s.seen, s.id.bytes))]

    async def named(self, member: Member) -> UUID | None:
        await self.answers()
        return next((session for session, members in self._members.items() if member in members.values()), None)

    async def end(self, session: UUID, account: UUID | None = None) -> list[Member] | None:
        await self.answers()
        found = self._sessions.get(session)
        return self._end(session) if found is not None and account in (None, found.account) else None

    async def links(self, account: UUID) -> list[StoredLink]:
        await self.answers()
        return [link for link in self._links.values() if link.account == account]

    async def put_link(self, link: StoredLink, once: Once, now: float) -> Linking:
        await self.answers()
        if not self._use(once, now):
            return "Spent"
        place = (link.account, link.department)
        for at, other in [*self._links.items()]:
            if at != place and other.record == link.record:
                self._links[at] = StoredLink(*at, None, None, now)
        self._links[place] = link
        return "Linked"

    async def end_link(self, account: UUID, department: str, now: float) -> None:
        await self.answers()
        self._links[account, department] = StoredLink(account, department, None, None, now)

    async def begin_family(self, family: Family) -> bool:
        await self.answers()
        if family.session not in self._sessions:
            return False
        self._families[family.id] = family
        return True

    async def family(self, id_: UUID) -> Family | None:
        await self.answers()
        return self._families.get(id_)

    async def rotate(self, family: UUID, presented: bytes, following: bytes, now: float) -> Rotated:
        await self.answers()
        found = self._families.get(family)
        if found is None or not _alive(self._sessions[found.session], now):
            return Rotated(None)
        if found.current != presented:
            return Rotated(found, reused=True, told=tuple(self._end(found.session)))
        self._families[family] = found._replace(current=following)
        session = self._sessions[found.session]
        self._sessions[session.id] = session._replace(seen=max(session.seen, now))
        return Rotated(found)

    async def end_family(self, family: UUID) -> None:
        await self.answers()
        self._families.pop(family, None)

    async def preferences(self, account: UUID) -> tuple[int, bytes] | None:
        await self.answers()
        return self._preferences.get(account)

    async def put_preferences(self, account: UUID, sealed: bytes, expected: int | None) -> int | None:
        await self.answers()
        version = self._preferences.get(account, (0, b""))[0]
        if expected not in (None, version):
            return None
        self._preferences[account] = (version + 1, sealed)
        return version + 1

    def _use(self, once: Once, now: float) -> bool:
        self._spent = {digest: until for digest, until in self._spent.items() if until > now}
        if once.digest in self._spent:
            return False
        self._spent[once.digest] = once.until
        return True

    def _end(self, session: UUID) -> list[Member]:
        del self._sessions[session]
        self._families = {id_: f for id_, f in self._families.items() if f.session != session}
        return sorted(self._members.pop(session, {}).values())


def _alive(session: StoredSession, now: float) -> bool:
    return session.seen > now - IDLE_SECONDS and session.ends > now
