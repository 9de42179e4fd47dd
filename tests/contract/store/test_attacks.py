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

from support.attacks import NO, NOBODY, OWN, REFUSED, T
from support.data_api import Exchange, agreement, keeping, login, person_product, plan, subject
from support.postgres import HeritageServer, StoreServer

CLIENT, PURPOSE = "tax/app", "tax/serve"
YES = subject("P2")


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
        return self.store.value(sql, *args)


def read(
    connection: Any, who: uuid.UUID, purpose: str = PURPOSE, client: str = CLIENT, fields: str | None = None, number: int = OWN
) -> Awaitable[Any]:
    """Read one person through a door."""
    return connection.fetchval(f"select door.a{number}_point($1, $2, $3, $4)", who, fields, client, purpose)


@pytest.fixture(scope="module")
def target(store: StoreServer, heritage: HeritageServer) -> Target:
    """Two consent agreements; even people have said yes to both. An administrator left a cheap leaking function callable by everybody."""
    exchange = Exchange(store.directory / "exchange")
    fields = ["fullName", "birthYear", "area"]
    wanted = plan(
        {"people": person_product(heritage)},
        {"own": agreement(fields=fields), "other": agreement(fields=fields, consumer="health")},
    )
    exchange.put(wanted)

    async def prepare() -> None:
        async with keeping(store, exchange):
            await exchange.settled(wanted)
        person = await login(store, "person")
        for n in range(2, 201, 2):
            for name in ("own", "other"):
                await person.execute("select person.give($1, $1, $2, 'Given')", subject(f"P{n}"), name)
        await person.close()
        root = await store.superuser("department")
        await root.execute("""create schema spy; create table spy.saw (who text, s uuid);
          create function spy.peek(n text, s uuid) returns boolean language plpgsql cost 0.0000001 security definer as
            $$ begin insert into spy.saw values (session_user, s); return true; end $$;
          grant usage on schema spy to public; grant execute on function spy.peek to public""")
        await root.close()

    asyncio.run(prepare())
    return Target(store, f"product.{Target(store, '').truth('select relation from agreement.product')}")


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
    from commonweal_api.store_access import password_of
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
        f"select person.uses({NOBODY}, {NOBODY}, 1, 1)",
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


def test_known_open_a_login_can_change_its_own_password_and_settings(target: Target) -> None:
    """Bound: its own agreement's service, until the keeper starts or opens the agreement anew. What it leaves behind does not hinder closing (last test)."""

    async def run(connection: Any) -> None:
        await connection.execute(
            "alter role agr_1 set default_transaction_read_only = on; alter role agr_1 reset default_transaction_read_only"
        )
        await connection.execute(
            "alter default privileges grant select on tables to agr_1; alter default privileges in schema door grant execute on functions to public"
        )

    target.attack(run)


# Last: it closes the door that the tests above need open.


def test_revocation_closes_open_connections_new_ones_and_leaves_nothing(target: Target, heritage: HeritageServer) -> None:
    exchange = Exchange(target.store.directory / "exchange-revoke")
    narrowed = plan({"people": person_product(heritage)}, {"other": agreement(fields=["fullName", "birthYear", "area"], consumer="health")})
    exchange.put(narrowed)

    async def run() -> None:
        connection = await login(target.store, "agr_1")
        assert await read(connection, YES) is not None
        async with keeping(target.store, exchange):
            await exchange.settled(narrowed)
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
