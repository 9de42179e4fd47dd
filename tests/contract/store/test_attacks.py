"""Attacks by raw SQL with the agreement's OWN login, as if the data API were wholly taken over.

Everything in REFUSED must be refused by PostgreSQL itself. What stays open is asserted as open, so that a change either way is noticed, and is named with
its bound in SECURITY.md.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from support.data_api import Desk, agreement, keeping, login, person_product, plan, subject
from support.postgres import HeritageServer, StoreServer

OWN, OTHER = 1, 2
CLIENT, PURPOSE = "tax/app", "tax/serve"
YES, NO = subject("P2"), subject("P3")


@dataclass(frozen=True)
class Target:
    """The store under attack and the table behind the door."""

    store: StoreServer
    table: str

    def attack(self, run: Callable[[Any], Awaitable[Any]], role: str = f"agr_{OWN}") -> Any:
        """Return what `run` gets out of a fresh connection of a role."""

        async def script() -> Any:
            connection = await login(self.store, role)
            try:
                return await run(connection)
            finally:
                connection.terminate()

        return asyncio.run(script())

    def truth(self, sql: str, *args: Any) -> Any:
        """Return one value as the superuser sees it."""

        async def script() -> Any:
            connection = await self.store.superuser("department")
            try:
                return await connection.fetchval(sql, *args)
            finally:
                await connection.close()

        return asyncio.run(script())


def read(
    connection: Any, who: uuid.UUID, purpose: str = PURPOSE, client: str = CLIENT, fields: str | None = None, number: int = OWN
) -> Awaitable[Any]:
    """Read one person through a door."""
    return connection.fetchval(f"select door.a{number}_point($1, $2, $3, $4)", who, fields, client, purpose)


@pytest.fixture(scope="module")
def target(store: StoreServer, heritage: HeritageServer) -> Target:
    """Two consent agreements; even people have said yes to both. An administrator left a cheap leaking function callable by everybody."""
    desk = Desk(store.directory / "desk")
    fields = ["fullName", "birthYear", "area"]
    wanted = plan(
        {"people": person_product(heritage)},
        {"own": agreement(fields=fields), "other": agreement(fields=fields, consumer="health")},
    )
    desk.put(wanted)

    async def prepare() -> None:
        async with keeping(store, desk):
            await desk.settled(wanted)
        person = await login(store, "person")
        for n in range(2, 201, 2):
            for name in ("own", "other"):
                await person.execute("select person.give($1, $2, true)", subject(f"P{n}"), name)
        await person.close()
        root = await store.superuser("department")
        await root.execute("""create schema spy; create table spy.saw (who text, s uuid);
          create function spy.peek(n text, s uuid) returns boolean language plpgsql cost 0.0000001 security definer as
            $$ begin insert into spy.saw values (session_user, s); return true; end $$;
          grant usage on schema spy to public; grant execute on function spy.peek to public""")
        await root.close()

    asyncio.run(prepare())
    return Target(store, f"product.{Target(store, '').truth('select relation from agreement.product')}")


T, NOBODY = "{table}", f"'{NO}'"
REFUSED = {
    # the table itself: columns, rows, oracles
    "granted column by plain SELECT: rows without an audit row": f'select "fullName" from {T} limit 1',
    "ungranted column in SELECT": f"select income from {T} limit 1",
    "ungranted column in WHERE": f"select subject from {T} where born < '1950-01-01' limit 1",
    "ungranted column in ORDER BY": f"select subject from {T} order by born limit 1",
    "ungranted column through the whole row": f"select row_to_json(l) from {T} l limit 1",
    "ungranted column through JOIN USING": f"select count(*) from {T} a join {T} b using (postcode)",
    "SELECT *": f"select * from {T} limit 1",
    "consent arrays": f"select _consent from {T} limit 1",
    "system columns": f"select ctid, xmin from {T} limit 1",
    "denied row by key": f"select subject from {T} where subject = {NOBODY}",
    "cheap leaking function": f'select subject from {T} where spy.peek("fullName", subject)',
    "cast error as oracle": f'select 1 from {T} where subject = {NOBODY} and "fullName"::int = 1',
    "LIKE": f"select subject from {T} where \"fullName\" like 'Person 3%'",
    "count": f"select count(*) from {T}",
    "TABLESAMPLE": f"select subject from {T} tablesample system (50)",
    "row_security off": f"set row_security = off; select subject from {T}",
    "unknown column for a HINT": f"select incom from {T}",
    "EXPLAIN estimate": f'explain select subject from {T} where "birthYear" = 1950',
    "EXPLAIN ANALYZE": f"explain (analyze, timing off) select subject from {T} where subject = {NOBODY}",
    "COPY TO STDOUT": f"copy {T} to stdout",
    "COPY TO PROGRAM": "copy (select 1) to program 'true'",
    "COPY FROM file": f"copy {T} from '/etc/passwd'",
    "LOCK TABLE": f"begin; lock table {T} in access share mode",
    "SELECT FOR UPDATE": f"select subject from {T} limit 1 for update",
    "UPDATE own consent into the row": f"update {T} set _consent = '{{{OWN}}}'",
    "INSERT a row": f"insert into {T} (subject) values ({NOBODY})",
    "DELETE": f"delete from {T}",
    "TRUNCATE": f"truncate {T}",
    "ALTER TABLE": f"alter table {T} disable row level security",
    "CREATE POLICY": f"create policy mine on {T} using (true)",
    "GRANT": f"grant select on {T} to agr_{OWN}",
    # catalogues
    **{
        f"catalogue {rel}": f"select * from {rel} limit 1"
        for rel in (
            "pg_stats", "pg_statistic", "pg_class", "pg_policies", "pg_policy", "pg_roles", "pg_authid", "pg_proc", "pg_attribute", "pg_locks",
            "pg_stat_activity", "pg_stat_user_tables", "pg_stat_database", "pg_settings", "pg_shadow", "pg_namespace", "pg_constraint", "pg_trigger",
            "pg_largeobject", "pg_prepared_xacts", "information_schema.columns", "information_schema.tables",
        )
    },
    # functions
    **{
        f"function {call.split('(')[0]}": f"select {call}"
        for call in (
            "pg_stat_get_live_tuples(1)", "pg_current_wal_lsn()", "pg_current_snapshot()", "lo_create(0)", "lo_import('/etc/passwd')",
            "pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_notify('c', 'x')", "pg_logical_emit_message(false, 'x', 'y')", "pg_export_snapshot()",
            "pg_get_functiondef(1)", "pg_get_viewdef(1)", "pg_sleep(0)", "txid_current()", "pg_read_file('/etc/hostname')", "pg_ls_dir('.')",
            "query_to_xml('select * from audit.use', true, false, '')", "pg_relation_size(1)", "pg_database_size(1)", "pg_terminate_backend(1)",
            "pg_cancel_backend(1)", "pg_reload_conf()", "pg_xact_status('1')", "pg_blocking_pids(1)", "pg_sequence_last_value(1)",
        )
    },
    # audit, sequences, consent, register
    "audit: read": "select * from audit.use limit 1",
    "audit: UPDATE": "update audit.use set client = 'x'",
    "audit: DELETE": "delete from audit.use",
    "audit: TRUNCATE": "truncate audit.use",
    "audit: another agreement's number": "insert into audit.use (agreement, client, purpose, op, contract, subject, found) values (2, 'x', 'x', 'x', 'x', gen_random_uuid(), 0)",
    "audit: own time": "insert into audit.use (at, client, purpose, op, contract, subject, found) values (now(), 'x', 'x', 'x', 'x', gen_random_uuid(), 0)",
    "audit: invented row": "insert into audit.use (client, purpose, op, contract, subject, found) values ('x', 'x', 'forged', 'x', gen_random_uuid(), 0)",
    "sequence nextval": "select nextval('audit.use_id_seq')",
    "sequence SELECT": "select last_value from audit.use_id_seq",
    "consent: INSERT an event": f"insert into consent.event (subject, agreement, kind, contract) values ({NOBODY}, {OWN}, 'Given', 'x')",
    "consent: read state": "select * from consent.state",
    "consent: sweep": "select consent.sweep()",
    "consent: invalidate": f"select consent.invalidate({OWN}::smallint, 'x')",
    "person: give": f"select person.give({NOBODY}, 'own', true)",
    "person: uses": f"select person.uses({NOBODY}, 1, 1)",
    "register: read": "select * from agreement.register",
    "register: catalogue": "select agreement.catalogue()",
    "another agreement's door": f"select door.a{OTHER}_point({NOBODY}, null, 'health/app', 'health/serve')",
    # becoming somebody, making something
    **{f"SET ROLE {role}": f"set role {role}" for role in ("agr_2", "agr_2_r", "agr_1_r", "cw_owner", "cw_keeper", "cw_clerk", "api", "person", "models", "postgres")},
    "SET SESSION AUTHORIZATION": "set session authorization agr_2",
    "ALTER ROLE": "alter role agr_1 superuser",
    "CREATE ROLE": "create role mine",
    "CREATE DATABASE": "create database mine",
    "CREATE FUNCTION": "create function public.f() returns int language sql as 'select 1'",
    "CREATE FUNCTION in pg_temp": "create function pg_temp.f() returns int language sql as 'select 1'",
    "CREATE FUNCTION in door": "create function door.f() returns int language sql as 'select 1'",
    "DROP the door": "drop function door.a1_point(uuid, text, text, text)",
    "replace the door": "create or replace function door.a1_point(p_subject uuid, p_fields text, p_client text, p_purpose text) returns text language sql as 'select null'",
    "TEMP TABLE": "create temp table t (x int)",
    "CREATE SCHEMA": "create schema s",
    "CREATE EXTENSION": "create extension dblink schema door",
    "DO block": "do $$ begin end $$",
    "ALTER SYSTEM": "alter system set fsync = off",
    "SET log_statement": "set log_statement = 'none'",
    "SET session_replication_role: triggers off": "set session_replication_role = replica",
    "LOAD": "load 'auto_explain'",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(target: Target, name: str) -> None:
    """Simple protocol: a driver's own look-ups must not stand in for the refusal. The text of the refusal names no denied value."""

    async def run(connection: Any) -> None:
        await connection.execute(REFUSED[name].replace(T, target.table))

    with pytest.raises(asyncpg.PostgresError) as refused:
        target.attack(run)
    assert refused.value.sqlstate == "42501", str(refused.value)
    for secret in ("Person 3", str(NO), "income"):
        assert secret not in f"{refused.value} {refused.value.as_dict()}"


def test_the_leaking_function_saw_nobody(target: Target) -> None:
    assert target.truth("select count(*) from spy.saw") == 0


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ({"purpose": "tax/other"}, "CW001"),
        ({"purpose": ""}, "CW001"),
        ({"client": "tax/other"}, "CW002"),
        ({"client": "health/app"}, "CW002"),
        ({"fields": "income"}, "CW005"),
        ({"fields": "_consent"}, "CW005"),
        ({"fields": "fullName,subject"}, "CW005"),
        ({"fields": "fullName'); drop table audit.use; --"}, "CW005"),
    ],
)
def test_the_door_refuses_what_is_not_agreed(target: Target, case: dict[str, str], state: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        target.attack(lambda c: read(c, YES, **case))
    assert refused.value.sqlstate == state


def test_the_door_opens_for_the_agreed_and_hides_the_others(target: Target) -> None:
    """Without this, every refusal above could come from a door that never opens."""
    assert "Person 2" in target.attack(lambda c: read(c, YES))
    assert target.attack(lambda c: read(c, NO)) is None
    page = target.attack(lambda c: c.fetchval("select door.a1_page($1, 1000, null, $2, $3)", uuid.UUID(int=0), CLIENT, PURPOSE))
    assert page.count('"record"') == 100
    assert str(NO) not in page


def test_more_rows_than_agreed_are_never_given(target: Target) -> None:
    for most in (2**31 - 1, -1, 0):
        page = target.attack(
            lambda c, m=most: c.fetchval("select door.a1_page($1, $4, null, $2, $3)", uuid.UUID(int=0), CLIENT, PURPOSE, m)
        )
        assert page.count('"record"') <= 100


def test_an_old_snapshot_is_refused(target: Target) -> None:
    """REPEATABLE READ would show people who have withdrawn since."""

    async def run(connection: Any) -> None:
        for level in ("repeatable_read", "serializable"):
            with pytest.raises(asyncpg.PostgresError, match="read committed") as refused:
                async with connection.transaction(isolation=level):
                    await read(connection, YES)
            assert refused.value.sqlstate == "CW004"

    target.attack(run)


def test_explain_of_the_door_shows_no_plan_of_the_table(target: Target) -> None:
    async def run(connection: Any) -> str:
        rows = await connection.fetch(f"explain (analyze, timing off) select door.a1_point('{NO}', null, '{CLIENT}', '{PURPOSE}')")
        return "\n".join(r[0] for r in rows)

    text = target.attack(run)
    assert "Result" in text
    assert "Filter" not in text
    assert "people" not in text


@pytest.mark.parametrize("database", ["postgres", "template1", "models"])
def test_other_databases_are_closed(target: Target, database: str) -> None:
    from commonweal_runtime.store.logins import password_of
    from support.data_api import DATABASE_KEY

    async def run() -> None:
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(
                host="127.0.0.1", port=target.store.port, user="agr_1", password=password_of(DATABASE_KEY, "agr_1"), database=database
            )

    asyncio.run(run())


@pytest.mark.parametrize(
    ("user", "password"), [("postgres", "x"), ("agr_1", "wrong"), ("agr_1_r", "x"), ("cw_owner", "x"), ("cw_keeper", "x")]
)
def test_nobody_else_logs_in_over_the_network(target: Target, user: str, password: str) -> None:
    async def run() -> None:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(host="127.0.0.1", port=target.store.port, user=user, password=password, database="department")

    asyncio.run(run())


SERVICES = {
    "api": [
        "select * from agreement.register",
        f"select door.a1_point({NOBODY}, null, '{CLIENT}', '{PURPOSE}')",
        f"select person.uses({NOBODY}, 1, 1)",
    ],
    "person": [
        "select * from consent.event",
        "select * from audit.use",
        f"insert into consent.event (subject, agreement, kind, contract) values ({NOBODY}, 1, 'Given', 'x')",
        f"select person.shown({NOBODY}, null)",
        f"select door.a1_point({NOBODY}, null, '{CLIENT}', '{PURPOSE}')",
        "select agreement.catalogue()",
    ],
}


@pytest.mark.parametrize(("role", "sql"), [(role, sql) for role, many in SERVICES.items() for sql in many])
def test_the_services_hold_no_more_than_their_functions(target: Target, role: str, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        target.attack(lambda c: c.execute(sql), role)


@pytest.mark.parametrize("role", ["api", "person"])
def test_the_services_see_no_product_table(target: Target, role: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        target.attack(lambda c: c.execute(f"select subject from {target.table}"), role)


def test_a_login_has_no_more_than_its_connections(target: Target) -> None:
    async def run() -> int:
        opened = []
        try:
            for _ in range(20):
                opened.append(await login(target.store, "agr_1"))  # noqa: PERF401 - those opened before the refusal count
        except asyncpg.TooManyConnectionsError:
            return len(opened)
        finally:
            for connection in opened:
                connection.terminate()
        return len(opened)

    assert asyncio.run(run()) <= 16


def test_a_session_setting_does_not_make_the_audit_less_durable(target: Target) -> None:
    """Durable stays durable whatever the session was told before; the door's own word holds until the commit."""

    async def run(connection: Any) -> str:
        await connection.execute("set synchronous_commit = off")
        async with connection.transaction():
            await read(connection, YES)
            setting: str = await connection.fetchval("select current_setting('synchronous_commit')")
            return setting

    assert target.attack(run) == "on"


def test_superuser_cannot_change_the_audit_by_plain_statements(target: Target) -> None:
    for sql in (
        "delete from audit.use",
        "update audit.use set found = 0",
        "truncate audit.use",
        "delete from agreement.register",
        "delete from consent.event",
    ):
        with pytest.raises(asyncpg.PostgresError):
            target.truth(sql)


def test_denied_takes_as_long_as_absent(target: Target) -> None:
    """Interleaved pairs through the door; the audit row's commit drowns the difference. Five standard errors of a fair coin."""

    async def run(connection: Any) -> float:
        times: tuple[list[float], list[float]] = ([], [])
        await read(connection, NO)
        for n in range(400):
            pair = [(0, uuid.uuid4()), (1, subject(f"P{3 + 2 * (n % 99)}"))]
            for which, key in pair if n % 2 else reversed(pair):
                begun = time.perf_counter()
                assert await read(connection, key) is None
                times[which].append(time.perf_counter() - begun)
        return statistics.mean(d > a for a, d in zip(*times, strict=True))

    assert abs(target.attack(run) - 0.5) < 5 * 0.5 / 400**0.5


# Open to raw SQL, known, and in SECURITY.md with their bounds.


def test_known_open_a_rollback_undoes_the_audit_row_and_keeps_the_answer(target: Target) -> None:
    async def run(connection: Any) -> str | None:
        transaction = connection.transaction()
        await transaction.start()
        got: str | None = await read(connection, YES)
        await transaction.rollback()
        return got

    before = target.truth("select count(*) from audit.use")
    assert target.attack(run) is not None
    assert target.truth("select count(*) from audit.use") == before


def test_known_open_durability_can_be_lowered_after_the_read(target: Target) -> None:
    async def run(connection: Any) -> str:
        async with connection.transaction():
            await read(connection, YES)
            await connection.execute("set local synchronous_commit = off")
            setting: str = await connection.fetchval("select current_setting('synchronous_commit')")
            return setting

    assert target.attack(run) == "off"


def test_known_open_two_agreements_can_signal_each_other(target: Target) -> None:
    """LISTEN and NOTIFY cannot be revoked; two colluding logins gain a channel, not data."""
    target.attack(lambda c: c.execute("listen x; notify x, 'y'"))


def test_known_open_own_timeout_can_be_lifted(target: Target) -> None:
    """Bound: 16 connections of one login, and the pod's processor limit."""
    target.attack(lambda c: c.execute("set statement_timeout = 0"))


def test_known_open_buffers_of_the_door_differ_by_a_few_pages(target: Target) -> None:
    """Bound: a denied row costs at most a few pages more than an absent one, so whoever can EXPLAIN learns that a subject id exists."""

    async def run(connection: Any) -> float:
        hits: tuple[list[int], list[int]] = ([], [])
        for _ in range(30):
            for which, key in ((0, uuid.uuid4()), (1, NO)):
                sql = f"explain (analyze, buffers, timing off) select door.a1_point('{key}', null, '{CLIENT}', '{PURPOSE}')"
                text = "\n".join(r[0] for r in await connection.fetch(sql))
                hits[which].append(int(text.split("shared hit=")[1].split()[0]))
        return statistics.median(hits[1]) - statistics.median(hits[0])

    assert 0 <= target.attack(run) <= 3


# Last: it closes the door that the tests above need open.


def test_revocation_closes_open_connections_new_ones_and_leaves_nothing(target: Target, heritage: HeritageServer) -> None:
    desk = Desk(target.store.directory / "desk-revoke")
    narrowed = plan({"people": person_product(heritage)}, {"other": agreement(fields=["fullName", "birthYear", "area"], consumer="health")})
    desk.put(narrowed)

    async def run() -> None:
        connection = await login(target.store, "agr_1")
        assert await read(connection, YES) is not None
        async with keeping(target.store, desk):
            await desk.settled(narrowed)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
            await read(connection, YES)
        connection.terminate()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await login(target.store, "agr_1")

    asyncio.run(run())
    assert target.truth("select count(*) from pg_policies where policyname like 'a1\\_%'") == 0
    assert target.truth("select count(*) from pg_roles where rolname in ('agr_1', 'agr_1_r')") == 0
    assert target.truth("select count(*) from pg_proc where proname like 'a1\\_%'") == 0
    assert target.truth("select number from agreement.register where uid = 'a-own'") == OWN
