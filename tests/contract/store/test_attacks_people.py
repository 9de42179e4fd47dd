"""Attacks on people, delegates and proofs with the logins of the data API; and readers that hammer while people withdraw."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.data_api import agreement, login, plan, subject, visit_product
from support.doors import Doors, page, point, refused
from support.target import NOBODY, Target


@pytest.fixture(scope="module")
def target(doors: Doors) -> Target:
    return Target(doors)


A, B = subject("P4"), subject("P5")
SOON = datetime.now(UTC) + timedelta(days=1)


def as_person(target: Target, statement: str, *args: Any, role: str = "person") -> tuple[str | None, str]:
    """Return how a login of the data API is refused."""

    async def script(doors: Doors) -> tuple[str | None, str]:
        connection = await login(doors.store, role)
        try:
            return await refused(connection.fetchval(statement, *args))
        finally:
            connection.terminate()

    answer: tuple[str | None, str] = target.doors.run(script)
    return answer


@pytest.mark.parametrize(
    "statement",
    [
        "select person.uses($1, $2, 1, 1)", "select person.consents($1, $2)", "select person.give($1, $2, 'own', 'Given')", "select person.object($1, $2, 'own', true)",
        "select person.delegations($1, $2)", "select person.export($1, $2)", "select person.erase($1, $2, 'people')",
        f"select person.delegate($1, $2, $1, 'Attorney', 'See,Consent,Object,Export', null, null, '{SOON.isoformat()}')",
        "select person.give(null, $2, 'own', 'Given') where $1::uuid is not null", "select person.uses(null, $2, 1, 1) where $1::uuid is not null",
        "select person.export(null, $2) where $1::uuid is not null", "select person.erase(null, $2, 'people') where $1::uuid is not null",
        "select person.delegate(null, $2, $1, 'Attorney', 'See', null, null, 'tomorrow')",
    ],
)  # fmt: skip
def test_nobody_acts_for_another_without_a_delegation(target: Target, statement: str) -> None:
    """Known and unknown people are refused in the same words."""
    known, unknown = as_person(target, statement, A, B), as_person(target, statement, A, uuid.uuid4())
    assert known == unknown
    assert known[0] == "CW403"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from consent.delegation", "select * from consent.erased", "select * from audit.ticket", "select consent.make_delegation($1, $1, 'Parent', 'See', null, null, now(), 'x')",
        "select consent.erase($1, 'p-people', 'x')", "select consent.records_of($1, 'p-people')", "select registrar.delegations('registry/desk', $1)", "select audit.transparency()",
        "select person.concerned($1)", "select person.use_items($1, null, 1, 1)", "select person.shown($1, null)", "select consent.indicated($1, $1, 'See', null, null)",
        "select audit.redeem($1)", "select agreement.take($1, 1, 1, 1, 'CW007')", "select consent.carry_delegation('{}')", "select consent.carry_erasure('{}')",
    ],
)  # fmt: skip
def test_the_role_of_people_holds_no_more_than_its_functions(target: Target, sql: str) -> None:
    assert as_person(target, sql + ("" if "$1" in sql else " where $1::uuid is not null"), A)[0] == "42501"


@pytest.mark.parametrize(
    "sql",
    ["select person.export($1, $1)", "select person.give($1, $1, 'own', 'Given')", "select consent.make_delegation($1, $1, 'Parent', 'See', null, null, now(), 'x')", "select * from audit.total where $1::uuid is not null"],
)  # fmt: skip
def test_the_role_of_the_catalogue_acts_for_nobody(target: Target, sql: str) -> None:
    assert as_person(target, sql, A, role="api")[0] == "42501"


@pytest.mark.parametrize("client", ["registry/desk", "registry/app", "tax/app", "", None])
def test_without_registrars_nobody_is_one(target: Target, client: str | None) -> None:
    statement = "select registrar.delegate($2, $1, gen_random_uuid(), 'Parent', 'See', null, null, now() + interval '1 day')"
    assert as_person(target, statement, A, client, role="api")[0] == "CW403"


def test_the_evidence_of_a_use_goes_to_those_it_was_about_and_of_a_suppressed_one_to_nobody(target: Target) -> None:
    async def script(doors: Doors) -> dict[str, int]:
        ids = {}
        root = await doors.store.superuser("department")
        for name in ("own", "hidden"):
            reader = await doors.reader(target.numbers[name])
            await point(reader, target.numbers[name], A)
            reader.terminate()
            ids[name] = await root.fetchval("select max(id) from audit.use where agreement = $1", target.numbers[name])
        await root.close()
        return ids

    ids = target.doors.run(script)
    evidence = "select person.use_evidence($1, $1, $2)"
    foreign, hidden, none = (
        as_person(target, evidence, B, ids["own"]),
        as_person(target, evidence, A, ids["hidden"]),
        as_person(target, evidence, A, 2**40),
    )
    assert foreign == hidden == none
    assert foreign[0] == "CW404"
    assert as_person(target, evidence, A, ids["own"])[0] != "CW404"


def test_an_objection_and_a_read_that_cross_end_with_the_objection(target: Target) -> None:
    """Readers hammer while people withdraw: what is read after the answer to the withdrawal is nothing."""

    async def script(doors: Doors) -> None:
        n = target.numbers["own"]
        person, readers = await login(doors.store, "person"), [await doors.reader(n) for _ in range(4)]
        for who in (subject(f"P{p}") for p in range(20, 40, 2)):
            done = asyncio.Event()

            async def hammer(reader: Any, who: uuid.UUID = who, done: asyncio.Event = done) -> int:
                while not done.is_set():
                    await point(reader, n, who)
                return sum([await point(reader, n, who) is not None for _ in range(5)])

            tasks = [asyncio.create_task(hammer(reader)) for reader in readers]
            await person.execute("select person.give($1, $1, 'own', 'Withdrawn')", who)
            done.set()
            assert await asyncio.gather(*tasks) == [0] * 4
        for connection in (person, *readers):
            connection.terminate()

    target.doors.run(script)


# Last: its plan takes the place of the one above.


def test_an_erased_person_is_as_absent_as_one_who_never_was(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        products = {"visits": visit_product(doors.heritage, rights={"erasure": "Supported"})}
        spec = agreement("RecognisedLegitimateInterest", product="visits", fields=["kind"])
        number = (await doors.carry_out(plan(products, {"safe": spec}))).agreements["safe"].number or 0
        person, reader = await login(doors.store, "person"), await doors.reader(number)
        assert await point(reader, number, A)
        await person.execute("select person.erase($1, $1, 'visits')", A)
        assert await point(reader, number, A) is await point(reader, number, NOBODY) is None
        assert str(A) not in await page(reader, number)
        assert (await refused(reader.execute("select * from consent.erased")))[0] == "42501"
        reader.terminate()
        await person.close()

    doors.run(script)
