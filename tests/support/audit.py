"""A sealed store without keeper and data API: rows are written as their owner writes them, and seals are made when a test says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from commonweal_runtime.audit.sealer import MOST_ROWS, seal
from commonweal_runtime.audit.verify import Outcome, digest_of_terms, verify
from commonweal_runtime.seal_key import KeyRing, SealKey
from commonweal_runtime.store.schema import migrate
from support.data_api import DATABASE_KEY, DEPARTMENT
from support.postgres import StoreServer

SEAL_KEY = SealKey.of(DATABASE_KEY)
KEYS = KeyRing([SEAL_KEY.jwk])
AUDITOR = f"{DEPARTMENT}/auditor"
TERMS = {
    "number": 1,
    "name": "tax-reads",
    "product": "people",
    "consumer": "tax",
    "basis": "Consent",
    "legalPower": None,
    "purposes": [{"key": "tax/serve", "iri": "dpv:ServicePersonalisation", "text": "A sentence of some length that a person is shown."}],
    "fields": ["fullName", "birthYear"],
    "validity": {"from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
    "limits": {"maxRows": 100},
    "department": {"name": DEPARTMENT, "displayName": "The Registry", "contact": "mailto:registry@example.test"},
}
CONTRACT = digest_of_terms(TERMS)
_USE = """insert into audit.use (agreement, client, purpose, op, contract, fields, subject, subjects, found)
  values (1, 'tax/app', 'tax/serve', $1, $2, null, $3, $4, 1) returning id"""


class Ledger:
    """One store with one agreement, number 1, and a superuser's connection to it."""

    def __init__(self, root: Any) -> None:
        self.root = root

    @staticmethod
    async def of(store: StoreServer) -> Ledger:
        """Make, or find, the schema and the agreement."""
        root = await store.superuser("department")
        await migrate(root)
        await root.execute(
            "insert into agreement.department (name, display_name, contact, registrars) values ($1, 'The Registry', 'mailto:r@example.test', '{auditor}')"
            " on conflict do nothing",
            DEPARTMENT,
        )
        await root.execute(
            "insert into agreement.contract (hash, number, content) values ($1, 1, $2::text::jsonb) on conflict do nothing",
            CONTRACT,
            json.dumps(TERMS),
        )
        await root.execute(
            "insert into agreement.register (number, uid, name, contract) values (1, 'a-1', 'tax-reads', $1) on conflict do nothing",
            CONTRACT,
        )
        return Ledger(root)

    async def use(self, *subjects: UUID, connection: Any = None) -> int:
        """Write one use, of a point read or of a page, and return its number."""
        one, several = (subjects[0], None) if len(subjects) == 1 else (None, list(subjects))
        number: int = await (connection or self.root).fetchval(_USE, "point" if one else "page", CONTRACT, one, several)
        return number

    async def say(self, who: UUID, kind: str, by: str = "subject") -> int:
        """Write one event and return its number."""
        number: int = await self.root.fetchval(
            "insert into consent.event (subject, agreement, kind, contract, indicated_by) values ($1, 1, $2, $3, $4) returning seq",
            who,
            kind,
            CONTRACT,
            by,
        )
        return number

    async def seal(self, most: int = MOST_ROWS) -> int:
        """Make one seal and return how many rows are under it."""
        return await seal(self.root, SEAL_KEY, KEYS, most)

    async def lines(self, client: str = AUDITOR, most: int = 2000) -> list[str]:
        """Return an export, fetched part by part."""
        lines: list[str] = []
        position: tuple[int, str, int] = (0, "seal", -1)
        while True:
            part = await self.root.fetchval("select audit.export($1, $2, $3, $4, $5)", client, *position, most)
            lines += part.splitlines()
            last = json.loads(lines[-1])
            if last["kind"] == "end":
                return lines
            number, kind, after = last["after"].split(".")
            position = int(number), kind, int(after)

    async def check(self, anchor: str | None = None, most: int = 2000) -> Outcome:
        """Check what the store holds now."""
        return verify(await self.lines(most=most), KEYS, anchor)

    async def tamper(self, *statements: str) -> None:
        """Do what the owner of the tables can: change rows with the triggers off."""
        for statement in ("set session_replication_role = replica", *statements, "reset session_replication_role"):
            await self.root.execute(statement)


class RootLanes:
    """Runs the service's statements; the login is the data API's business, the functions' own checks are not."""

    def __init__(self, root: Any) -> None:
        self.root = root

    async def call(self, login: str, statement: str, *args: object) -> str | None:
        answer: str | None = await self.root.fetchval(statement, *args)
        return answer


def texts(outcome: Outcome) -> Iterator[str]:
    """Yield what was found, as it is printed."""
    yield from map(str, outcome.findings)
