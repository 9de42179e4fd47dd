"""Attacks by settings, forms of statements, types and names, by raw SQL with the agreement's own login."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from support.doors import CLIENT, PURPOSE, Doors, page, point, refused
from support.target import NO, READ, YES, Target


@pytest.fixture(scope="module")
def target(doors: Doors) -> Target:
    return Target(doors)


SETTINGS = [
    "set row_security = off",
    "set default_transaction_read_only = on",
    "set default_transaction_isolation = 'serializable'",
    "set default_transaction_isolation = 'repeatable read'",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_would_change_what_is_read_or_recorded_ends_the_read(target: Target, setting: str) -> None:
    async def run(connection: Any, n: int) -> str | None:
        await connection.execute(setting)
        return (await refused(point(connection, n, NO)))[0] or (await refused(point(connection, n, YES)))[0]

    assert target.attack(run) in {"42501", "25006", "CW004"}


@pytest.mark.parametrize(
    "setting",
    [
        "set search_path = pg_temp, spy", "set enable_indexscan = off", "set plan_cache_mode = force_generic_plan", "set force_parallel_mode = on", "set jit = on",
        "set timezone = 'Pacific/Kiritimati'", "set datestyle = 'SQL, DMY'", "set check_function_bodies = off", "set array_nulls = off", "set work_mem = '64kB'",
        "set standard_conforming_strings = off", "set bytea_output = escape", "set extra_float_digits = 3", "set quote_all_identifiers = on", "set constraint_exclusion = on",
    ],
)  # fmt: skip
def test_other_settings_change_nothing_in_who_is_shown(target: Target, setting: str) -> None:
    async def run(connection: Any, n: int) -> tuple[str | None, str | None, str]:
        await connection.execute(setting)
        return await point(connection, n, YES), await point(connection, n, NO), await page(connection, n)

    given, denied, everybody = target.attack(run)
    assert json.loads(given)["record"] == {"fullName": "Person 2", "birthYear": 1950, "area": "AB2"}
    assert denied is None
    assert len(json.loads(everybody)["items"]) == 30


def test_plans_behind_the_door_are_not_printed(target: Target) -> None:
    """debug_print_plan and its like are every user's to set; the door keeps the server's messages from the client."""

    async def run(connection: Any, n: int) -> str:
        heard: list[str] = []
        connection.add_log_listener(lambda _, message: heard.append(json.dumps(message.as_dict())))
        await connection.execute(
            "set client_min_messages = debug5; set debug_print_plan = on; set debug_print_rewritten = on; set debug_print_parse = on"
        )
        await connection.execute("set trace_sort = on")
        await page(connection, n)
        await point(connection, n, NO)
        await connection.execute("select 1")
        return "\n".join(heard)

    heard = target.attack(run)
    assert "PLANNEDSTMT" in heard, "otherwise this hears nothing at all"
    for secret in ("INDEXSCAN", "SEQSCAN", "_objection", "income", "postcode", "relkind r"):
        assert secret not in heard


@pytest.mark.parametrize(
    "fields", ["income", "born", "postcode", "_consent", "_lapse", "subject", "record", "fullName, area", " fullName", "FULLNAME", '"fullName"', "fullName,,area", "",
               "fullName\u0000", "full\u200bName", "fullN\u0430me", "fullName;select", "*", "area,income", "(select income)", "fullName\narea", "NaN", "infinity"]
)  # fmt: skip
def test_only_the_agreed_names_of_fields_are_taken(target: Target, fields: str) -> None:
    """Spaces, other letters that look the same, zero bytes, empty names, and the raw fields behind masks."""

    async def run(connection: Any, n: int) -> tuple[str | None, str]:
        return await refused(point(connection, n, YES, fields))

    state, message = target.attack(run)
    if fields == "":
        assert state is None, "no field asked for is no field given"
    else:
        assert state in {"CW005", "22021"}, "22021: a zero byte is no text"
    assert "Person" not in message


@pytest.mark.parametrize(
    "claim", ["tax/serve ", "TAX/serve", "tax/s\u0435rve", "tax/serve\u0000", "tax/serve\n", "", "%", "tax/serve' or '1'='1", "NULL"]
)
def test_only_the_agreed_purpose_and_client_are_taken(target: Target, claim: str) -> None:
    async def run(connection: Any, n: int) -> set[str | None]:
        statement = f"select door.a{n}_point($1, null, $2, $3)"
        calls = ((CLIENT, claim), (claim.replace("serve", "app"), PURPOSE))
        return {(await refused(connection.fetchval(statement, YES, *call)))[0] for call in calls}

    assert target.attack(run) <= {"CW001", "CW002", "22021"}


@pytest.mark.parametrize(
    "call",
    [
        "door.a{n}_page('-infinity', 10, {read})", "door.a{n}_page('{who}', 'NaN', {read})", "door.a{n}_page('{who}', 1e308, {read})", "door.a{n}_point('x', {read})",
        "door.a{n}_point(array['{who}'::uuid], {read})", "door.a{n}_point(row('{who}'), {read})", "door.a{n}_points('{{x}}', {read})", "door.a{n}_points('not an array', {read})",
        "door.a{n}_point('{who}', array['income'], '{client}', '{purpose}')", "door.a{n}_point(p_subject => '{who}', p_fields => 'income', p_client => '{client}', p_purpose => '{purpose}')",
        "door.a{n}_point(variadic array['{who}', null, '{client}', '{purpose}'])", "door.a{n}_take('x')", "door.a{n}_ask('{{}}', {read})",
    ],
)  # fmt: skip
def test_what_is_of_another_type_is_an_error_without_data(target: Target, call: str) -> None:
    async def run(connection: Any, n: int) -> tuple[str | None, str]:
        return await refused(connection.execute("select " + call.format(n=n, who=NO, read=READ, client=CLIENT, purpose=PURPOSE)))

    state, message = target.attack(run)
    assert state is not None
    for secret in ("Person", "income ", "AB3"):
        assert secret not in message


@pytest.mark.parametrize("most", [2**31 - 1, -(2**31), 0])
def test_no_number_of_rows_is_more_than_agreed(target: Target, most: int) -> None:
    async def run(connection: Any, n: int) -> str:
        return await page(connection, n, most=most)

    assert len(json.loads(target.attack(run))["items"]) <= 100


def test_a_statement_that_is_cut_off_leaves_neither_rows_nor_record(target: Target) -> None:
    """A timeout in the middle: whatever it was, the client has nothing."""

    async def run(connection: Any, n: int) -> str | None:
        await connection.execute("set statement_timeout = '60ms'")
        slow = f"select door.a{n}_point('{YES}', {READ}), (select count(*) from generate_series(1, 50000000))"
        return (await refused(connection.fetch(slow)))[0]

    before = target.truth("select count(*) from audit.use where agreement = $1", target.numbers["own"])
    assert target.attack(run) == "57014"
    assert target.truth("select count(*) from audit.use where agreement = $1", target.numbers["own"]) == before


def test_rows_leave_no_trace_in_statement_cache_sequence_or_activity(target: Target) -> None:
    async def run(connection: Any, n: int) -> list[str | None]:
        await point(connection, n, YES)
        oracles = [
            "select lastval()",
            "select currval('audit.use_id_seq')",
            "select pg_current_xact_id()",
            "select query from pg_stat_activity",
            "select statement from pg_prepared_statements",
        ]
        return [(await refused(connection.execute(oracle)))[0] for oracle in oracles]

    assert set(target.attack(run)) == {"42501"}


def test_a_prepared_statement_keeps_nothing_of_terms_that_have_been_narrowed(target: Target) -> None:
    async def script(doors: Doors) -> None:
        n = target.numbers["hidden"]
        connection = await doors.reader(n)
        statement = await connection.prepare(f"select door.a{n}_point($1, null, $2, $3)")
        assert "birthYear" in await statement.fetchval(YES, CLIENT, PURPOSE)
        narrower = target.plan.model_copy(deep=True)
        next(a for a in narrower.agreements if a.name == "hidden").spec.fields[:] = ["fullName"]
        await doors.carry_out(narrower)
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError)):
            await statement.fetchval(YES, CLIENT, PURPOSE)  # what reads under other terms was closed before they were changed
        connection.terminate()
        again = await doors.reader(n)
        said = await again.fetchval(f"select door.a{n}_point($1, null, $2, $3)", YES, CLIENT, PURPOSE)
        assert json.loads(said)["record"] == {"fullName": "Person 2"}
        again.terminate()
        await doors.carry_out(target.plan)

    target.doors.run(script)


def test_known_open_names_by_number(target: Target) -> None:
    """`::regclass` writes the name behind a number, and no right stops it. Bound: names of tables and roles, which the public register tells as well."""

    async def run(connection: Any, _: int) -> str:
        rows = await connection.fetch("select n::oid::regclass::text from generate_series(16384, 17500) n")
        return " ".join(r[0] for r in rows)

    named = target.attack(run)
    assert "people" in named
    assert "income" not in named
