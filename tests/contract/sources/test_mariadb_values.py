"""What each type of a MariaDB is as text, whatever the driver's language would make of it, and that batches are bounded by their size."""

from __future__ import annotations

import asyncio
import shutil
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from commonweal_runtime.store.sources import Survey
from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES, UNREADABLE
from support.mariadb import MariaDb

VALUES = [
    ("tinyint", "-7", "Integer", "-7"),
    ("bigint", "10000", "Integer", "10000"),
    ("bigint unsigned", "18446744073709551615", "Number", "18446744073709551615"),
    ("int(5) zerofill", "42", "Integer", "42"),
    ("year", "1999", "Integer", "1999"),
    ("year", "'0000'", "Integer", "0"),
    ("decimal(20,0)", "120000000", "Number", "120000000"),
    ("decimal(20,8)", "0.00000001", "Number", "0.00000001"),
    ("decimal(20,8)", "0", "String", "0.00000000"),
    ("decimal(8,2) zerofill", "1.5", "Number", "1.50"),
    ("float", "123456.789", "Number", "123456.79"),
    ("float", "16777216", "Number", "16777216"),
    ("float", "1234567890", "Number", "1234568000"),
    ("float", "0.1", "Number", "0.1"),
    ("float", "1e-7", "String", "0.0000001"),
    ("float", "3.4e38", "String", "34" + "0" * 37),
    ("float", "-0e0", "Number", "0"),
    ("float", "1", "Number", "1"),
    ("float(7,3)", "1234.5678", "Number", "1234.568"),
    ("float zerofill", "1.5", "Number", "1.5"),
    ("double", "1e20", "Number", "1" + "0" * 20),
    ("double", "1.5e-10", "Number", "0.00000000015"),
    ("double", "1e-16", "Number", "0.0000000000000001"),
    ("double", "0.30000000000000004", "Number", "0.30000000000000004"),
    ("double", "-0e0", "Number", "0"),
    ("double(10,3)", "1.5", "Number", "1.5"),
    ("tinyint(1)", "1", "Boolean", "true"),
    ("tinyint(1)", "0", "Boolean", "false"),
    ("tinyint(1)", "2", "Boolean", "2"),
    ("tinyint(1)", "1", "Integer", "1"),
    ("bit(1)", "1", "Boolean", "true"),
    ("bit(1)", "0", "Integer", "0"),
    ("date", "'9999-12-31'", "Date", "9999-12-31"),
    ("date", "'0001-01-01'", "Date", "0001-01-01"),
    ("date", "'0000-00-00'", "Date", None),
    ("date", "'2024-00-00'", "Date", "2024-00-00"),
    ("date", "'2024-02-31'", "Date", "2024-02-31"),
    ("datetime", "'2024-01-31 12:00:00'", "Timestamp", "2024-01-31T12:00:00"),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "Timestamp", "9999-12-31T23:59:59.999999"),
    ("datetime(3)", "'2024-01-31 12:00:00.5'", "Timestamp", "2024-01-31T12:00:00.500000"),
    ("datetime(6)", "'2024-01-31 12:00:00'", "Timestamp", "2024-01-31T12:00:00"),
    ("datetime(6)", "'0000-00-00'", "Timestamp", None),
    ("datetime", "'2024-00-00 10:00:00'", "Timestamp", "2024-00-00 10:00:00"),
    ("timestamp", "'2024-01-31 12:00:00'", "Timestamp", "2024-01-31T12:00:00+00:00"),
    ("timestamp(6)", "'2024-01-31 12:00:00.25'", "String", "2024-01-31T12:00:00.250000+00:00"),
    ("timestamp", "'0000-00-00'", "Timestamp", None),
    ("time(6)", "'-25:00:01.5'", "String", "-25:00:01.500000"),
    ("char(5)", "'A  '", "String", "A"),
    ("varchar(5)", "'A  '", "String", "A  "),
    ("char(5) character set latin1", "'é'", "String", "é"),
    ("text character set utf8mb4", "'🙂'", "String", "🙂"),
    ("enum('b','a')", "'a'", "String", "a"),
    ("set('b','a')", "'a,b'", "String", "b,a"),
    ("json", "'{\"a\": 1}'", "String", '{"a": 1}'),
    ("uuid", "'123E4567-E89B-12D3-A456-426655440000'", "String", "123e4567-e89b-12d3-a456-426655440000"),
    ("inet4", "'10.0.0.1'", "String", "10.0.0.1"),
    ("inet6", "'2001:DB8::1'", "String", "2001:db8::1"),
]


async def columns(mariadb: MariaDb, table: str, fields: dict[str, str], **keys: Any) -> tuple[Survey, dict[str, list[str | None]]]:
    """Return what the survey says, and the texts of each column: the subject's first, then the fields'."""
    async with mariadb.reader(table, fields, **keys) as reader:
        survey = await reader.inspect()
        batches = [batch.columns async for batch in reader.batches(None)]
    names = [keys.get("key", "ref"), *fields]
    return survey, {name: pa.chunked_array([b[n] for b in batches]).to_pylist() for n, name in enumerate(names)}


def test_each_type_has_its_one_text(mariadb: MariaDb) -> None:
    named = {f"c{n}": value for n, value in enumerate(VALUES)}
    mariadb.run(
        "set sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'",
        f"create or replace table valued (ref int, {', '.join(f'{name} {v[0]} null' for name, v in named.items())})",
        f"insert into valued values (1, {', '.join(v[1] for v in VALUES)})",
        "insert into valued (ref) values (2)",
        database="heritage",
    )
    _, found = asyncio.run(columns(mariadb, "valued", {name: v[2] for name, v in named.items()}))
    assert {name: (v[0], found[name]) for name, v in named.items()} == {name: (v[0], [v[3], None]) for name, v in named.items()}


@pytest.mark.parametrize("type_", ["bigint", "decimal(20,0)", "decimal(6,0) zerofill", "varchar(20)", "float", "double", "char(20)"])
def test_one_identifier_is_one_text_from_any_type(mariadb: MariaDb, type_: str) -> None:
    mariadb.run(f"create or replace table valued (ref {type_}, n int)", "insert into valued (ref) values (10000)", database="heritage")
    assert asyncio.run(columns(mariadb, "valued", {"n": "Integer"}))[1]["ref"] == ["10000"]


@pytest.mark.parametrize("type_", ["varbinary(9)", "blob"])
def test_bytes_are_no_key_though_they_look_like_text(mariadb: MariaDb, type_: str) -> None:
    mariadb.run(
        f"create or replace table valued (ref {type_}, n int)", "insert into valued (ref) values ('P1'), (null)", database="heritage"
    )
    assert asyncio.run(columns(mariadb, "valued", {"n": "Integer"}))[1]["ref"] == [UNREADABLE, None]


def test_a_text_that_is_none_spoils_its_own_value_only(mariadb: MariaDb) -> None:
    """The server checks what is written; a table's file that was copied holds whatever it held."""
    shape = "create or replace table {} (ref int, words {}) engine = MyISAM"
    mariadb.run(shape.format("raw", "varbinary(36)"), shape.format("valued", "varchar(9) character set utf8mb4"), database="heritage")
    mariadb.run("insert into raw values (1, 'a'), (2, x'ff61'), (3, 'ü')", "flush tables raw, valued", database="heritage")
    files = mariadb.directory / "data" / "heritage"
    for end in ("MYD", "MYI"):
        shutil.copyfile(files / f"raw.{end}", files / f"valued.{end}")
    mariadb.run("flush tables", database="heritage")
    assert asyncio.run(columns(mariadb, "valued", {"words": "String"}))[1] == {"ref": ["1", "2", "3"], "words": ["a", UNREADABLE, "ü"]}


def test_batches_are_bounded_by_their_rows_and_by_their_size(mariadb: MariaDb) -> None:
    long = 1 << 20
    mariadb.run(
        "create or replace table valued (ref int, words longtext)",
        f"insert into valued select seq, if(seq <= 20, repeat('x', {long}), 'x') from seq_1_to_{3 * BATCH}",
        database="heritage",
    )

    async def sizes() -> list[tuple[int, int]]:
        async with mariadb.reader("valued", {"words": "String"}) as reader:
            await reader.inspect()
            return [(len(b.columns[0]), sum(c.nbytes for c in b.columns)) async for b in reader.batches(None)]

    found = asyncio.run(sizes())
    assert sum(rows for rows, _ in found) == 3 * BATCH
    assert max(rows for rows, _ in found) == BATCH
    assert max(size for _, size in found) < BATCH_BYTES + long
    assert len(found) >= 20 * long // (BATCH_BYTES + long)


FORMER = [
    ("decimal(20,8)", "1e-8", "1E-8"),
    ("decimal(20,8)", "0", "0E-8"),
    ("decimal(20,0)", "10000", "10000"),
    ("float", "123456.789", "123457"),
    ("float", "1234567890", "1234570000"),
    ("float", "3.4e38", "3.4E+38"),
    ("float", "1e-7", "1E-7"),
    ("float(7,3)", "1.5", "1.500"),
    ("double", "1e20", "1E+20"),
    ("double", "123456789012345", "123456789012345"),
    ("double", "1e-7", "1E-7"),
    ("double(10,2)", "1.5", "1.50"),
    ("timestamp", "'2024-01-31 12:00:00'", "2024-01-31T12:00:00"),
]


@pytest.mark.parametrize(("type_", "value", "former"), FORMER)
def test_the_text_of_a_key_in_release_0_1_follows_from_the_present_one(mariadb: MariaDb, type_: str, value: str, former: str) -> None:
    mariadb.run(
        "set time_zone = '+00:00'",
        f"create or replace table valued (ref {type_} null, n int)",
        f"insert into valued (ref) values ({value})",
        database="heritage",
    )
    survey, found = asyncio.run(columns(mariadb, "valued", {"n": "Integer"}))
    (text,) = found["ref"]
    assert text is not None
    assert survey.former["ref"](text) == former
    (printed,) = mariadb.run("select ref from valued", database="heritage")[0]
    assert type_ == "timestamp" or Decimal(former) == Decimal(str(printed)), "what the driver was told"


def test_keys_that_were_the_same_text_have_no_former_one(mariadb: MariaDb) -> None:
    mariadb.run("create or replace table valued (ref varchar(9), id bigint, born date, n int)", database="heritage")
    for key in ("ref", "id", "born"):
        assert asyncio.run(former_of(mariadb, key)) == {}


async def former_of(mariadb: MariaDb, key: str) -> Any:
    async with mariadb.reader("valued", {"n": "Integer"}, key=key) as reader:
        return (await reader.inspect()).former
