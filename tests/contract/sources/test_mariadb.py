"""Products of a MariaDB: what its values become, how each thing that can be wrong is said, and that a load goes on where it broke off."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from support.data_api import USER, agreement, login, plan, subject
from support.keeper import Bench
from support.mariadb import MariaDb
from support.waiting import until, until_none

Spec = dict[str, Any]


def product(server: MariaDb, table: str, fields: list[Spec], **over: Any) -> Spec:
    source = {"host": "127.0.0.1", "port": server.port, "database": "heritage", "table": table, "credentials": {"name": "heritage"}}
    return {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {"mysql": source},
        "subject": {"column": "ref"},
        "serve": {"refreshSeconds": 5},
        "fields": fields,
        **over,
    }


def field(name: str, type_: str, column: str | None = None, **over: Any) -> Spec:
    return {"name": name, "column": column or name, "type": type_, **over}


async def rows(root: Any, name: str) -> dict[Any, dict[str, Any]]:
    relation = await root.fetchval("select relation from agreement.product where name = $1", name)
    return {r["subject"]: dict(r) for r in await root.fetch(f'select * from product."{relation}"')}


EVERYTHING = """create table everything (ref varchar(20) character set utf8mb4 collate utf8mb4_unicode_ci primary key, words text character set utf8mb4,
  flag tinyint(1), small tinyint, bits bit(1), big bigint unsigned, price decimal(20,4), ratio double, born date, seen timestamp null,
  noted datetime(6), made year, kind enum('a','b'), extra json, lasted time, old varchar(40))"""
FIELDS = [
    field("words", "String"),
    field("flag", "Boolean"),
    field("small", "Integer"),
    field("bits", "Boolean"),
    field("big", "Number"),
    field("price", "Number"),
    field("ratio", "Number"),
    field("born", "Date"),
    field("seen", "Timestamp"),
    field("noted", "Timestamp"),
    field("made", "Integer"),
    field("kind", "String"),
    field("extra", "String"),
    field("lasted", "String"),
    field("flagNumber", "Integer", "flag"),
    field("old", "String"),
]


def test_values_arrive_as_they_are_meant(bench: Bench, mariadb: MariaDb) -> None:
    words = "back\\slash 'quote' \"double\" %s {} 🙂"
    mariadb.run(
        "set sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "set global time_zone = '+05:00'",
        "set time_zone = '+00:00'",
        EVERYTHING,
        "insert into everything values ('P1', '"
        + words.replace("'", "''")
        + "', 1, -128, b'1', 18446744073709551615, 1234567890123456.7891, 0.1, "
        "'1990-02-28', '2026-01-02 03:04:05', '2026-01-02 03:04:05.123456', 1999, 'b', '{\"a\": 1}', '-25:00:01', 'caf\u00e9')",
        "insert into everything (ref, flag, bits, born, seen, noted) values ('P2', 0, b'0', '0000-00-00', null, '0000-00-00 00:00:00')",
        "insert into everything (ref) values ('P\\3')",
        database="heritage",
    )

    async def script(root: Any) -> None:
        found = await rows(root, "all")
        one, two = found[subject("P1")], found[subject("P2")]
        assert one["words"] == words
        assert (one["flag"], one["flagNumber"], one["small"], one["bits"]) == (True, 1, -128, True)
        assert (one["big"], one["price"], one["ratio"]) == (Decimal(2**64 - 1), Decimal("1234567890123456.7891"), Decimal("0.1"))
        assert (one["born"], one["made"], one["kind"], one["lasted"]) == (date(1990, 2, 28), 1999, "b", "-25:00:01")
        assert one["seen"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "the server's own zone changes nothing"
        assert one["noted"] == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
        assert (one["extra"], one["old"]) == ('{"a": 1}', "café")
        assert (two["flag"], two["flagNumber"], two["bits"], two["born"], two["noted"]) == (False, 0, False, None, None)
        assert subject("P\\3") in found
        assert not any("P1" in str(v) for v in one.values()), "the subject's own value is kept nowhere"

    try:
        bench.run(plan({"all": product(mariadb, "everything", FIELDS)}, {}), script)
    finally:
        mariadb.run("set global time_zone = 'SYSTEM'", "drop table everything", database="heritage")


def test_a_door_serves_what_lies_in_a_mariadb(bench: Bench, mariadb: MariaDb) -> None:
    mariadb.run(
        "create table served (ref int primary key, full_name text)", "insert into served values (7, 'Ada'), (8, 'Bo')", database="heritage"
    )
    wanted = plan(
        {"people": product(mariadb, "served", [field("fullName", "String", "full_name", required=True)])},
        {"duty": agreement("LegalObligation", fields=["fullName"])},
    )

    async def script(root: Any) -> None:
        number = await root.fetchval("select number from agreement.register where uid = 'a-duty'")
        assert number is not None
        assert set(await rows(root, "people")) == {subject("7"), subject("8")}
        mariadb.run("update served set full_name = 'Ada L' where ref = 7", "delete from served where ref = 8", database="heritage")

        async def only_ada() -> bool:
            return set(await rows(root, "people")) == {subject("7")}

        await until(only_ada)
        reader = await login(bench.store, f"agr_{number}")
        assert "Ada L" in await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("7"))
        for beyond in ("staging.quarantine", "staging.progress", "staging.refused", "consent.standings"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetchval(f"select count(*) from {beyond}")
        await reader.close()

    try:
        bench.run(wanted, script)
    finally:
        mariadb.run("drop table served", database="heritage")


FLAWED = (
    "set sql_mode = ''",
    "create table flawed (id int primary key auto_increment, ref varchar(20), flag tinyint(1), born date, big bigint unsigned)",
    (
        "insert into flawed (ref, flag, born, big) values "
        "('P1', 1, '2000-01-01', 1), ('P2', 2, null, 1), ('P3', 1, '2000-00-00', 1), "
        "('P4', null, null, 1), ('P5', 1, null, 18446744073709551615), ('', 1, null, 1), (null, 1, null, 1), ('P1', 0, '2001-01-01', 1)"
    ),
)


def test_bad_rows_are_kept_apart_with_their_reason_and_no_value(bench: Bench, mariadb: MariaDb) -> None:
    mariadb.run(*FLAWED, database="heritage")
    spec = product(mariadb, "flawed", [field("flag", "Boolean", required=True), field("born", "Date"), field("big", "Integer")])

    async def script(root: Any) -> None:
        message = await bench.exchange.until("flawed", "RowsRefused")
        assert "7 refused: spec.subject.column 3, flag 2, big 1, born 1." in message
        report = bench.exchange.reported()
        assert report is not None
        assert report.products["flawed"].quarantined == 7
        kept = await root.fetch("select * from staging.quarantine order by place")
        assert [(r["field"], r["reason"], r["place"]) for r in kept] == [
            ("spec.subject.column", "DoubleKey", 1),  # of the two the same one stays each time
            ("flag", "Mismatch", 2),
            ("born", "Mismatch", 3),
            ("flag", "Missing", 4),
            ("big", "Mismatch", 5),
            ("spec.subject.column", "NoKey", 6),
            ("spec.subject.column", "NoKey", 7),
        ]
        assert [r["subject"] for r in kept[:5]] == [subject(f"P{n}") for n in (1, 2, 3, 4, 5)]
        assert not any("2001" in str(v) or "P1" in str(v) for r in kept for k, v in dict(r).items() if not k.endswith("seen"))
        since = kept[2]["first_seen"]
        mariadb.run("delete from flawed where ref = 'P2' or id > 4", "update flawed set flag = 1 where ref = 'P4'", database="heritage")
        await until_none(root, "select count(*) - 1 from staging.quarantine")
        await bench.exchange.until("flawed", "RowsRefused")
        left = await root.fetchrow("select * from staging.quarantine")
        assert (left["subject"], left["reason"]) == (subject("P3"), "Mismatch")
        assert left["first_seen"] < left["last_seen"]
        assert left["first_seen"] == since
        assert subject("P4") in await rows(root, "flawed")

    try:
        bench.run(plan({"flawed": spec}, {}), script, settle=False)
    finally:
        mariadb.run("drop table flawed", database="heritage")


def wrong(server: MariaDb, **source: Any) -> Spec:
    spec = product(server, "fine", [field("words", "String")])
    spec["source"]["mysql"].update(source)
    return spec


def test_each_way_a_mariadb_can_be_wrong_has_its_reason(bench: Bench, mariadb: MariaDb) -> None:
    mariadb.run(
        "create table fine (ref int primary key, words text, shape point, raw blob)",
        "create database closed",
        "create table closed.t (ref int, words text)",
        "create database part",
        "create table part.t (ref int, words text)",
        "grant select (ref) on part.t to 'reader'@'127.0.0.1'",
        database="heritage",
    )
    cases: dict[str, tuple[Spec, str, str]] = {
        "down": (wrong(mariadb, port=1), "SourceUnreachable", "127.0.0.1:1"),
        "nodb": (wrong(mariadb, database="none"), "CredentialsRefused", USER),
        "closeddb": (wrong(mariadb, database="closed", table="t"), "CredentialsRefused", USER),
        "column": (wrong(mariadb, database="part", table="t"), "CredentialsRefused", "«words»"),
        "notable": (wrong(mariadb, table="none"), "TableMissing", "«none»"),
        "nocolumn": (product(mariadb, "fine", [field("words", "String", "none")]), "ColumnMissing", "«none»"),
        "wrongtype": (product(mariadb, "fine", [field("words", "Integer", "ref"), field("ref", "Date")]), "ColumnTypeMismatch", "int(11)"),
        "shape": (product(mariadb, "fine", [field("shape", "String")]), "ColumnTypeMismatch", "point"),
        "raw": (product(mariadb, "fine", [field("raw", "String")]), "ColumnTypeMismatch", "blob"),
        "badsecret": (wrong(mariadb, credentials={"name": "bad"}), "CredentialsRefused", USER),
        "nosecret": (wrong(mariadb, credentials={"name": "none"}), "CredentialsMissing", "none"),
    }
    bench.exchange.login("bad", USER, "wrong password with ünïcode 🙂")

    async def script(root: Any) -> None:
        for name, (_, reason, named) in cases.items():
            message = await bench.exchange.until(name, reason)
            assert named in message, (name, message)
        assert (
            await root.fetchval("select count(*) from agreement.product where loaded_at is not null and name = any($1)", list(cases)) == 0
        )

    try:
        bench.run(plan({name: spec for name, (spec, _, _) in cases.items()}, {}), script, settle=False)
    finally:
        mariadb.run("drop table fine", "drop database closed", "drop database part", database="heritage")


@pytest.mark.parametrize("hostile", ["x` from fine; drop table fine; -- ", "x' or '1'='1", "x\\"])
def test_no_name_of_a_product_becomes_sql(bench: Bench, mariadb: MariaDb, hostile: str) -> None:
    """The API refuses such names; were one to come through, it would name a column that is not there."""
    from commonweal_runtime.store.sources.mysql_keys import beyond, literal, quoted
    from commonweal_runtime.store.sources.mysql_text import Column

    order = [Column(name, "date", "date", "", "", None) for name in ("words", "ref")]
    mariadb.run("create table fine (ref int, words text)", "insert into fine values (1, 'a')", database="heritage")
    try:
        assert mariadb.run(f"select {literal(hostile)}") == [(hostile,)]
        assert mariadb.run(f"select 1 as {quoted(hostile)}") == [(1,)]
        assert mariadb.run(f"select count(*) from fine where {beyond(order, [hostile, hostile])}", database="heritage")[0][0] in {
            0,
            1,
        }
        assert mariadb.run("select count(*) from fine", database="heritage") == [(1,)]
    finally:
        mariadb.run("drop table fine", database="heritage")
