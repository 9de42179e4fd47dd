"""The issuer's parts put together, whatever its store and its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.bearer import Bearers
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.clock import Clock
from commonweal_runtime.identity.devices import Devices
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.grants import Grants
from commonweal_runtime.identity.hashing import Lane
from commonweal_runtime.identity.issue import Codes, Issuer
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.links import Links
from commonweal_runtime.identity.logout import Farewells, Post, post
from commonweal_runtime.identity.naming import Naming
from commonweal_runtime.identity.people import People
from commonweal_runtime.identity.preferences import PreferenceBook
from commonweal_runtime.identity.provider import Provider, Relying
from commonweal_runtime.identity.service import SignInContext
from commonweal_runtime.identity.sessions import Sessions
from commonweal_runtime.identity.sign_out import SignOut
from commonweal_runtime.identity.stored import Store
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.identity.throttle import Throttle
from commonweal_runtime.identity.tickets import Tickets
from commonweal_runtime.identity.vault import Vault
from commonweal_runtime.turns import Turns


@dataclass(frozen=True)
class Given:
    """What an issuer is made of: its address and keys, its files, its store, its clock."""

    url: str
    key: SigningKey
    seal: bytes
    accounts: Accounts
    clients: Mapping[str, Client]
    subjects: Subjects
    directory: Directory
    store: Store
    clock: Clock
    post: Post = post
    provider: Relying | None = None


@dataclass(frozen=True)
class Parts:
    """What the routes use."""

    sign_in: SignInContext
    sign_out: SignOut
    grants: Grants
    people: People
    directory: Directory
    farewells: Farewells

    @classmethod
    def of(cls, given: Given) -> Parts:
        """Return the parts with nothing under way."""
        vault, issuer, clock = Vault(given.seal), Issuer(given.url, given.key, given.clock), given.clock
        sessions = Sessions(given.store, vault, given.accounts, clock)
        links = Links(given.store, vault, given.accounts, given.subjects, clock)
        naming = Naming(vault, given.accounts, given.subjects, links, sessions)
        farewells, bearers = Farewells(issuer, given.clients, given.post), Bearers(issuer, sessions, clock)
        codes, turns = Codes(given.seal, given.store, clock), Turns()
        return cls(
            sign_in=SignInContext(
                issuer=issuer,
                accounts=given.accounts,
                clients=given.clients,
                naming=naming,
                sessions=sessions,
                codes=codes,
                tickets=Tickets(given.seal, clock),
                throttle=Throttle(clock),
                devices=Devices(given.seal, clock),
                farewells=farewells,
                known=Lane(),
                strangers=Lane(),
                clock=clock,
                provider=None if given.provider is None else Provider(given.provider, given.url, given.seal, clock),
            ),
            sign_out=SignOut.of(issuer, sessions, given.clients, farewells, given.seal, clock),
            grants=Grants(issuer, naming, sessions, codes, bearers, given.store, vault, farewells, given.clients, clock, turns),
            people=People(
                bearers, links, sessions, naming, given.directory, PreferenceBook(given.store, vault, clock), farewells, clock, turns
            ),
            directory=given.directory,
            farewells=farewells,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve; in the end give what is under way a last deadline."""
        try:
            yield
        finally:
            await self.farewells.stop()
