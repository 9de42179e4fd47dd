"""Seals against a real store: what lies under which, whatever the order of commits; one sealer at a time; every column covered."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from commonweal_runtime.audit import sealer
from commonweal_runtime.audit.merkle import Tree
from commonweal_runtime.audit.proofs import check, prove
from commonweal_runtime.audit.receipts import Receipt, broken_links
from commonweal_runtime.audit.sealer import Sealer
from commonweal_runtime.audit.seals import Seal
from commonweal_runtime.audit.service import AuditService
from commonweal_runtime.exceptions import ProblemError, ProofError, SignatureError
from contract.audit.conftest import Run
from support.audit import KEYS, SEAL_KEY, Ledger, RootLanes
from support.data_api import DATABASE_KEY
from support.postgres import StoreServer
from support.waiting import until


async def seal_of(ledger: Ledger, number: int) -> int | None:
    found: int | None = await ledger.root.fetchval("select audit.sealed_in(tx) from audit.use where id = $1", number)
    return found


async def newest(ledger: Ledger) -> int:
    found: int = await ledger.root.fetchval("select coalesce(max(n), 0) from audit.seal")
    return found


def test_a_late_commit_falls_into_a_later_seal_and_holds_up_none(run: Run, store: StoreServer) -> None:
    async def script(ledger: Ledger) -> None:
        slow = await store.superuser("department")
        open_ = slow.transaction()
        await open_.start()
        late = await ledger.use(uuid4(), connection=slow)
        soon = [await ledger.use(uuid4()) for _ in range(3)]
        assert await ledger.seal() == 3
        first = await newest(ledger)
        assert {await seal_of(ledger, n) for n in soon} == {first}
        after = await ledger.use(uuid4())
        assert await ledger.seal() == 1
        await open_.commit()
        assert await ledger.seal() == 1
        assert (await seal_of(ledger, late), await seal_of(ledger, after)) == (first + 2, first + 1)
        assert (await ledger.check()).holds
        await slow.close()

    run(script)


def test_a_transaction_that_is_rolled_back_leaves_no_trace(run: Run, store: StoreServer) -> None:
    async def script(ledger: Ledger) -> None:
        other = await store.superuser("department")
        undone = other.transaction()
        await undone.start()
        await ledger.use(uuid4(), connection=other)
        await ledger.use(uuid4())
        await ledger.seal()
        await undone.rollback()
        assert await ledger.seal() == 0
        assert (await ledger.check()).holds
        await other.close()

    run(script)


def test_seals_are_bounded_and_catch_up(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        rows = [await ledger.use(uuid4()) for _ in range(25)]
        begun = await newest(ledger)
        assert [await ledger.seal(10) for _ in range(4)] == [10, 10, 5, 0]
        assert {await seal_of(ledger, n) for n in rows} == {begun + 1, begun + 2, begun + 3}
        async with ledger.root.transaction():
            for _ in range(15):
                await ledger.use(uuid4())
        await ledger.use(uuid4())
        assert [await ledger.seal(10) for _ in range(3)] == [15, 1, 0]  # a transaction is never cut through
        assert (await ledger.check()).holds

    run(script)


def test_with_nothing_to_seal_there_is_one_heartbeat_a_minute(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        ahead = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz or UTC) + cls.ahead

    monkeypatch.setattr(sealer, "datetime", Clock)

    async def script(ledger: Ledger) -> None:
        await ledger.use(uuid4())
        await ledger.seal()
        begun = await newest(ledger)
        Clock.ahead = timedelta(seconds=50)
        await ledger.seal()
        assert await newest(ledger) == begun
        Clock.ahead = timedelta(seconds=61)
        await ledger.seal()
        await ledger.seal()
        assert await newest(ledger) == begun + 1
        Clock.ahead = timedelta()
        await ledger.use(uuid4())
        await ledger.seal()  # a clock that was set back
        assert (await ledger.check()).holds

    run(script)


def test_of_two_sealers_one_works_and_the_other_takes_over(run: Run, store: StoreServer) -> None:
    async def script(ledger: Ledger) -> None:
        made: list[Any] = []

        async def connect() -> Any:
            made.append(await store.superuser("department"))
            return made[-1]

        async def sealed(number: int) -> bool:
            return await seal_of(ledger, number) is not None

        tasks = [asyncio.create_task(Sealer(connect, SEAL_KEY, pause=0.01).run()) for _ in range(2)]
        for _ in range(3):
            number = await ledger.use(uuid4())
            await until(lambda number=number: sealed(number))
        await until(lambda: asyncio.sleep(0, len(made) == 2))
        tasks[0].cancel()
        number = await ledger.use(uuid4())
        await until(lambda: sealed(number))
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await ledger.check()).holds
        assert all(c.is_closed() for c in made)
        await until(lambda: none_holds_a_snapshot(ledger))

    async def none_holds_a_snapshot(ledger: Ledger) -> bool:
        others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        return bool(await ledger.root.fetchval(others) == 0)

    run(script)


def test_a_sealer_outlives_its_connections_and_tells_when_it_is_late(
    run: Run, store: StoreServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sealer, "LATE_SECONDS", 0.0)

    async def script(ledger: Ledger) -> None:
        broken = [True]

        async def connect() -> Any:
            if broken[0]:
                raise OSError("away")
            return await store.superuser("department")

        async def told() -> bool:
            return any(r.levelname == "ERROR" and "not being sealed: OSError" in r.message for r in caplog.records)

        working = Sealer(connect, SEAL_KEY, pause=0.01)
        task = asyncio.create_task(working.run())
        await until(told)
        assert working.late
        broken[0] = False
        number = await ledger.use(uuid4())
        await until(lambda: asyncio.sleep(0, task.done()) if task.done() else sealed(ledger, number))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def sealed(ledger: Ledger, number: int) -> bool:
        return await seal_of(ledger, number) is not None

    run(script)


def test_a_chain_that_another_key_has_begun_is_not_gone_on_with(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await ledger.use(uuid4())
        await ledger.seal()
        last = await newest(ledger)
        stranger = type(SEAL_KEY).of(b"x" * 32)
        with pytest.raises(SignatureError, match="No key with the id"):
            await sealer.seal(ledger.root, stranger, type(KEYS)([stranger.jwk]))
        assert await newest(ledger) == last

    run(script)


# Every value that a column may have in a row of another kind; a column of a type that is not here fails the test below.
OTHERS = {
    "bigint": "({c} is not null)::int::bigint + coalesce({c}, 0) + 1",
    "integer": "coalesce({c}, 0) + 1",
    "smallint": "(coalesce({c}, 0) + 1)::smallint",
    "text": "coalesce({c}, '') || 'x'",
    "uuid": "gen_random_uuid()",
    "uuid[]": "array[gen_random_uuid()]",
    "boolean": "not coalesce({c}, false)",
    "xid8": "(coalesce({c}, '3'::xid8)::text || '1')::xid8",
    "bytea": "coalesce({c}, ''::bytea) || '\\x01'::bytea",
    "timestamp with time zone": "coalesce({c}, '2026-01-01') + interval '1 microsecond'",
}
# Only these times are numbers in the bytes; any other would be text that depends on a session's time zone.
TIMES = {"audit.use": {"at"}, "consent.event": {"at", "valid_until"}}


@pytest.mark.parametrize(("table", "function"), [("audit.use", "use_bytes"), ("consent.event", "event_bytes")])
def test_every_column_is_in_the_bytes(run: Run, table: str, function: str) -> None:
    """Whoever adds a column finds it covered here, or learns here what to do: a type of OTHERS, nullable, and not a time."""

    async def script(ledger: Ledger) -> None:
        who = uuid4()
        await ledger.use(who)
        await ledger.say(who, "Given")
        columns = await ledger.root.fetch(
            "select attname as name, format_type(atttypid, atttypmod) as type_ from pg_attribute where attrelid = $1::text::regclass and attnum > 0"
            " and not attisdropped order by attnum",
            table,
        )
        assert len(columns) >= 11
        assert {c["name"] for c in columns if c["type_"].startswith("timestamp")} <= TIMES[table]
        names = [f'"{c["name"]}"' for c in columns]
        for column in columns:
            assert column["type_"] in OTHERS, f"{table}.{column['name']}: audit.{function} and this test know no type {column['type_']}"
            changed = [OTHERS[column["type_"]].format(c=f"t.{n}") if n == f'"{column["name"]}"' else f"t.{n}" for n in names]
            same = await ledger.root.fetchval(
                f"select count(*) from {table} t where audit.{function}(t) = audit.{function}(row({', '.join(changed)})::{table})"
            )
            assert same == 0, f"{table}.{column['name']} is not in the bytes"

    run(script)


@pytest.mark.parametrize(("table", "function"), [("audit.use", "use_bytes"), ("consent.event", "event_bytes")])
def test_bytes_do_not_depend_on_the_session(run: Run, table: str, function: str) -> None:
    async def script(ledger: Ledger) -> None:
        await ledger.use(uuid4(), uuid4())
        await ledger.say(uuid4(), "Given", by=f"Parent:{uuid4()}")
        statement = f"select array_agg(audit.{function}(t) order by tx) from {table} t"
        before = await ledger.root.fetchval(statement)
        for setting in (
            "timezone = 'Asia/Kathmandu'",
            "datestyle = 'German, DMY'",
            "bytea_output = 'escape'",
            "extra_float_digits = -10",
            "lc_numeric = 'C'",
        ):
            await ledger.root.execute(f"set {setting}")
        assert await ledger.root.fetchval(statement) == before

    run(script)


def test_a_person_can_prove_a_use_and_an_event_offline(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        me, other = uuid4(), uuid4()
        audit = AuditService(RootLanes(ledger.root), DATABASE_KEY)
        use, page, said = await ledger.use(me), await ledger.use(other, me), await ledger.say(me, "Given")
        with pytest.raises(ProblemError, match="NotSealedYet"):
            await audit.use_proof(me, me, use)
        await ledger.seal()
        for answer, kind, number in (
            (await audit.use_proof(me, me, use), "use", use),
            (await audit.use_proof(me, me, page), "use", page),
            (await audit.event_proof(me, me, said), "event", said),
        ):
            proof = orjson.loads(answer)
            proven = check(proof, KEYS)
            assert (proven.kind, proven.number) == (kind, number)
            assert proven.concerns(me)
            assert not proven.concerns(uuid4())
            assert str(other) not in answer.decode()
            for wrong in ({"row": proof["row"] + " "}, {"index": proof["index"] + 1}, {"size": proof["size"] + 1}, {"number": "999"}):
                with pytest.raises(ProofError):
                    check({**proof, **wrong}, KEYS)
        with pytest.raises(ProblemError, match="NoSuchRecord"):
            await audit.use_proof(other, other, use)
        with pytest.raises(ProblemError, match="NotPermitted"):
            await audit.use_proof(other, me, use)

    run(script)


def test_a_tampered_row_has_no_proof(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        me = uuid4()
        use = await ledger.use(me)
        await ledger.seal()
        await ledger.tamper(f"update audit.use set client = 'tax/other' where id = {use}")
        with pytest.raises(ProblemError, match=f"use {use} is not what seal"):
            await AuditService(RootLanes(ledger.root), DATABASE_KEY).use_proof(me, me, use)
        await ledger.tamper(f"update audit.use set client = 'tax/app' where id = {use}")

    run(script)


def test_receipts_are_made_again_from_the_events_alone(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        me, attorney = uuid4(), uuid4()
        audit = AuditService(RootLanes(ledger.root), DATABASE_KEY)
        first = []
        for kind, by in (("Given", "subject"), ("Renewed", f"Attorney:{attorney}"), ("Withdrawn", "subject"), ("Objected", "subject")):
            await ledger.say(me, kind, by)
            first.append(await audit.receipt(me, me, "tax-reads"))
        page = orjson.loads(await audit.receipts(me, me, 2**62, 100))
        assert [item["receipt"] for item in page["items"]] == first[::-1]
        assert [item["state"] for item in page["items"]] == ["Objected", "Withdrawn", "Renewed", "Given"]
        receipts = [Receipt.opened(KEYS, str(text)) for text in first]
        assert [b.before for b in receipts[1:]] == [a.hash for a in receipts[:-1]]
        assert broken_links(receipts) == []
        kept = await ledger.root.fetch("select encode(hash, 'hex') from consent.event where subject = $1 order by seq", me)
        assert [r[0] for r in kept] == [r.hash for r in receipts]
        assert await audit.receipt(uuid4(), me, "tax-reads") is None
        assert Receipt.opened(KEYS, str(await audit.receipt(attorney, me, "tax-reads"))).seq == receipts[1].seq

    run(script)


def test_the_public_chain_holds_no_rows(run: Run) -> None:
    async def script(ledger: Ledger) -> None:
        await ledger.use(uuid4())
        await ledger.seal()
        page = orjson.loads(await AuditService(RootLanes(ledger.root), DATABASE_KEY).seals(0, 2))
        assert [item["n"] for item in page["items"]] == [1, 2]
        assert page["next"] == "2"
        assert {key for item in page["items"] for key in item} == {"n", "jws"}
        assert Seal.opened(KEYS, page["items"][1]["jws"]).n == 2

    run(script)


def test_a_proof_is_small(run: Run) -> None:
    """Of a seal as large as they become: the path has as many hashes as the size has bits."""

    async def script(ledger: Ledger) -> None:
        me = uuid4()
        await ledger.root.execute(
            "insert into audit.use (agreement, client, purpose, op, contract, subject, found) select 1, 'tax/app', 'tax/serve', 'point', '-', gen_random_uuid(), 1"
            " from generate_series(1, 19999)"
        )
        use = await ledger.use(me)
        while await ledger.seal():
            pass
        number = await seal_of(ledger, use)
        row = await ledger.root.fetchrow("select entries, jws from audit.seal where n = $1", number)
        evidence = await ledger.root.fetchval("select person.use_evidence($1, $1, $2)", me, use)
        tree = Tree(row["entries"])
        proof = prove(orjson.loads(evidence), tree, row["jws"])
        assert check(proof, KEYS).number == use
        assert len(proof["path"]) <= 15
        assert len(orjson.dumps(proof)) < 3000

    run(script)
