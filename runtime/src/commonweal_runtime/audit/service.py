"""What the data API answers about proofs, receipts, seals and the auditors' export: finished JSON, or a ProblemError."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import orjson

from commonweal_runtime.audit.merkle import Tree
from commonweal_runtime.audit.proofs import prove
from commonweal_runtime.audit.receipts import signed
from commonweal_runtime.exceptions import ProblemError, ProofError
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.seal_key import SealKey
from commonweal_runtime.store.problems import Own, problem_of
from commonweal_runtime.store.sqlstates import SqlState
from commonweal_runtime.turns import Turns

PERSON, PUBLIC = "person", "api"
MOST_LINES = 2000
BEGINNING = "0.seal.-1"
_KEPT_TREES, _MOST_KEPT = 8, 50_000
_ONE_SECOND = MappingProxyType({"Retry-After": "1"})


class Pools(Protocol):
    """What runs a statement as one login and returns its text."""

    async def call(self, login: str, statement: str, *args: object) -> str | None:
        """Return the statement's one value."""


class AuditService:
    """Answers for one department. Whoever `actor` is, and that a client is who it says, the data API has checked."""

    def __init__(self, pools: Pools, database_key: bytes, turns: Turns | None = None) -> None:
        self._pools, self._seal_key, self._turns = pools, SealKey.of(database_key), turns or Turns()
        self._strangers = Turns(at_once=4, waiting=200)  # of eight connections of the login, so that clients and proofs find one
        self._trees: OrderedDict[int, tuple[Tree, str]] = OrderedDict()

    @property
    def jwk(self) -> Mapping[str, str]:
        """The public seal key, for the department's JWKS."""
        return self._seal_key.jwk

    async def use_proof(self, actor: UUID, subject: UUID, number: int) -> bytes:
        """Return the inclusion proof of one use that the person is shown."""
        return await self._proof("select person.use_evidence($1, $2, $3)", actor, subject, number)

    async def event_proof(self, actor: UUID, subject: UUID, number: int) -> bytes:
        """Return the inclusion proof of something the person said."""
        return await self._proof("select person.event_evidence($1, $2, $3)", actor, subject, number)

    async def receipts(self, actor: UUID, subject: UUID, before: int, most: int) -> bytes:
        """Return the person's receipts, newest first, made anew from the events."""
        async with self._turns.of(actor):
            page = orjson.loads(await self._ask(PERSON, "select person.receipts($1, $2, $3, $4)", actor, subject, before, most) or "{}")
        items = [self._receipt(event) for event in page["items"]]
        return orjson.dumps({"items": items, "next": page["next"]})

    async def receipt(self, actor: UUID, subject: UUID, agreement: str) -> str | None:
        """Return the receipt of the newest event of an agreement, or None when there is none."""
        text = await self._ask(PERSON, "select person.newest($1, $2, $3)", actor, subject, agreement)
        return self.receipt_of(text) if text is not None else None

    def receipt_of(self, newest: str) -> str:
        """Return the receipt of an event as `person.newest` of the store gives it."""
        return signed(orjson.loads(newest), self._seal_key)

    async def seals(self, after: int, most: int) -> bytes:
        """Return seals from number `after` on: for everybody."""
        async with self._strangers.of(PUBLIC):
            return (await self._ask(PUBLIC, "select audit.seals($1, $2)", after, most) or "").encode()

    async def export(self, client: str, cursor: str = BEGINNING) -> bytes:
        """Return lines of JSON for the auditors; `client` is the caller as department/account. Raises the ProblemError NotPermitted when it is no registrar."""
        number, kind, after = _position(cursor)
        async with self._turns.of(client):
            text = await self._ask(PUBLIC, "select audit.export($1, $2, $3, $4, $5)", client, number, kind, after, MOST_LINES)
        return (text or "").encode()

    def _receipt(self, event: Mapping[str, Any]) -> dict[str, Any]:
        terms = event["terms"] or {}
        told = {"event": str(event["seq"]), "at": event["at"], "state": event["kind"], "agreement": terms.get("name")}
        return {**told, "receipt": signed(event, self._seal_key)}

    async def _proof(self, statement: str, actor: UUID, subject: UUID, number: int) -> bytes:
        async with self._turns.of(actor):
            evidence = orjson.loads(await self._ask(PERSON, statement, actor, subject, number) or "{}")
            if evidence["seal"] is None:
                raise not_sealed_yet()
            tree, jws = await self._tree(evidence["seal"])
            try:
                return orjson.dumps({**prove(evidence, tree, jws), "keys": [self.jwk]})
            except ProofError as error:
                raise proof_broken(str(error)) from None

    async def _tree(self, number: int) -> tuple[Tree, str]:
        """Return a seal's tree. A few are kept: they never change, and building one of 20,000 rows takes tens of milliseconds."""
        kept = self._trees.get(number)
        if kept is not None:
            self._trees.move_to_end(number)
            return kept
        sealed = orjson.loads(await self._ask(PUBLIC, "select audit.sealed($1)", number) or "{}")
        found = Tree(base64.b64decode(sealed["entries"])), str(sealed["jws"])
        if found[0].size <= _MOST_KEPT:  # one over a million rows that one transaction wrote would take a hundred megabytes
            self._trees[number] = found
            while len(self._trees) > _KEPT_TREES:
                self._trees.popitem(last=False)
        return found

    async def _ask(self, login: str, statement: str, *args: object) -> str | None:
        try:
            return await self._pools.call(login, statement, *args)
        except asyncpg.PostgresError as error:
            raise problem_of(error, own=_REFUSED) from None


def _position(cursor: str) -> tuple[int, str, int]:
    """Return where an export goes on."""
    parts = cursor.split(".")
    if (
        len(parts) == 3
        and parts[1] in {"seal", "use", "event"}
        and all(p.removeprefix("-").isdecimal() and len(p) <= 18 for p in parts[::2])
    ):
        return int(parts[0]), parts[1], int(parts[2])
    raise invalid_request(
        "The parameter after is no cursor of an export.", "Write `after` of the last line of the part before, or leave it out."
    )


def not_permitted() -> ProblemError:
    return ProblemError(
        403,
        "NotPermitted",
        "Not permitted",
        "No delegation covers this, or the client is no registrar of the department.",
        "Have the person delegate it, or the client named in spec.registrars of the Department.",
    )


def no_such_row() -> ProblemError:
    return ProblemError(
        404,
        "NoSuchRecord",
        "No such record",
        "There is no use or event of that number about this person.",
        "See /me/uses and /me/receipts.",
    )


def not_sealed_yet() -> ProblemError:
    return ProblemError(
        409,
        "NotSealedYet",
        "Not sealed yet",
        "The record is younger than the newest seal.",
        "Ask again in a second; if it stays so, the department's keeper is down.",
        _ONE_SECOND,
    )


def proof_broken(detail: str) -> ProblemError:
    return ProblemError(
        500,
        "ProofBroken",
        "The record does not match its seal",
        detail,
        "Keep this answer and tell the department's complaints address: the record is not what was sealed.",
    )


_REFUSED: Own = MappingProxyType({SqlState.NOT_FOUND: no_such_row, SqlState.NOT_PERMITTED: not_permitted})
