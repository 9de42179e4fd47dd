"""Attacks on limits, tickets, settings, statements and types, with an agreement's own login; and on people, delegates and proofs, with the API's logins."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.data_api import agreement, login, person_product, plan, subject, visit_product
from support.doors import CLIENT, PURPOSE, Doors, ask, listed, page, point, refused, take

YES, NO, NOBODY = subject("P2"), subject("P3"), uuid.UUID(int=7)
STRICT = {"refreshSeconds": 5, "auditDurability": "Strict"}
READ = f"null, '{CLIENT}', '{PURPOSE}'"


class Target:
    """A consent agreement without limits, one with them, and one on a Strict product; even people have said yes to all."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        specs = {
            "own": agreement(fields=["fullName", "birthYear", "area"]),
            "few": agreement("LegalObligation", limits={"maxRows": 100, "requests": {"max": 5, "seconds": 3600}}),
            "once": agreement("LegalObligation", limits={"maxRows": 100, "once": True}),
            "strict": agreement(product="secret", fields=["fullName"]),
            "hidden": agreement(
                "LegalObligation", transparency={"visibility": "Suppressed", "reason": "An investigation that a notice would defeat."}
            ),
        }
        products = {"people": person_product(doors.heritage), "secret": person_product(doors.heritage, serve=STRICT)}
        self.plan = plan(products, specs)
        self.numbers: dict[str, int] = {}
        doors.run(self._prepare)

    async def _prepare(self, doors: Doors) -> None:
        report = await doors.carry_out(self.plan)
        self.numbers = {name: outcome.number or 0 for name, outcome in report.agreements.items()}
        person = await login(doors.store, "person")
        for n in range(2, 61, 2):
            for name in ("own", "strict"):
                await person.execute("select person.give($1, $1, $2, 'Given')", subject(f"P{n}"), name)
        await person.close()

    def attack(self, run: Any, name: str = "own") -> Any:
        """Return what `run(connection, number)` gets out of an agreement's login."""

        async def script(doors: Doors) -> Any:
            connection = await doors.reader(self.numbers[name])
            try:
                return await run(connection, self.numbers[name])
            finally:
                connection.terminate()

        return self.doors.run(script)

    def truth(self, sql: str, *args: Any) -> Any:
        """Return one value as the superuser sees it, or do something as the superuser."""

        async def script(doors: Doors) -> Any:
            root = await doors.store.superuser("department")
            try:
                return await root.fetchval(sql, *args)
            finally:
                await root.close()

        return self.doors.run(script)

    def rewind(self) -> None:
        """Give every allowance back."""
        self.truth("delete from agreement.allowance")


@pytest.fixture(scope="module")
def target(doors: Doors) -> Target:
    return Target(doors)


# limits


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


# settings, statements, types

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
        assert json.loads(await statement.fetchval(YES, CLIENT, PURPOSE))["record"] == {"fullName": "Person 2"}
        connection.terminate()
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


# people, with the logins of the data API

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
