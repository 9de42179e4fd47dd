"""By which id each department knows an account: links that the platform set, links that the person made, and an id of no record where there is no link."""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

from commonweal_runtime.identity.accounts import Account, Accounts
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.sessions import Person, Session
from commonweal_runtime.identity.stored import Once, Store, StoredLink
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.identity.vault import Vault

By = Literal["person", "platform"]
Outcome = Literal["Linked", "Spent", "Taken"]


class Link(NamedTuple):
    """A link of an account; the platform's have no date."""

    department: str
    subject: UUID
    by: By
    since: float | None


class Links:
    """The links of all accounts. What the person made or ended goes before what people.json says."""

    def __init__(self, store: Store, vault: Vault, accounts: Accounts, subjects: Subjects, clock: Clock) -> None:
        self._store, self._vault, self._accounts, self._subjects, self._clock = store, vault, accounts, subjects, clock

    async def subject(self, session: Session, department: str) -> UUID:
        """Return the id for a token of a department; raises AuthorizationError while the operator has not made the id of a link that the platform set."""
        self._subjects.expect(department)
        return await self.resolved(session.account, session.sign_in.person, department)

    async def resolved(self, account: UUID, person: Person, department: str) -> UUID:
        """Return the same id, whichever session asks."""
        kept = {link.department: link for link in await self._store.links(account)}
        if department in kept:
            return self._opened(kept[department]) or self._vault.unlinked(account, department)
        key = _key(self._account(person), department)
        return UUID(self._subjects.named(department, key)) if key is not None else self._vault.unlinked(account, department)

    async def listed(self, session: Session) -> list[Link]:
        """Return the links of an account by department."""
        found: dict[str, Link] = {}
        account = self._account(session.sign_in.person)
        for department in self._subjects.departments() if account is not None else ():
            key = _key(account, department)
            made = None if key is None else self._subjects.find(department, key)
            if made is not None:
                found[department] = Link(department, UUID(made), "platform", None)
        for kept in await self._store.links(session.account):
            found.pop(kept.department, None)
            subject = self._opened(kept)
            if subject is not None:
                found[kept.department] = Link(kept.department, subject, "person", kept.since)
        return [found[department] for department in sorted(found)]

    async def put(self, session: Session, department: str, subject: UUID, once: Once) -> tuple[Outcome, float]:
        """Link an account to a record, once for each token; a record belongs to one account."""
        now = self._clock()
        if await self._is_of_another(session.account, department, subject):
            return ("Taken" if await self._store.spend(once, now) else "Spent"), now
        sealed = self._vault.seal(str(subject), "link", session.account, department)
        link = StoredLink(session.account, department, sealed, self._vault.link(department, subject), now)
        return await self._store.put_link(link, once, now), now

    async def end(self, session: Session, department: str) -> bool:
        """End a link, the platform's too; return whether there was one."""
        if all(link.department != department for link in await self.listed(session)):
            return False
        await self._store.end_link(session.account, department, self._clock())
        return True

    async def _is_of_another(self, asking: UUID, department: str, subject: UUID) -> bool:
        """Whether the platform linked the record to another account, which has not ended that."""
        for account in self._accounts.all():
            other = self._vault.account("people", account.username)
            key = account.key(department)
            if other == asking or key is None or self._subjects.find(department, key) != str(subject):
                continue
            if all(link.department != department for link in await self._store.links(other)):
                return True
        return False

    def _account(self, person: Person) -> Account | None:
        return None if person.username is None else self._accounts.find(person.username)

    def _opened(self, link: StoredLink) -> UUID | None:
        text = None if link.sealed is None else self._vault.open(link.sealed, "link", link.account, link.department)
        return None if text is None else UUID(text)


def _key(account: Account | None, department: str) -> str | None:
    return None if account is None else account.key(department)
