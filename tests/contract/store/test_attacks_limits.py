"""Attacks on limits and tickets by raw SQL with the agreement's own login."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from support.doors import Doors, ask, listed, point, refused, take
from support.target import NO, NOBODY, READ, YES, Target


@pytest.fixture(scope="module")
def target(doors: Doors) -> Target:
    return Target(doors)


def test_one_statement_with_many_reads_counts_each(target: Target) -> None:
    target.rewind()

    async def run(connection: Any, n: int) -> list[str | None]:
        many = f"select count(door.a{n}_point('{YES}', {READ})) from generate_series(1, $1::int)"
        return [(await refused(connection.fetchval(many, times)))[0] for times in (6, 5, 1)]

    assert target.attack(run, "few") == ["CW007", None, "CW007"]


@pytest.mark.parametrize("form", ["prepared", "generic plan", "cursor", "copy", "case", "union"])
def test_no_form_of_statement_reads_more_than_the_limit(target: Target, form: str) -> None:
    target.rewind()

    async def run(connection: Any, n: int) -> int:
        call, given = f"door.a{n}_point('{YES}', {READ})", 0
        if form == "generic plan":
            await connection.execute("set plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare one as select {call}")
        statements = {
            "prepared": "execute one",
            "generic plan": "execute one",
            "cursor": f"begin; declare c cursor with hold for select {call}; commit; fetch all from c; close c",
            "copy": f"copy (select {call} where false) to stdout",
            "case": f"select case when true then {call} end",
            "union": f"select {call} union all select {call}",
        }
        for _ in range(12):
            state, _ = await refused(connection.execute(statements[form]))
            given += state is None
            if state is not None:
                await connection.execute("rollback")
        return given

    given = target.attack(run, "few")
    counted = target.truth("select coalesce(sum(taken), 0) from agreement.allowance")
    audited = target.truth("select count(*) from audit.use where agreement = $1 and tx > '0'", target.numbers["few"])
    assert counted <= 5
    assert given == {"copy": 12, "union": 2}.get(form, 5), "a read that never runs costs nothing; one that runs twice costs two"
    assert audited >= counted


def test_an_arrays_own_bounds_do_not_hide_subjects_from_the_count(target: Target) -> None:
    target.rewind()

    async def run(connection: Any, n: int) -> list[str | None]:
        statement = f"select door.a{n}_points($1, {READ})"
        forms = [f"[500:501]={listed([YES, NO])}", "{" + listed([YES, NO]) + "," + listed([NOBODY, YES]) + "}", listed([YES] * 4000)]
        return [(await refused(connection.fetchval(statement, form)))[0] for form in forms]

    assert target.attack(run, "few") == [None, "CW007", "CW007"], "two of five; then four more are too many, and 64 of 4,000"
    assert target.truth("select sum(taken) from agreement.allowance") == 2


def test_null_and_nil_do_not_touch_the_agreements_own_counter(target: Target) -> None:
    target.rewind()

    async def run(connection: Any, n: int) -> list[str | None]:
        states = [(await refused(point(connection, n, who)))[0] for who in (uuid.UUID(int=0), uuid.UUID(int=0))]
        nothing = [f"select door.a{n}_point({null}, {READ})" for null in ("null::uuid", "null")]
        return states + [(await refused(connection.fetchval(statement)))[0] for statement in nothing]

    assert target.attack(run, "once") == [None, "CW006", "CW400", "CW400"]


def test_known_open_a_rollback_gives_the_allowance_back_together_with_the_audit_row(target: Target) -> None:
    """Needs raw SQL. Closed by auditDurability Strict (test_limits, test_strict)."""
    target.rewind()

    async def run(connection: Any, n: int) -> int:
        for _ in range(8):
            transaction = connection.transaction()
            await transaction.start()
            assert await point(connection, n, YES)
            await transaction.rollback()
        return n

    target.attack(run, "few")
    assert target.truth("select count(*) from agreement.allowance where whole") == 0


def test_a_held_transaction_delays_its_own_agreement_only(target: Target) -> None:
    target.rewind()

    async def script(doors: Doors) -> None:
        few, own = target.numbers["few"], target.numbers["own"]
        holder, second, other = await doors.reader(few), await doors.reader(few), await doors.reader(own)
        await holder.execute("begin")
        await point(holder, few, YES)
        await second.execute("set lock_timeout = '200ms'")
        assert (await refused(point(second, few, YES)))[0] == "55P03"
        assert await point(other, own, YES)
        for connection in (holder, second, other):
            connection.terminate()

    target.doors.run(script)


def test_refusals_of_limits_hold_seconds_and_nothing_else(target: Target) -> None:
    target.rewind()

    async def run(connection: Any, n: int) -> list[dict[str, Any]]:
        told = []
        for who in (NO, NO, NOBODY, NOBODY):
            try:
                await point(connection, n, who)
            except Exception as error:  # noqa: BLE001 - whatever comes is looked at
                told.append(error.as_dict())  # type: ignore[attr-defined]
        return told

    for told in target.attack(run, "once"):
        assert told["message"] == "0"
        assert set(told) <= {
            "severity",
            "severity_en",
            "sqlstate",
            "message",
            "context",
            "server_source_filename",
            "server_source_line",
            "server_source_function",
        }
        assert str(NO) not in json.dumps(told)


# Strict


@pytest.mark.parametrize(
    "statement",
    [
        "select door.a{n}_take(door.a{n}_ask('{{{who}}}', {read}))",
        "with t as materialized (select door.a{n}_ask('{{{who}}}', {read}) as t) select door.a{n}_take(t) from t",
        "begin; declare c cursor with hold for select door.a{n}_take(t) from (select door.a{n}_ask('{{{who}}}', {read}) as t offset 0) x; commit",
        "begin; savepoint a; select door.a{n}_ask('{{{who}}}', {read}); rollback to a; select door.a{n}_take('{who}'); commit",
        "select door.a{n}_take('')",
        "select door.a{n}_take(repeat('{who}', 1))",
    ],
)
def test_no_single_transaction_reads_a_strict_product(target: Target, statement: str) -> None:
    async def run(connection: Any, n: int) -> tuple[str | None, str]:
        return await refused(connection.execute(statement.format(n=n, who=YES, read=READ)))

    state, message = target.attack(run, "strict")
    assert state in {"CW011", None}
    if state is None:
        assert statement.endswith("('')"), "no ticket, no answer"
    assert "Person" not in message


def test_a_transaction_cannot_be_prepared_and_kept(target: Target) -> None:
    async def run(connection: Any, n: int) -> tuple[str | None, str]:
        await connection.execute("begin")
        await ask(connection, n, YES)
        return await refused(connection.execute("prepare transaction 'x'"))

    assert target.attack(run, "strict")[0] == "55000"


def test_known_open_a_take_that_is_rolled_back_can_be_taken_again_for_five_seconds(target: Target) -> None:
    """Bound: the same person's same fields, within five seconds of an ask that is recorded and counted."""

    async def run(connection: Any, n: int) -> tuple[str, str]:
        (ticket,) = await ask(connection, n, YES)
        transaction = connection.transaction()
        await transaction.start()
        (first,) = await take(connection, n, ticket)
        await transaction.rollback()
        (second,) = await take(connection, n, ticket)
        return first, second

    before = target.truth("select count(*) from audit.use where agreement = $1", target.numbers["strict"])
    first, second = target.attack(run, "strict")
    assert first == second != ""
    assert target.truth("select count(*) from audit.use where agreement = $1", target.numbers["strict"]) == before + 1


def test_a_strict_ask_says_nothing_about_whom_it_asks(target: Target) -> None:
    async def run(connection: Any, n: int) -> list[list[str]]:
        return [await ask(connection, n, who) for who in (YES, NO, NOBODY)]

    for (ticket,) in target.attack(run, "strict"):
        assert uuid.UUID(ticket).version == 4, "random: it holds no number that counts other people's reads"
