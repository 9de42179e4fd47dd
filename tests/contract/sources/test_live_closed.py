"""What keeps a product from being read live closes it and says why; what an agreement's login, and the services, see of the connection is nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from commonweal_api.plan import StoreReport
from support.data_api import GRANTS, PEOPLE, READER, USER, agreement, keeping, login, plan, subject
from support.doors import Doors, page, point, refused
from support.live import live_product
from support.pgbouncer import PgBouncer
from support.postgres import CERTIFICATE, HeritageServer, StoreServer
from support.waiting import until_none

UNSAFE = """
create function slowly(text) returns text volatile language sql as 'select $1';
create view volatile_view as select slowly(ref) as ref, full_name from person;
create table unindexed as select ref, full_name from person;
create domain reference as text;
create table domained (ref reference primary key, full_name text);
create table measured (ref double precision primary key, full_name text);
create collation careless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table careless_keys (ref text collate careless primary key, full_name text);
create view plain_view as select ref, full_name from person;
create table counted (ref bigint primary key, full_name text);
insert into counted select n, 'Person ' || n from generate_series(1, 20) n;
"""
FIELDS = [{"name": "fullName", "column": "full_name", "type": "String", "required": True}]


@pytest.fixture(scope="module")
def source() -> Iterator[HeritageServer]:
    """A heritage database of this module's own."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + UNSAFE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="module")
def doors(store: StoreServer, source: HeritageServer) -> Doors:
    """A store whose keeper runs while a plan is carried out."""
    return Doors(store, source)


def wanted(doors: Doors, table: str = "person", uid: str = "", **over: Any) -> Any:
    product = live_product(doors.heritage, table, **{"fields": FIELDS, **over})
    return plan({"people": product}, {"task": agreement("PublicTask", fields=["fullName"])}, uid)


async def closed_by(doors: Doors, reason: str) -> str:
    """Return the message of the agreement once it is closed for a reason."""

    def told(report: StoreReport) -> str | None:
        outcome = report.agreements["task"]
        return outcome.message if outcome.reason == reason else None

    return await doors.exchange.when(told)


async def change(doors: Doors, sql: str) -> None:
    root = await doors.heritage.superuser("heritage")
    await root.execute(sql)
    await root.close()


@pytest.mark.parametrize("table", ["volatile_view", "unindexed", "domained", "measured", "careless_keys"])
def test_what_cannot_be_asked_by_key_stays_closed(doors: Doors, table: str) -> None:
    async def script(_: Doors) -> str:
        doors.exchange.put(wanted(doors, table, table))
        async with keeping(doors.store, doors.exchange):
            message = await doors.exchange.until("people", "PushdownUnsafe")
            report = doors.exchange.reported()
            assert report is not None
            assert not report.products["people"].ready
            assert report.agreements["task"].reason == "ProductNotReady"
        return message

    assert re.search(r"\bkey\b|«\w+»|[Tt]he source", doors.run(script)), "what keeps it closed is named"


def test_a_pooler_that_lets_no_statement_be_bounded_keeps_it_closed(doors: Doors) -> None:
    keys = {"client_tls_key_file": doors.heritage.data / "server.key", "client_tls_cert_file": doors.heritage.data / "server.crt"}
    trusted = doors.exchange.directory / "secrets" / "heritage" / "ca.crt"

    async def script(_: Doors) -> str:
        spec = live_product(doors.heritage, "counted", fields=FIELDS)
        spec["source"]["postgres"] |= {"host": "localhost", "port": pooler.port, "tls": {"mode": "Verify"}}
        doors.exchange.put(plan({"pooled": spec}, {}))
        async with keeping(doors.store, doors.exchange):
            return await doors.exchange.until("pooled", "PushdownUnsafe")

    trusted.write_text(CERTIFICATE.authority)
    try:
        with PgBouncer(doors.heritage, "session", client_tls_sslmode="require", **keys) as pooler:
            assert "Name the database itself in spec.source" in doors.run(script)
    finally:
        trusted.unlink()


@pytest.mark.parametrize(("table", "key"), [("plain_view", "P3"), ("counted", "3")])
def test_a_view_and_a_key_of_another_type_are_read(doors: Doors, table: str, key: str) -> None:
    async def script(_: Doors) -> str | None:
        report = await doors.carry_out(wanted(doors, table, table))
        number = report.agreements["task"].number or 0
        reader = await doors.reader(number)
        try:
            return await point(reader, number, subject(key))
        finally:
            await reader.close()

    assert '"record" : {"fullName":"Person 3"}' in (doors.run(script) or "")


def test_a_product_that_becomes_unsafe_closes_and_opens_again_as_replica(doors: Doors) -> None:
    async def script(_: Doors) -> None:
        await change(doors, "create table moving as select ref, full_name from person; create unique index moving_key on moving (ref)")
        await change(doors, f"grant select on moving to {USER}")
        live = wanted(doors, "moving", "moving")
        doors.exchange.put(live)
        async with keeping(doors.store, doors.exchange):
            report = await doors.exchange.settled(live)
            number = report.agreements["task"].number or 0
            reader = await doors.reader(number)
            assert await point(reader, number, subject("P3")) is not None
            await change(doors, "drop index moving_key")
            await doors.exchange.until("people", "PushdownUnsafe")
            await closed_by(doors, "ProductNotReady")
            copy = wanted(doors, "moving", "moving", serve={"refreshSeconds": 5})
            doors.exchange.put(copy)
            await doors.exchange.settled(copy)
            again = await doors.reader(number)
            assert await point(again, number, subject("P3")) is not None
            await again.close()
            root = await doors.store.superuser("department")
            assert await root.fetchval("select count(*) from pg_foreign_server") == 0
            assert not await root.fetchval(
                "select exists (select from pg_attribute where attname = '_source' and attrelid::regclass::text like 'product.%')"
            )
            await change(doors, "create unique index moving_key on moving (ref)")
            doors.exchange.put(live)
            await doors.exchange.settled(live)
            third = await doors.reader(number)
            assert await point(third, number, subject("P3")) is not None
            await third.close()
            await root.close()

    doors.run(script)


def test_a_changed_login_and_a_deleted_product(doors: Doors) -> None:
    async def script(_: Doors) -> None:
        live = wanted(doors, uid="changed")
        doors.exchange.put(live)
        async with keeping(doors.store, doors.exchange):
            number = (await doors.exchange.settled(live)).agreements["task"].number or 0
            reader, root = await doors.reader(number), await doors.store.superuser("department")
            await change(doors, f"create role other login password 'other-made-up'; grant {USER} to other")
            doors.exchange.login("heritage", "other", "other-made-up")
            try:
                await until_none(root, "select count(*) from pg_user_mappings where not umoptions @> '{user=other}'")
                assert await point(reader, number, subject("P3")) is not None
                other = await doors.heritage.superuser("heritage")
                assert (
                    await other.fetchval(
                        "select count(*) from pg_stat_activity where usename = 'other' and application_name = 'commonweal'"
                    )
                    > 0
                )
                await other.close()
            finally:
                doors.exchange.login("heritage", USER, "made-up-for-tests")
            none = plan({}, {})
            doors.exchange.put(none)
            await doors.exchange.settled(none)
            await until_none(root, "select (select count(*) from pg_foreign_server) + (select count(*) from pg_foreign_table)")
            await root.close()

    doors.run(script)


ATTACKS = {
    "the foreign table": "select * from heritage.{relation}",
    "the view, an agreed column": 'select "fullName" from heritage.{view}',
    "the view, another key": "select _source from heritage.{view} where _source = 'P3'",
    "keys in the store": "select _source from product.{relation}",
    "another column": "select * from heritage.{view}",
    "the plan": 'explain (verbose) select "fullName" from heritage.{view}',
    "passwords": "select umoptions from pg_user_mappings",
    "passwords in the catalogue": "select umoptions from pg_catalog.pg_user_mapping",
    "addresses": "select srvoptions from pg_foreign_server",
    "columns of the source": "select ftoptions from pg_foreign_table",
    "addresses in the information schema": "select * from information_schema.foreign_server_options",
    "passwords in the information schema": "select * from information_schema.user_mapping_options",
    "connections": "select * from heritage.postgres_fdw_get_connections()",
    "ending connections": "select heritage.postgres_fdw_disconnect_all()",
    "a server of one's own": "create server mine foreign data wrapper postgres_fdw options (host '127.0.0.1')",
    "a login of one's own": "create user mapping for current_user server {relation} options (user 'postgres', password '')",
    "a table of one's own": "import foreign schema public from server {relation} into public",
    "another role": "set role cw_heritage",
}


def test_no_login_of_the_store_sees_or_uses_the_connection(doors: Doors) -> None:
    async def script(_: Doors) -> dict[str, str]:
        report = await doors.carry_out(wanted(doors, uid="attacked"))
        root = await doors.store.superuser("department")
        relation = await root.fetchval("select relation from agreement.product where name = 'people'")
        await root.close()
        through = {}
        number = report.agreements["task"].number or 0
        for role in (f"agr_{number}", "person", "api", "feed"):
            connection = await login(doors.store, role)
            for name, attack in ATTACKS.items():
                text = attack.format(relation=f'"{relation}"', view=f'"{relation}_read"')
                try:
                    await connection.execute(text)
                except asyncpg.PostgresError as error:
                    if error.sqlstate not in {"42501", "42P01", "3F000"}:
                        through[f"{role}: {name}"] = str(error)
                else:
                    through[f"{role}: {name}"] = "not refused"
            await connection.close()
        return through

    assert doors.run(script) == {}


def test_an_error_of_the_source_shows_none_of_its_text(doors: Doors) -> None:
    async def script(_: Doors) -> None:
        await change(doors, "create table failing (ref text primary key, full_name text)")
        await change(doors, f"insert into failing select ref, full_name from person; grant select on failing to {USER}")
        report = await doors.carry_out(wanted(doors, "failing", "failing"))
        number = report.agreements["task"].number or 0
        reader = await doors.reader(number)
        await change(doors, f"revoke select on failing from {USER}")
        state, message = await refused(page(reader, number))
        assert (state, message) == ("CW012", "the source does not answer")
        with pytest.raises(asyncpg.PostgresError) as caught:
            await point(reader, number, subject("P3"))
        error = caught.value
        assert (error.detail, error.hint) == (None, None)
        assert not re.search(r"failing|P3|full_name|127\.0\.0\.1", str(error.as_dict()))
        await reader.close()

    doors.run(script)


def test_two_rows_of_one_key_give_none(doors: Doors) -> None:
    async def script(_: Doors) -> None:
        await change(doors, "create table doubled as select ref, full_name from person; create index doubled_key on doubled (ref)")
        await change(doors, f"insert into doubled values ('P3', 'Somebody Else'); grant select on doubled to {USER}")
        wish = wanted(doors, "doubled", "doubled")
        doors.exchange.put(wish)
        async with keeping(doors.store, doors.exchange):
            await doors.exchange.until("people", "RowsRefused")
            report = await doors.exchange.settled(wish)
        number = report.agreements["task"].number or 0
        reader = await doors.reader(number)
        assert await point(reader, number, subject("P3")) is None
        assert await point(reader, number, subject("P4")) is not None
        await reader.close()

    doors.run(script)


def test_linkage_and_a_live_product_do_not_go_together(doors: Doors) -> None:
    async def script(_: Doors) -> str:
        terms = {"task": agreement("PublicTask", fields=["fullName"], linkage={"on": "fullName"})}
        wish = plan({"people": live_product(doors.heritage, fields=FIELDS)}, terms, "linked")
        doors.exchange.put(wish)
        async with keeping(doors.store, doors.exchange):
            await doors.exchange.until("people", "Serving")
            return await closed_by(doors, "LinkageNotLive")

    assert doors.run(script) == "The product people is read Live."
