"""Strict products: the audit row is committed before the rows leave, and a ticket is good once, for its agreement, in another transaction."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from support.data_api import agreement, login, person_product, plan, subject, visit_product
from support.doors import CLIENT, FIRST, PURPOSE, Doors, ask, point, refused, take

YES, NO, NOBODY = subject("P2"), subject("P3"), uuid.UUID(int=7)
STRICT = {"refreshSeconds": 5, "auditDurability": "Strict"}
SEEN = "select count(*) from audit.use where agreement = $1"


async def begin(doors: Doors) -> tuple[int, int, Any, Any]:
    """Open two agreements on a Strict product; return their numbers, a reader of the first, and a superuser."""
    numbers = await doors.opened({"own": agreement(fields=["fullName", "area"]), "other": agreement(consumer="health")}, serve=STRICT)
    person = await login(doors.store, "person")
    await person.execute("select person.give($1, $1, 'own', 'Given')", YES)
    await person.close()
    return numbers["own"], numbers["other"], await doors.reader(numbers["own"]), await doors.store.superuser("department")


def test_ask_then_take_gives_what_one_transaction_gives_elsewhere(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        before = await root.fetchval(SEEN, own)
        tickets = await ask(reader, own, YES, NO, NOBODY, YES)
        assert await root.fetchval(SEEN, own) == before + 4, "recorded before a single row has left"
        given, denied, absent, again = await take(reader, own, *tickets)
        assert json.loads(given) == {"subject": str(YES), "record": {"fullName": "Person 2", "area": "AB2"}}
        assert (denied, absent, again) == ("", "", given)
        (ticket,) = await ask(reader, own, YES, fields="area")
        assert json.loads((await take(reader, own, ticket))[0])["record"] == {"area": "AB2"}
        await root.close()
        reader.terminate()

    doors.run(script)


def test_begin_read_rollback_gives_nothing(doors: Doors) -> None:
    """The attack that a door of one transaction leaves open: keep the rows and undo the audit row."""

    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        before = await root.fetchval(SEEN, own)
        transaction = reader.transaction()
        await transaction.start()
        (ticket,) = await ask(reader, own, YES)
        assert (await refused(take(reader, own, ticket)))[0] == "CW011"
        await transaction.rollback()
        assert (await refused(take(reader, own, ticket)))[0] == "CW011"
        assert await root.fetchval(SEEN, own) == before
        with pytest.raises(Exception, match="does not exist"):
            await point(reader, own, YES)
        await root.close()
        reader.terminate()

    doors.run(script)


def test_a_savepoint_does_not_make_it_another_transaction(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        async with reader.transaction():
            savepoint = reader.transaction()
            await savepoint.start()
            (ticket,) = await ask(reader, own, YES)
            await savepoint.commit()
            savepoint = reader.transaction()
            await savepoint.start()
            assert (await refused(take(reader, own, ticket)))[0] == "CW011"
            await savepoint.rollback()
        assert (await take(reader, own, ticket))[0], "committed, it is good"
        await root.close()
        reader.terminate()

    doors.run(script)


def test_a_ticket_is_good_once_for_its_own_agreement_and_not_for_long(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, other, reader, root = await begin(doors)
        stranger = await doors.reader(other)
        (ticket,) = await ask(reader, own, YES)
        assert (await refused(take(stranger, other, ticket)))[0] == "CW011"
        (theirs,) = (
            await stranger.fetchval(f"select door.a{other}_ask($1, null, 'health/app', 'health/serve')", f"{{{YES}}}")
        ).splitlines()
        assert (await refused(take(reader, own, theirs)))[0] == "CW011"
        assert (await take(reader, own, ticket))[0]
        assert (await refused(take(reader, own, ticket)))[0] == "CW011"
        (twice,) = await ask(reader, own, YES)
        assert (await refused(take(reader, own, twice, twice)))[0] == "CW011"
        assert (await refused(take(reader, own, str(uuid.uuid4()))))[0] == "CW011"
        (old,) = await ask(reader, own, YES)
        await root.execute("update audit.ticket set at = at - interval '6 seconds' where token = $1", uuid.UUID(old))
        assert (await refused(take(reader, own, old)))[0] == "CW011"
        for connection in (stranger, reader):
            connection.terminate()
        await root.close()

    doors.run(script)


def test_two_who_take_one_ticket_at_once_get_one_answer(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        readers = [await doors.reader(own) for _ in range(6)]
        (ticket,) = await ask(reader, own, YES)
        states = [state for state, _ in await asyncio.gather(*(refused(take(r, own, ticket)) for r in readers))]
        assert sorted(states, key=str) == ["CW011"] * 5 + [None]
        for connection in (*readers, reader):
            connection.terminate()
        await root.close()

    doors.run(script)


def test_who_withdraws_between_ask_and_take_is_not_given(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        (ticket,) = await ask(reader, own, YES)
        person = await login(doors.store, "person")
        await person.execute("select person.give($1, $1, 'own', 'Withdrawn')", YES)
        assert await take(reader, own, ticket) == [""]
        await person.execute("select person.give($1, $1, 'own', 'Given')", YES)
        for connection in (person, root):
            await connection.close()
        reader.terminate()

    doors.run(script)


def test_pages_by_ticket_walk_everybody_once(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        products = {"people": person_product(doors.heritage, serve=STRICT), "visits": visit_product(doors.heritage, serve=STRICT)}
        specs = {
            "people": agreement("LegalObligation", limits={"maxRows": 70}),
            "visits": agreement("LegalObligation", product="visits", fields=["kind"], limits={"maxRows": 7}),
        }
        report = await doors.carry_out(plan(products, specs))
        for name, most in (("people", 200), ("visits", 50)):
            number = report.agreements[name].number
            reader = await doors.reader(number or 0)
            seen: list[str] = []
            after: str | None = str(FIRST)
            while after is not None:
                ticket = await reader.fetchval(f"select door.a{number}_askpage($1, 1000, null, $2, $3)", uuid.UUID(after), CLIENT, PURPOSE)
                got = json.loads((await take(reader, number or 0, ticket))[0])
                seen += [item["subject"] for item in got["items"]]
                after = got["next"]
            assert len(seen) == len(set(seen)) == most
            reader.terminate()

    doors.run(script)


def test_a_product_that_becomes_strict_loses_its_other_door(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        for serve, there in (({"refreshSeconds": 5}, {"point", "points", "page"}), (STRICT, {"ask", "askpage", "take"})):
            number = (await doors.opened({"turning": agreement("PublicTask")}, serve=serve))["turning"]
            root = await doors.store.superuser("department")
            names = await root.fetch("select proname from pg_proc where proname like 'a' || $1::int || '\\_%'", number)
            assert {n["proname"].split("_")[1] for n in names} == there
            await root.close()

    doors.run(script)


def test_old_tickets_are_cleared_away(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        own, _, reader, root = await begin(doors)
        await ask(reader, own, YES)
        await root.execute("select audit.tidy()")
        assert await root.fetchval("select count(*) from audit.ticket") > 0
        await root.execute("update audit.ticket set at = at - interval '2 minutes'")
        await root.execute("select audit.tidy()")
        assert await root.fetchval("select count(*) from audit.ticket") == 0
        await root.close()
        reader.terminate()

    doors.run(script)
