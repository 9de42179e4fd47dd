"""What a door shows equals what an oracle in plain Python says, for random agreements, people and events; and what time and crossing events do to it."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from support.data_api import Desk, agreement, keeping, login, person_product, plan, subject
from support.postgres import HeritageServer, StoreServer

NOW = {"from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
PAST = {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
FUTURE = {"from": "2029-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}
BASES = ("Consent", "PublicTask", "LegalObligation")
CASES = {
    f"{basis.lower()}-{name}": (basis, period) for basis in BASES for name, period in (("now", NOW), ("past", PAST), ("future", FUTURE))
}
PEOPLE = [subject(f"P{n}") for n in range(1, 41)]


# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL


async def opened(store: StoreServer, heritage: HeritageServer, agreements: dict[str, Any]) -> dict[str, int]:
    """Carry out a plan of one product and these agreements; return the number of each."""
    desk, wanted = Desk(store.directory / "desk"), plan({"people": person_product(heritage)}, agreements)
    desk.put(wanted)
    async with keeping(store, desk):
        report = await desk.settled(wanted)
    return {name: outcome.number or 0 for name, outcome in report.agreements.items()}


async def shown(reader: Any, number: int, who: UUID) -> bool:
    """Return whether the door shows a person; a door that is not in force shows nobody."""
    try:
        return await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", who) is not None
    except asyncpg.PostgresError as error:
        if error.sqlstate == "CW003":
            return False
        raise


class Oracle:
    """What people said, and who may therefore be seen: the rule, in the fewest words."""

    def __init__(self) -> None:
        self.given: set[tuple[str, UUID]] = set()
        self.objected: set[tuple[str, UUID]] = set()

    def say(self, name: str, who: UUID, word: str) -> None:
        for word_on, word_off, kept in (("Given", "Withdrawn", self.given), ("Objected", "Lifted", self.objected)):
            if word == word_on:
                kept.add((name, who))
            elif word == word_off:
                kept.discard((name, who))

    def sees(self, name: str, who: UUID) -> bool:
        basis, period = CASES[name]
        holds = period is NOW
        said_yes = basis != "Consent" or (name, who) in self.given
        said_no = basis != "LegalObligation" and (name, who) in self.objected
        return holds and said_yes and not said_no


def words(name: str, chance: random.Random) -> list[str]:
    """Return what one person may say about one agreement, in a random order."""
    basis = CASES[name][0]
    possible = (["Given", "Withdrawn"] if basis == "Consent" else []) + (["Objected", "Lifted"] if basis != "LegalObligation" else [])
    return chance.choices(possible, k=chance.randint(0, 4)) if possible else []


@pytest.mark.parametrize("seed", range(3))
def test_visibility_equals_the_oracle(store: StoreServer, heritage: HeritageServer, seed: int) -> None:
    chance, oracle = random.Random(seed), Oracle()

    async def script() -> None:
        specs = {name: agreement(basis, validity=period) for name, (basis, period) in CASES.items()}
        numbers = await opened(store, heritage, specs)
        person = await login(store, "person")
        root = await store.superuser("department")
        await root.execute("update consent.state set consent = null, objected = false")  # begin each seed from silence
        for name, who in itertools.product(CASES, PEOPLE):
            for word in words(name, chance):
                function = "give" if word in {"Given", "Withdrawn"} else "object"
                await person.execute(f"select person.{function}($1, $2, $3)", who, name, word in {"Given", "Objected"})
                oracle.say(name, who, word)
        seen = 0
        for name, number in numbers.items():
            reader = await login(store, f"agr_{number}")
            for who in PEOPLE:
                assert await shown(reader, number, who) == oracle.sees(name, who), (name, who)
                seen += oracle.sees(name, who)
            await reader.close()
        assert 40 < seen < len(CASES) * len(PEOPLE) / 2, "the sample shows too little or too much to tell anything"
        await root.close()
        await person.close()

    asyncio.run(script())


def test_a_consent_that_runs_out_closes_at_once_and_the_sweep_writes_it_down(store: StoreServer, heritage: HeritageServer) -> None:
    async def script() -> None:
        numbers = await opened(store, heritage, {"yes": agreement(), "also": agreement()})
        root, person = await store.superuser("department"), await login(store, "person")
        who, number = subject("P50"), numbers["yes"]
        reader = await login(store, f"agr_{number}")
        await person.execute("select person.give($1, 'also', true)", who)
        insert = "insert into consent.event (subject, agreement, kind, contract, valid_until) values ($1, $2, 'Given', 'x', clock_timestamp() + $3)"
        await root.execute(insert, who, number, timedelta(seconds=1))
        assert await shown(reader, number, who)
        async with asyncio.timeout(10):
            while await shown(reader, number, who):
                await asyncio.sleep(0.02)
        state = await root.fetchrow("select consent, valid_until from consent.state where subject = $1 and agreement = $2", who, number)
        assert state["consent"] == "Given", "nobody has swept yet: it was the row's own end that closed it"
        assert datetime.now(UTC) >= state["valid_until"]
        assert await root.fetchval("select consent.sweep()") == 1
        assert await root.fetchval("select consent from consent.state where subject = $1 and agreement = $2", who, number) == "Expired"
        other = await login(store, f"agr_{numbers['also']}")
        assert await shown(other, numbers["also"], who), "the sweep lets the person's other consents through again"
        for connection in (reader, other, root, person):
            await connection.close()

    asyncio.run(script())


def test_an_agreement_that_runs_out_inside_an_open_transaction_closes(store: StoreServer, heritage: HeritageServer) -> None:
    """now() stands still in a transaction; the policy and the door must not."""

    async def script() -> None:
        until = datetime.now(UTC) + timedelta(seconds=8)
        spec = agreement("LegalObligation", validity={"from": "2026-01-01T00:00:00Z", "until": until.isoformat()})
        number = (await opened(store, heritage, {"short": spec}))["short"]
        reader = await login(store, f"agr_{number}")
        transaction = reader.transaction()
        await transaction.start()
        assert await shown(reader, number, subject("P1"))
        await transaction.rollback()
        await transaction_until_closed(reader, number)
        await reader.close()

    async def transaction_until_closed(reader: Any, number: int) -> None:
        """One transaction, many statements: a refusal would end it, so each stands behind a savepoint."""
        async with asyncio.timeout(20), reader.transaction():
            begun = await reader.fetchval("select now()")
            while True:
                savepoint = reader.transaction()
                await savepoint.start()
                seen = await shown(reader, number, subject("P1"))
                await savepoint.rollback()
                assert await reader.fetchval("select now()") == begun
                if not seen:
                    return
                await asyncio.sleep(0.05)

    asyncio.run(script())


@pytest.mark.parametrize("objection_first", [True, False])
def test_an_objection_and_an_arrival_that_cross_end_closed(store: StoreServer, heritage: HeritageServer, objection_first: bool) -> None:
    async def script() -> None:
        number = (await opened(store, heritage, {"task": agreement("PublicTask")}))["task"]
        first, second, root = [await store.superuser("department") for _ in range(3)]
        relation = await root.fetchval("select relation from agreement.product")
        who = subject(f"late-{objection_first}")
        statements = [
            f"insert into consent.event (subject, agreement, kind, contract) values ($1, {number}, 'Objected', 'x')",
            f"insert into product.{relation} (subject, \"fullName\") values ($1, 'Late')",
        ]
        if not objection_first:
            statements.reverse()
        transaction = first.transaction()
        await transaction.start()
        await first.execute(statements[0], who)
        crossing = asyncio.create_task(second.execute(statements[1], who))
        async with asyncio.timeout(10):
            while not await root.fetchval("select exists (select from pg_locks where locktype = 'advisory' and not granted)"):
                await asyncio.sleep(0.01)
        await transaction.commit()
        await crossing
        assert await root.fetchval(f"select _objection from product.{relation} where subject = $1", who) == [number]
        for connection in (first, second, root):
            await connection.close()

    asyncio.run(script())


def test_the_event_chain_holds_under_concurrent_writers_and_rows_agree_with_states(store: StoreServer, heritage: HeritageServer) -> None:
    async def write(seed: int) -> None:
        person, chance = await login(store, "person"), random.Random(seed)
        for _ in range(40):
            await person.execute("select person.give($1, 'yes', $2)", chance.choice(PEOPLE[:4]), chance.random() < 0.5)
        await person.close()

    async def script() -> None:
        await opened(store, heritage, {"yes": agreement()})
        await asyncio.gather(*map(write, range(6)))
        root = await store.superuser("department")
        last: dict[UUID, bytes] = {}
        rows = await root.fetch("select e.subject, e.prev, e.hash, consent.event_bytes(e) as content from consent.event e order by e.seq")
        for row in rows:
            assert row["prev"] == last.get(row["subject"])
            assert row["hash"] == hashlib.sha256((row["prev"] or b"") + row["content"]).digest()
            last[row["subject"]] = row["hash"]
        assert len(rows) > 100
        relation = await root.fetchval("select relation from agreement.product")
        disagreeing = await root.fetchval(
            f"select count(*) from consent.state s join agreement.register r on r.number = s.agreement and r.in_force join product.{relation} t using (subject) "
            "where s.given <> (s.agreement = any (t._consent)) or s.objected <> (s.agreement = any (t._objection))"
        )
        assert disagreeing == 0
        await root.close()

    asyncio.run(script())


def test_every_read_leaves_its_audit_row_with_the_terms_in_force(store: StoreServer, heritage: HeritageServer) -> None:
    async def script() -> None:
        number = (await opened(store, heritage, {"duty": agreement("LegalObligation")}))["duty"]
        root, reader = await store.superuser("department"), await login(store, f"agr_{number}")
        before = await root.fetchval("select coalesce(max(id), 0) from audit.use")
        await shown(reader, number, subject("P1"))
        await shown(reader, number, subject("nobody"))
        await reader.fetchval(f"select door.a{number}_page($1, 3, 'fullName', 'tax/app', 'tax/serve')", UUID(int=0))
        rows = await root.fetch(
            "select u.op, u.agreement, u.client, u.purpose, u.fields, u.found, cardinality(u.subjects) as subjects, c.content ->> 'basis' as basis "
            "from audit.use u join agreement.contract c on c.hash = u.contract where u.id > $1 order by u.id",
            before,
        )
        common = (number, "tax/app", "tax/serve")
        assert [tuple(r) for r in rows] == [
            ("point", *common, None, 1, None, "LegalObligation"),
            ("point", *common, None, 0, None, "LegalObligation"),
            ("page", *common, "fullName", 3, 3, "LegalObligation"),
        ]
        await root.close()
        await reader.close()

    asyncio.run(script())
