"""Products read where they lie: the same people and the same values as from a copy, and nobody who is denied is ever asked for at the source."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from commonweal_api.rights import RIGHTS, BasisType
from support.data_api import GRANTS, PEOPLE, READER, DataApi, Issuer, agreement, login, person_product, plan, subject
from support.doors import CLIENT, PURPOSE, Doors, listed, page, point, refused
from support.live import FIELDS, asked, both, live_product, place
from support.loopback import client
from support.postgres import HeritageServer, StoreServer

BASES = {str(b).lower(): {"basis": str(b)} for b in RIGHTS}
ROWS = 200


@pytest.fixture(scope="module")
def source() -> Iterator[HeritageServer]:
    """A heritage database of this module's own that logs all it is asked."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        server.log_everything()
        yield server


@pytest.fixture(scope="module")
def doors(store: StoreServer, source: HeritageServer) -> Doors:
    """A store whose keeper runs while a plan is carried out."""
    return Doors(store, source)


async def opened(doors: Doors, terms: dict[str, dict[str, Any]]) -> dict[str, int]:
    report = await doors.carry_out(both(doors.heritage, terms))
    return {name: outcome.number or 0 for name, outcome in report.agreements.items()}


async def said(doors: Doors, name: str, who: str, call: str) -> None:
    """Let a person say the same of both agreements of a name."""
    person = await login(doors.store, "person")
    for way in ("live", "copy"):
        await person.fetchval(f"select person.{call}", subject(who), subject(who), f"{way}-{name}")
    await person.close()


async def seen(doors: Doors, number: int) -> list[Any]:
    """Return all that an agreement gives: pages of seven, points, several together, and a part of the fields."""
    reader = await doors.reader(number)
    try:
        pages, after = [], UUID(int=0)
        while after is not None:
            one = json.loads(await page(reader, number, after, 7))
            pages.append(one["items"])
            after = one["next"] and UUID(one["next"])
        people = [subject(f"P{n}") for n in (*range(1, 9), 999)]
        points = [await point(reader, number, who) for who in people]
        parts = await point(reader, number, people[1], "birthYear,score")
        many = await reader.fetchval(f"select door.a{number}_points($1, null, $2, $3)", listed([*people, people[0]]), CLIENT, PURPOSE)
        return [[i for p in pages for i in p], points, parts, many]
    finally:
        await reader.close()


def test_all_bases_read_as_from_a_copy_whatever_people_say(doors: Doors) -> None:
    async def script(_: Doors) -> None:
        numbers = await opened(doors, BASES)

        async def alike() -> dict[str, int]:
            found = {}
            for name in BASES:
                live, copy = await seen(doors, numbers[f"live-{name}"]), await seen(doors, numbers[f"copy-{name}"])
                assert live == copy, name
                found[name] = len(live[0])
            return found

        assert await alike() == {n: 0 if RIGHTS[BasisType(b["basis"])].grant else ROWS for n, b in BASES.items()}
        for who in ("P1", "P2", "P3", "P4"):
            await said(doors, "consent", who, "give($1, $2, $3, 'Given')")
        await said(doors, "publictask", "P2", "object($1, $2, $3, true)")
        assert (await alike())["consent"] == 4
        await said(doors, "consent", "P1", "give($1, $2, $3, 'Withdrawn')")
        await said(doors, "consent", "P4", "object($1, $2, $3, true)")
        root = await doors.store.superuser("department")  # P3's consent has ended
        await root.execute(
            "update consent.state set valid_until = clock_timestamp() - interval '1 second' where subject = $1", subject("P3")
        )
        await root.close()
        assert await alike() == {**dict.fromkeys(BASES, ROWS), "consent": 1, "publictask": ROWS - 1}

    doors.run(script)


def test_who_is_denied_is_never_asked_for(doors: Doors) -> None:
    async def script(_: Doors) -> str:
        numbers = await opened(doors, {"consent": {"basis": "Consent"}, "task": {"basis": "PublicTask"}})
        await said(doors, "task", "P77", "object($1, $2, $3, true)")
        await said(doors, "consent", "P5", "give($1, $2, $3, 'Given')")
        begun = place(doors.heritage)
        for name in ("consent", "task"):
            reader = await doors.reader(numbers[f"live-{name}"])
            for who in ("P5", "P77"):
                await point(reader, numbers[f"live-{name}"], subject(who))
            first = json.loads(await page(reader, numbers[f"live-{name}"], most=100))
            if first["next"]:
                await page(reader, numbers[f"live-{name}"], UUID(first["next"]))
            await reader.close()
        return asked(doors.heritage, begun)

    written = doors.run(script)
    executed = [line for line in written.splitlines() if "execute <unnamed>: DECLARE c1 CURSOR" in line]
    keys = set(re.findall(r"\bP[0-9]+\b", written))
    assert keys == {f"P{n}" for n in range(1, ROWS + 1)} - {"P77"}
    assert len(executed) == 5  # one question a request: a point and a page by consent, a point and two pages by law; none for P77


def test_every_read_is_recorded_as_ever(doors: Doors) -> None:
    async def script(_: Doors) -> list[Any]:
        numbers = await opened(doors, {"task": {"basis": "PublicTask", "consumer": "tax"}})
        number = numbers["live-task"]
        root, reader = await doors.store.superuser("department"), await doors.reader(number)
        last = await root.fetchval("select max(id) from audit.use")
        await point(reader, number, subject("P6"))
        await point(reader, number, subject("nobody"))
        await reader.fetchval(f"select door.a{number}_points($1, null, $2, $3)", listed([subject("P6"), subject("P8")]), CLIENT, PURPOSE)
        await page(reader, number, most=3)
        rows = await root.fetch(
            "select op, found, subject, cardinality(subjects) from audit.use where id > coalesce($1, 0) order by id", last
        )
        await reader.close()
        await root.close()
        return [tuple(r) for r in rows]

    rows = doors.run(script)
    assert [(op, found) for op, found, *_ in rows] == [("point", 1), ("point", 0), ("point", 1), ("point", 1), ("page", 3)]
    assert rows[0][2] == subject("P6")
    assert rows[-1][3] == 3


def test_the_persons_own_export_has_the_record(doors: Doors) -> None:
    async def script(_: Doors) -> dict[str, Any]:
        await opened(doors, {"task": {"basis": "PublicTask"}})
        person = await login(doors.store, "person")
        text = await person.fetchval("select person.export($1, $1)", subject("P9"))
        looks = [
            json.loads(await person.fetchval("select person.preview($1, $1, $2)", subject("P9"), name))
            for name in ("live-task", "copy-task")
        ]
        await person.close()
        assert looks[0]["records"] == looks[1]["records"] != []
        return {p["product"]: p["records"] for p in json.loads(text)["products"]}

    records = doors.run(script)
    assert records["people"] == records["copies"] != []
    assert records["people"][0]["fullName"] == "Person 9"


def test_a_source_that_is_away_or_slow_stops_its_product_alone(doors: Doors, store: StoreServer) -> None:
    async def script(_: Doors) -> None:
        numbers = await opened(doors, {"task": {"basis": "PublicTask"}})
        live, copy = numbers["live-task"], numbers["copy-task"]
        reader, other, person = await doors.reader(live), await doors.reader(copy), await login(store, "person")
        assert await point(reader, live, subject("P6")) is not None
        blocker = await doors.heritage.superuser("heritage")
        async with blocker.transaction():
            await blocker.execute("lock table person in access exclusive mode")
            begun = time.monotonic()
            assert await refused(point(reader, live, subject("P6"))) == ("CW012", "the source does not answer")
            assert time.monotonic() - begun < 4
            assert await point(other, copy, subject("P6")) is not None
        await blocker.close()
        assert await point(reader, live, subject("P6")) is not None
        await asyncio.to_thread(doors.heritage.stop)
        assert await refused(point(reader, live, subject("P6"))) == ("CW012", "the source does not answer")
        assert await refused(page(reader, live)) == ("CW012", "the source does not answer")
        assert await refused(person.fetchval("select person.export($1, $1)", subject("P6"))) == ("CW012", "the source does not answer")
        assert await point(other, copy, subject("P6")) is not None
        await asyncio.to_thread(doors.heritage.start)
        assert await point(reader, live, subject("P6")) is not None
        for connection in (reader, other, person):
            await connection.close()

    doors.run(script)


def test_over_http_it_is_503_with_retry_after(doors: Doors, store: StoreServer) -> None:
    async def script(_: Doors) -> None:
        products = {"people": live_product(doors.heritage), "copies": person_product(doors.heritage)}
        terms = {"task": agreement("PublicTask", fields=FIELDS), "copy": agreement("PublicTask", product="copies", fields=FIELDS)}
        await doors.carry_out(plan(products, terms))

    doors.run(script)
    with Issuer() as issuer, DataApi(store, issuer) as api, client(api.url) as http:
        headers = {"Authorization": f"Bearer {issuer.client('tax', 'app')}", "Purpose": "tax/serve"}
        live, copy = f"/v1/people/subjects/{subject('P6')}", f"/v1/copies/subjects/{subject('P6')}"
        assert http.get(live, headers=headers).json()["record"] == http.get(copy, headers=headers).json()["record"]
        doors.heritage.stop()
        try:
            away = http.get(live, headers=headers)
            assert (away.status_code, away.json()["reason"], away.headers["Retry-After"]) == (503, "SourceUnavailable", "5")
            assert str(doors.heritage.port) not in away.text
            assert http.get(copy, headers=headers).status_code == 200
        finally:
            doors.heritage.start()
        assert http.get(live, headers=headers).status_code == 200
