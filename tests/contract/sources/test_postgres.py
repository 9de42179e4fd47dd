"""A PostgreSQL as a source: every text arrives as it is, in batches that one can go on after, whatever the server, the login or a pooler is set to."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials, Survey, open_source, postgres, postgres_copy
from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES, UNREADABLE
from commonweal_runtime.store.sources.postgres import PostgresReader
from support.data_api import PASSWORD, READER, USER
from support.pgbouncer import PgBouncer
from support.postgres import HeritageServer
from support.waiting import until

Row = tuple[str | None, ...]


@pytest.fixture(scope="module")
def source() -> Iterator[HeritageServer]:
    """A server of this module's own, for it changes what the whole server has."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", f"{READER}; create extension citext"))
        yield server


def change(server: HeritageServer, sql: str, database: str = "heritage") -> None:
    """Change a database, and let the login read what there is."""

    async def go() -> None:
        root = await server.superuser(database)
        await root.execute(f"{sql}; grant select on all tables in schema public to {USER}")
        await root.close()

    asyncio.run(go())


def product(server: HeritageServer, table: str, *columns: str, subject: Any = "ref", **over: Any) -> DataProductSpec:
    where = {"host": "127.0.0.1", "port": server.port, "database": "heritage", "table": table, "credentials": {"name": "login"}}
    keys = {"column": subject} if isinstance(subject, str) else {"column": subject[0], "records": "Many", "recordKey": subject[1]}
    fields = [{"name": f"f{n}", "column": column, "type": "String"} for n, column in enumerate(columns or ("ref",))]
    body = {
        "title": "Read",
        "version": "1.0.0",
        "class": "Person",
        "source": {"postgres": {**where, **over}},
        "subject": keys,
        "fields": fields,
    }
    return DataProductSpec.model_validate(body)


@asynccontextmanager
async def opened(spec: DataProductSpec, username: str = USER) -> AsyncIterator[tuple[PostgresReader, Survey]]:
    async with open_source(spec, Credentials(username, PASSWORD)) as reader:
        assert isinstance(reader, PostgresReader)
        yield reader, await reader.inspect()


async def rows(reader: PostgresReader, after: str | None = None) -> tuple[list[Row], list[str | None]]:
    """Return all rows after a position, and the position after each batch."""
    batches = [batch async for batch in reader.batches(after)]
    return [r for b in batches for r in zip(*(c.to_pylist() for c in b.columns), strict=True)], [b.position for b in batches]


def read(spec: DataProductSpec, username: str = USER) -> list[Row]:
    async def go() -> list[Row]:
        async with opened(spec, username) as (reader, _):
            return (await rows(reader))[0]

    return asyncio.run(go())


def refusal(spec: DataProductSpec, username: str = USER) -> tuple[str, str]:
    """Return why a source is not read; never a class's name or an SQLSTATE."""
    with pytest.raises(SourceReadError) as refused:
        read(spec, username)
    said = refused.value.detail
    assert "Error" not in said
    assert "(" not in said
    return str(refused.value.reason), said


async def waits(root: Any, count: str) -> bool:
    return bool(await root.fetchval(count))


ODD = ["", " ", "a,b", 'say "no"', '"', "\\", "\\N", "\\.", "line\nline", "\r\n", "\t", 'end"\n', "end,\n", "zwölf €", "\U0001f600", "{}"]


def test_texts_arrive_as_they_are_and_none_is_none(source: HeritageServer) -> None:
    change(source, "create table odd (ref int primary key, first text, last text)")

    async def fill() -> None:
        root = await source.superuser("heritage")
        await root.executemany(
            "insert into odd values ($1, $2, $3)", [(n, t, u) for n, (t, u) in enumerate(zip([*ODD, None], [None, *ODD], strict=True))]
        )
        await root.close()

    asyncio.run(fill())
    assert [(first, last) for _, first, last in read(product(source, "odd", "first", "last"))] == list(
        zip([*ODD, None], [None, *ODD], strict=True)
    )


# Values in the order in which the source has them.
KEYS = {
    "numeric": ["-1.5", "0", "0.00000001", "10000", "120000000", "NaN"],
    "numeric(20,2)": ["1.50", "10000.00"],
    "real": ["-0.5", "0", "0.1", "123456.79", "16777216", "Infinity", "NaN"],
    "double precision": ["-Infinity", "-2.5", "0.0000001", "0.1", "100000000000000000000"],
    "date": ["-infinity", "0044-03-15 BC", "0001-01-01", "9999-12-31", "10000-01-01", "infinity"],
    "timestamp": [
        "-infinity",
        "0044-03-15 12:00:00 BC",
        "2024-01-31T12:00:00",
        "2024-01-31T12:00:00.000001",
        "9999-12-31T23:59:59.999999",
        "infinity",
    ],
    "timestamptz": ["0001-01-01T00:00:00+00:00", "2024-01-31T12:00:00.500000+00:00"],
    "grade": ["poor", "fair", "excellent"],
    "its_grade": ["poor", "fair", "excellent"],
    "char(6)": ["10", "9", "a", "a b"],
    'text collate "C"': ["B", "a", "b"],
    'text collate "natural"': ["a2", "a10", "a100"],
    'text collate "careless"': ["Ä1", "b1", "Z1"],
    "citext": ["a", "B", "c"],
    "boolean": ["false", "true"],
    "uuid": ["00000000-0000-4000-8000-000000000001", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "inet": ["9.0.0.1", "10.0.0.1/8"],
    "interval": ["24:00:00", "5 days", "1 mon"],
    "text": ['it"s', "it's", "it\\s"],
}
MADE = """
create type grade as enum ('poor', 'fair', 'excellent');
create domain its_grade as grade;
create collation "natural" (provider = icu, locale = 'und-u-kn');
create collation careless (provider = icu, locale = 'de-u-ks-level2', deterministic = false)"""


def test_rows_go_on_after_any_key_as_the_source_sorts_it(source: HeritageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "BATCH", 1)
    monkeypatch.setattr(postgres_copy, "ENOUGH", 1)
    tables = [f"create table key_{n} (ref {type_} primary key, v text); " for n, type_ in enumerate(KEYS)]
    values = [
        f"insert into key_{n} (ref) select unnest($v${{{','.join(map(quoted, reversed(v)))}}}$v$::{t.split(' collate')[0]}[]); "
        for n, (t, v) in enumerate(KEYS.items())
    ]
    change(source, f"{MADE}; {''.join(tables)}{''.join(values)}")

    async def go(number: int, keys: list[str]) -> None:
        async with opened(product(source, f"key_{number}", "v")) as (reader, survey):
            assert survey.order is not None
            found, positions = await rows(reader)
            assert [key for key, _ in found] == keys
            assert len(positions) == len(keys)
            for place, position in enumerate(positions, 1):
                assert [key for key, _ in (await rows(reader, position))[0]] == keys[place:]

    for number, keys in enumerate(KEYS.values()):
        asyncio.run(go(number, keys))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_a_key_of_two_columns_and_a_table_without_one(source: HeritageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "BATCH", 2)
    monkeypatch.setattr(postgres_copy, "ENOUGH", 2)
    change(
        source,
        "create table two (a numeric, b char(3), primary key (b, a)); insert into two values (10000, 'x'), (2, 'x'), (1, 'y'); create view none as table two",
    )

    async def go() -> None:
        async with opened(product(source, "two", "b", subject=("a", "b"))) as (reader, _):
            found, positions = await rows(reader)
            assert [(a, b) for a, b, _ in found] == [("2", "x"), ("10000", "x"), ("1", "y")]
            assert [a for a, *_ in (await rows(reader, positions[0]))[0]] == ["1"]
        async with opened(product(source, "none", "b", subject=("a", "b"))) as (reader, survey):
            assert survey.order is None
            assert (await rows(reader))[1] == [None, None]

    asyncio.run(go())


def test_batches_end_at_rows_and_at_bytes_and_the_server_waits(source: HeritageServer) -> None:
    """The view gives 200 rows of a megabyte, which no key orders; nothing but what is read may come."""
    mega = "create view mega as select n as ref, repeat('x', 1000000) as t from generate_series(1, 200) n"
    change(source, f"{mega}; create view mini as select n as ref from generate_series(1, {2 * BATCH}) n")

    async def go() -> None:
        async with opened(product(source, "mini")) as (reader, _):
            sizes = [len(batch.columns[0]) async for batch in reader.batches(None)]
            assert sum(sizes) == 2 * BATCH
            assert max(sizes) <= BATCH
            assert len(sizes) <= 5, "no more of them than need be"
        async with opened(product(source, "mega", "t")) as (reader, _):
            batches = reader.batches(None)
            first = await anext(batches)
            assert sum(column.nbytes for column in first.columns) < BATCH_BYTES + 2_000_000
            root = await source.superuser("heritage")
            asked = "select count(*) from pg_stat_activity where application_name = 'commonweal' and query ilike 'copy%' and wait_event = 'ClientWrite'"
            await until(partial(waits, root, asked))  # what it has sent is taken by nobody
            await root.close()
            assert sum([len(batch.columns[0]) async for batch in batches]) + len(first.columns[0]) == 200

    asyncio.run(go())


def test_what_login_and_database_are_set_to_changes_no_text(source: HeritageServer) -> None:
    columns = {"f": "real", "t": "timestamptz", "d": "date", "i": "interval"}
    change(
        source,
        f"create table settled (ref int primary key, {', '.join(f'{c} {t}' for c, t in columns.items())}); "
        "insert into settled values (1, 0.1, '2024-01-31 12:00+00', '2024-01-31', '36 hours'); "
        f"create role other login password '{PASSWORD}' in role {USER}; alter role other set datestyle = 'German'; alter role other set timezone = 'Asia/Tokyo'; "
        "alter role other set extra_float_digits = -3; alter role other set intervalstyle = 'iso_8601'; alter role other set client_encoding = 'LATIN1'",
    )
    assert read(product(source, "settled", *columns), "other") == [("1", "0.1", "2024-01-31T12:00:00+00:00", "2024-01-31", "36:00:00")]


# In the second one a byte means nothing, in the third text is whatever bytes somebody has put there.
@pytest.mark.parametrize(
    ("encoding", "odd", "bad"),
    [("LATIN1", "chr(252)", ""), ("WIN1252", "chr(252)", "chr(129)"), ("SQL_ASCII", "E'\\xc3\\xbc'", "E'\\xfc'")],
)
def test_the_encoding_of_the_database_does_not_matter(source: HeritageServer, encoding: str, odd: str, bad: str) -> None:
    name, third = encoding.lower(), bad or odd

    async def make() -> None:
        root = await source.superuser("postgres")
        await root.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
        await root.close()

    asyncio.run(make())
    change(
        source,
        f"create table t (ref text primary key, v text, w text); insert into t values ('P1', 'a', null), ('P2', {odd}, 'b'), ('P3', {third}, 'c')",
        name,
    )
    found = read(product(source, "t", "v", "w", database=name))
    assert found == [("P1", "a", None), ("P2", "ü", "b"), ("P3", UNREADABLE if bad else "ü", "c")]


REFUSED = {
    "shut.t": (
        "create schema shut; create table shut.t (ref text); grant select on shut.t to reader",
        "CredentialsRefused",
        r"schema «shut».*Grant USAGE",
    ),
    "own": (
        "create table own (ref text); alter table own enable row level security",
        "CredentialsRefused",
        r"«public\.own».*BYPASSRLS.*view",
    ),
    "over": ("create view over with (security_invoker) as table own", "CredentialsRefused", r"«public\.over».*BYPASSRLS.*view"),
    "broken": (
        "create view broken as select (1 / (n - 2))::text as ref from generate_series(1, 3) n",
        "LoadFailed",
        r"cannot compute a value of «public\.broken»",
    ),
    "deep": (
        "create schema deep; create table deep.t (ref text); create role nobody_s; create view deep as table deep.t; alter view deep owner to nobody_s",
        "CredentialsRefused",
        r"«public\.deep».*view's owner",
    ),
    "gone": ("select 1", "TableMissing", "«public.gone»"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_with_what_to_do(source: HeritageServer, name: str) -> None:
    made, reason, said = REFUSED[name]
    change(source, made)
    schema, _, table = name.rpartition(".")
    found = refusal(product(source, table, schema=schema or "public"))
    assert found[0] == reason
    assert re.search(said, found[1]), found[1]


def test_a_login_without_a_connection_left_is_told_so(source: HeritageServer) -> None:
    change(source, f"create table few (ref text); create role busy login password '{PASSWORD}' connection limit 0 in role {USER}")
    reason, said = refusal(product(source, "few"), "busy")
    assert (reason, "too many connections" in said, "raise" in said) == ("LoadFailed", True, True)


@pytest.mark.parametrize(("end", "said"), [("pg_terminate_backend", "ended the connection"), ("pg_cancel_backend", "cancelled the read")])
def test_a_read_that_is_ended_keeps_what_came_and_says_what_ended_it(source: HeritageServer, end: str, said: str) -> None:
    change(source, f"create view long_{end} as select n as ref, repeat('x', 1000000) as t from generate_series(1, 200) n")

    async def go() -> None:
        async with opened(product(source, f"long_{end}", "t")) as (reader, _):
            batches = reader.batches(None)
            await anext(batches)
            root = await source.superuser("heritage")
            await root.execute(f"select {end}(pid) from pg_stat_activity where application_name = 'commonweal'")
            await root.close()
            with pytest.raises(SourceReadError, match=said):
                _ = [batch async for batch in batches]

    asyncio.run(go())


def test_a_source_may_take_hours_for_its_first_row_as_long_as_its_machine_answers(source: HeritageServer) -> None:
    """The clock of the loop leaps ahead while the source waits for a lock."""
    change(source, "create table late (ref text primary key); insert into late values ('P1')")

    async def go() -> None:
        loop = asyncio.get_running_loop()
        now, ahead = loop.time, 0.0
        loop.time = lambda: now() + ahead  # type: ignore[method-assign]
        async with opened(product(source, "late")) as (reader, _):
            line = reader._connection._transport.get_extra_info("socket")
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            root = await source.superuser("heritage")
            await root.execute("begin; lock table late in access exclusive mode")
            reading = asyncio.create_task(rows(reader))
            await until(partial(waits, root, "select count(*) from pg_locks where relation = 'late'::regclass and not granted"))
            ahead = 3 * 3600.0
            await root.execute("commit")
            assert (await reading)[0] == [("P1", "P1")]
            await root.close()

    asyncio.run(go())


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_behind_a_pooler_it_is_read_and_nothing_is_left_there(source: HeritageServer, mode: str) -> None:
    change(source, f"create table pooled_{mode} (ref numeric primary key); insert into pooled_{mode} values (10000)")

    async def left(pooler: PgBouncer) -> list[str]:
        other = await asyncpg.connect(
            host="127.0.0.1", port=pooler.port, user=USER, password=PASSWORD, database="heritage", statement_cache_size=0
        )
        try:
            async with other.transaction():
                return [await other.fetchval(f"show {name}") for name in ("row_security", "transaction_read_only", "statement_timeout")]
        finally:
            await other.close()

    with PgBouncer(source, mode, default_pool_size=1) as pooler:
        for _ in range(2):
            assert read(product(source, f"pooled_{mode}", port=pooler.port)) == [("10000", "10000")]
        assert asyncio.run(left(pooler)) == ["on", "off", "0"]


NUMBERS = ["0", "7", "10", "9999", "10000", "-10000", "1234567890", "120000000", "10000000", "400000000000", "100000001", "-7", "99990000"]
DECIMALS = ["0.00000000", "0.00000001", "12.50", "10000.00", "-0.1", "120000000.5", "0.00010000"]
FLOATS = ["0", "0.1", "2.5", "1", "16777216", "100000000000000000000", "0.0000001", "-1.5"]
FORMER = {
    "numeric": [*NUMBERS, *DECIMALS],
    "numeric(20,0)": NUMBERS,
    "numeric(20,8)": [*NUMBERS, *DECIMALS],
    "real": FLOATS,
    "double precision": FLOATS,
    "char(5)": ["A", "a b", "abcde"],
    "varchar(5)": ["A", "A "],
    "bigint": ["10000"],
    "timestamp": ["2024-01-31 12:00", "2024-01-31 12:00:00.5"],
    "timestamptz": ["2024-01-31 12:00+01", "9999-12-31 23:59:59+00"],
    "date": ["2024-01-31"],
    "uuid": ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
}


@pytest.mark.parametrize("type_", FORMER)
def test_the_former_text_of_a_key_is_what_the_driver_s_value_printed(source: HeritageServer, type_: str) -> None:
    table = f"former_{list(FORMER).index(type_)}"
    change(
        source,
        f"create table {table} (ref {type_}); insert into {table} select unnest($v${{{','.join(map(quoted, FORMER[type_]))}}}$v$::{type_}[])",
    )

    async def go() -> tuple[list[str], list[str]]:
        async with opened(product(source, table)) as (reader, survey):
            texts = [str(key) for key, _ in (await rows(reader))[0]]
        root = await source.superuser("heritage")
        values = [value for (value,) in await root.fetch(f"select ref from {table}")]
        await root.close()
        same: Callable[[str], str] = str
        printed = [v.isoformat() if hasattr(v, "isoformat") else str(v) for v in values]
        return [survey.former.get("ref", same)(text) for text in texts], printed

    made, printed = asyncio.run(go())
    assert made == printed
