"""Who a session is to whom: to a department, to an application, to the issuer itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from commonweal_api.people_issuer import IDENTITY, PORTAL_WEB, sector_of_client
from commonweal_api.plan import audience_of
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.issue import Audience
from commonweal_runtime.identity.links import Links
from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sessions import Session, Sessions
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.identity.vault import Vault


class Naming:
    """Finds the ids that tokens carry."""

    def __init__(self, vault: Vault, accounts: Accounts, subjects: Subjects, links: Links, sessions: Sessions) -> None:
        self._vault, self._accounts, self._subjects = vault, accounts, subjects
        self._links, self._sessions = links, sessions

    def expect(self, department: str | None) -> None:
        """Raise AuthorizationError unless people can be named to this department; to the issuer itself they can."""
        if department is not None:
            self._subjects.expect(department)

    async def to_department(self, session: Session, department: str) -> Audience:
        """Return what a token for a department says."""
        subject = await self._links.subject(session, department)
        return Audience(audience_of(department), subject, self.sid(session, department))

    def to_itself(self, session: Session, client: str) -> Audience:
        """Return what a token for the issuer says; its `sid` is the session's id, which no department is told."""
        return Audience(IDENTITY, self._application(session, client), str(session.id))

    async def to_application(self, session: Session, client: str) -> Audience:
        """Return what an ID token says, and note that the application uses the session."""
        return Audience(client, self._application(session, client), await self._sessions.join(session, client))

    def sid(self, session: Session, department: str) -> str:
        """Return what a department is told of a session."""
        return self._vault.sid(session.id, department)

    async def more(self, session: Session, asked: AuthorizationRequest) -> dict[str, Any]:
        """Return what else an ID token says: name and links as far as they were asked for and are there."""
        more: dict[str, Any] = {} if asked.nonce is None else {"nonce": asked.nonce}
        if "profile" in asked.scopes:
            more["name"] = self._name(session)
        if asked.links:
            linked = {link.department: str(link.subject) for link in await self._links.listed(session)}
            more["links"] = {d: linked[d] for d in asked.links if d in linked}
        return more

    def _application(self, session: Session, client: str) -> UUID:
        """Return by what an application knows the person: by the operator's id if the platform gave one key for all, else by one that is made here."""
        account = None if session.sign_in.person.username is None else self._accounts.find(session.sign_in.person.username)
        if account is None or account.root is None or client == PORTAL_WEB:
            return self._vault.client(session.account, client)
        return UUID(self._subjects.named(sector_of_client(client), account.root))

    def _name(self, session: Session) -> str:
        person = session.sign_in.person
        account = None if person.username is None else self._accounts.find(person.username)
        return person.name if account is None else account.name
