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

from commonweal_api.rights import RIGHTS, BasisType
from support.data_api import Exchange, agreement, keeping, login, person_product, plan, subject
from support.postgres import HeritageServer, StoreServer
from support.waiting import HANG

TODAY = datetime.now(UTC).replace(microsecond=0)


def period(begin: int, end: int) -> dict[str, str]:
    """Return a validity in days from now; short enough for every basis."""
    return {"from": (TODAY + timedelta(days=begin)).isoformat(), "until": (TODAY + timedelta(days=end)).isoformat()}


NOW, PAST, FUTURE = period(-10, 10), period(-20, -10), period(10, 20)
CASES = {
    f"{basis.lower()}-{name}": (basis, when) for basis in BasisType for name, when in (("now", NOW), ("past", PAST), ("future", FUTURE))
}
PEOPLE = [subject(f"P{n}") for n in range(1, 41)]
HELPER = {"Parent": subject("P101"), "Attorney": subject("P102"), "Adviser": subject("P103")}
LISTED = ["Parent", "Attorney"]  # an adviser may not decide under these agreements


# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL


async def opened(store: StoreServer, heritage: HeritageServer, agreements: dict[str, Any]) -> dict[str, int]:
    """Carry out a plan of one product and these agreements; return the number of each."""
    exchange, wanted = Exchange(store.directory / "exchange"), plan({"people": person_product(heritage)}, agreements)
    exchange.put(wanted)
    async with keeping(store, exchange):
        report = await exchange.settled(wanted)
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
    """What people said, themselves or through somebody, and who may therefore be seen: the rule, in the fewest words."""

    def __init__(self) -> None:
        self.given: set[tuple[str, UUID]] = set()
        self.objected: set[tuple[str, UUID]] = set()
        self.acts: dict[tuple[UUID, UUID], tuple[str, frozenset[str]]] = {}  # delegate and subject -> type and acts

    def heard(self, actor: UUID, who: UUID, act: str) -> bool:
        """Return whether what `actor` says about `who` counts."""
        type_, acts = self.acts.get((actor, who), ("", frozenset[str]()))
        return actor == who or (type_ in LISTED and act in acts)

    def say(self, name: str, who: UUID, word: str) -> None:
        for word_on, word_off, kept in (("Given", "Withdrawn", self.given), ("Objected", "Lifted", self.objected)):
            if word == word_on:
                kept.add((name, who))
            elif word == word_off:
                kept.discard((name, who))

    def sees(self, name: str, who: UUID) -> bool:
        basis, when = CASES[name]
        said_yes = basis != "Consent" or (name, who) in self.given
        said_no = basis in ("Consent", "PublicTask", "RecognisedLegitimateInterest") and (name, who) in self.objected
        return when is NOW and said_yes and not said_no


def words(name: str, chance: random.Random) -> list[str]:
    """Return what one person may say about one agreement, in a random order."""
    rights = RIGHTS[CASES[name][0]]
    possible = (["Given", "Withdrawn"] if rights.grant else []) + (["Objected", "Lifted"] if rights.objection else [])
    return chance.choices(possible, k=chance.randint(0, 4)) if possible else []


async def delegated(root: Any, oracle: Oracle, chance: random.Random) -> None:
    """Give some people a parent, an attorney or an adviser, with some of the acts."""
    for who in PEOPLE[::3]:
        type_ = chance.choice(list(HELPER))
        acts = frozenset(chance.sample(["See", "Consent", "Object", "Export"], k=chance.randint(1, 4)))
        await root.execute(
            "select consent.make_delegation($1, $2, $3, $4, null, null, clock_timestamp() + interval '90 days', 'test')",
            who,
            HELPER[type_],
            type_,
            ",".join(sorted(acts)),
        )
        oracle.acts.setdefault((HELPER[type_], who), (type_, acts))


async def say(person: Any, oracle: Oracle, actor: UUID, who: UUID, name: str, word: str) -> None:
    """Have `actor` say something about `who`; the store refuses exactly what the oracle does not hear."""
    consent = word in {"Given", "Withdrawn"}
    statement = "select person.give($1, $2, $3, $4)" if consent else "select person.object($1, $2, $3, $4)"
    refused = None
    try:
        await person.execute(statement, actor, who, name, word if consent else word == "Objected")
    except asyncpg.PostgresError as error:
        refused = error.sqlstate
    heard = oracle.heard(actor, who, "Consent" if consent else "Object")
    assert refused == (None if heard else "CW403"), (actor, who, word)
    if heard:
        oracle.say(name, who, word)


@pytest.mark.parametrize("seed", range(3))
def test_visibility_equals_the_oracle(store: StoreServer, heritage: HeritageServer, seed: int) -> None:
    """Six bases, in and out of time; people who speak for themselves and people for whom others speak, with and without the right to."""
    chance, oracle = random.Random(seed), Oracle()

    async def script() -> None:
        specs = {}
        for name, (basis, when) in CASES.items():
            specs[name] = agreement(basis, validity=when)
            specs[name]["subjects"]["delegation"] = LISTED
        numbers = await opened(store, heritage, specs)
        person = await login(store, "person")
        root = await store.superuser("department")
        await root.execute("update consent.state set consent = null, objected = false")  # begin each seed from silence
        await root.execute("alter table consent.delegation disable trigger user; delete from consent.delegation")
        await root.execute("alter table consent.delegation enable trigger user")
        await delegated(root, oracle, chance)
        for name, who in itertools.product(CASES, PEOPLE):
            for word in words(name, chance):
                actor = who if chance.random() < 0.7 else chance.choice(list(HELPER.values()))
                await say(person, oracle, actor, who, name, word)
        seen = 0
        for name, number in numbers.items():
            reader = await login(store, f"agr_{number}")
            for who in PEOPLE:
                assert await shown(reader, number, who) == oracle.sees(name, who), (name, who)
                seen += oracle.sees(name, who)
            await reader.close()
        assert 60 < seen < len(CASES) * len(PEOPLE) / 2, "the sample shows too little or too much to tell anything"
        await root.close()
        await person.close()

    asyncio.run(script())


def test_a_consent_that_runs_out_closes_at_once_and_the_sweep_writes_it_down(store: StoreServer, heritage: HeritageServer) -> None:
    async def script() -> None:
        numbers = await opened(store, heritage, {"yes": agreement(), "also": agreement()})
        root, person = await store.superuser("department"), await login(store, "person")
        who, number = subject("P50"), numbers["yes"]
        reader = await login(store, f"agr_{number}")
        await person.execute("select person.give($1, $1, 'also', 'Given')", who)
        insert = "insert into consent.event (subject, agreement, kind, contract, valid_until) values ($1, $2, 'Given', 'x', clock_timestamp() + $3)"
        await root.execute(insert, who, number, timedelta(seconds=1))
        assert await shown(reader, number, who)
        async with asyncio.timeout(HANG):
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


@pytest.mark.parametrize("word", ["Renewed", "Withdrawn"])
def test_a_sweep_that_crosses_the_persons_word_leaves_the_word(store: StoreServer, heritage: HeritageServer, word: str) -> None:
    """The sweep has seen that a consent ran out, and waits for the person, who is just renewing or withdrawing it."""

    async def script() -> None:
        number = (await opened(store, heritage, {"yes": agreement()}))["yes"]
        first, second, root = [await store.superuser("department") for _ in range(3)]
        who = subject(f"sweep-{word}")
        insert = "insert into consent.event (subject, agreement, kind, contract, valid_until) values ($1, $2, $3, 'x', $4)"
        await root.execute(insert, who, number, "Given", datetime.now(UTC) - timedelta(seconds=1))
        transaction = first.transaction()
        await transaction.start()
        await first.execute(insert, who, number, word, datetime.now(UTC) + timedelta(days=1) if word == "Renewed" else None)
        crossing = asyncio.create_task(second.fetchval("select consent.sweep()"))
        async with asyncio.timeout(HANG):
            while not await root.fetchval("select exists (select from pg_locks where locktype = 'advisory' and not granted)"):
                await asyncio.sleep(0.01)
        await transaction.commit()
        assert await crossing == 0
        assert await root.fetchval("select consent from consent.state where subject = $1 and agreement = $2", who, number) == word
        for connection in (first, second, root):
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
        async with asyncio.timeout(HANG), reader.transaction():
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
        async with asyncio.timeout(HANG):
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
            word = chance.choice(["Given", "Withdrawn"])
            await person.execute("select person.give($1, $1, 'yes', $2)", chance.choice(PEOPLE[:4]), word)
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
