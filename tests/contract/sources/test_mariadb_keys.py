"""A load of a MariaDB that breaks off after any row goes on with the next one: keys of every type are compared as the server sorts them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commonweal_runtime.store.sources import Source, mysql
from support.mariadb import MariaDb

BITS = ", ".join(f"'{n}'" for n in range(64, 0, -1))  # more than a float can tell apart
LONG = "x" * 700
TEXTS = "'a', 'A b', 'b', 'Äx', 'ae', 'af', 'Z', '_', ' lead', '0', 'ß', 'sz'"
KEYS = {
    "tinyint": ("tinyint", "-128, -1, 0, 1, 2, 9, 10, 11, 100, 126, 127, 20"),
    "zerofill": ("int(9) zerofill", "0, 1, 2, 9, 10, 11, 100, 126, 127, 20, 4294967295, 2147483648"),
    "bigint": ("bigint", "-9223372036854775808, -9223372036854775807, -1, 0, 9, 10, 100, 20, 9007199254740992, 9007199254740993, 9223372036854775806, 9223372036854775807"),
    "unsigned": ("bigint unsigned", "0, 1, 9, 10, 100, 20, 9223372036854775807, 9223372036854775808, 9223372036854775809, 18446744073709551613, 18446744073709551614, 18446744073709551615"),
    "decimal": ("decimal(40,20)", "-1, 0, 0.1, 0.10000000000000000001, 0.10000000000000000002, 1, 1.5, 9, 10, 12345678901234567890.1, 12345678901234567890.2, 0.00000001"),
    "float": ("float", "-1.5, 0, 0.1, 0.10000001, 0.30000001, 1, 16777214, 16777215, 16777216, 123456.789, 123456.796, 3.4e38"),
    "float(7,3)": ("float(7,3)", "-1.5, 0, 0.1, 0.101, 0.3, 1, 9, 10, 1234.567, 1234.568, 1234.569, 9999.999"),
    "double": ("double", "-1.5, 0, 0.1, 0.3, 0.30000000000000004, 1, 1e-300, 9007199254740992, 9007199254740994, 1e15, 1.0000000000000002, 1e300"),
    "date": ("date", "'0000-00-00', '0001-01-01', '1582-10-10', '1999-12-31', '2000-01-01', '2024-00-00', '2024-01-00', '2024-01-01', '2024-02-29', '2024-10-01', '9999-12-30', '9999-12-31'"),
    "datetime": ("datetime(6)", "'0000-00-00', '0001-01-01', '1000-01-01', '2024-00-00 00:00:00', '2024-01-01 00:00:00', '2024-01-01 00:00:00.000001', '2024-01-01 00:00:00.1', '2024-01-01 00:00:01', '2024-01-01 10:00', '2024-01-01 9:00', '9999-12-31', '9999-12-31 23:59:59.999999'"),
    "timestamp": ("timestamp(6)", "'0000-00-00', '1970-01-01 00:00:01', '2024-01-01', '2024-03-31 01:30', '2024-03-31 02:30:00', '2024-03-31 03:30', '2024-01-01 00:00:00.000001', '2024-01-01 00:00:00.1', '2024-01-01 00:00:01', '2024-10-27 01:30', '2024-10-27 02:30', '2038-01-19 03:14:07'"),
    "time": ("time(3)", "'-838:59:59', '-100:00', '-25:00:01', '-00:00:01', '-00:00:00.5', '00:00', '00:00:00.001', '09:00', '10:00', '99:00', '100:00', '838:59:59'"),
    "year": ("year", "'0000', 1901, 1969, 1970, 1999, 2000, 2001, 2026, 2069, 2070, 2154, 2155"),
    "enum": ("enum('late','b','A','zulu','m','Ü','10','9','early','k','x y')", "'late', 'b', 'A', 'zulu', 'm', 'Ü', '10', '9', 'early', 'k', 'x y', ''"),
    "set": ("set('late', 'b', 'early', 'a')", "'', 'late', 'b', 'early', 'a', 'late,b', 'late,early', 'b,early', 'late,b,early', 'late,a', 'b,a', 'early,a'"),
    "set of 64": (f"set({BITS})", "'', '64', '1', '2', '1,64', '1,63', '1,63,64', '1,62', '2,64', '2,63', '12', '13'"),
    "bit": ("bit(64)", "0, 1, 2, 9, 10, 11, 255, 256, 9007199254740992, 9007199254740993, 9223372036854775808, 18446744073709551615"),
    "char": ("char(9) character set latin1", TEXTS),
    "char, not padded": ("char(9) character set utf8mb4 collate utf8mb4_nopad_bin", TEXTS),
    "varchar": ("varchar(9) character set utf8mb4 collate utf8mb4_unicode_ci", TEXTS),
    "varchar, not padded": ("varchar(9) character set utf8mb4 collate utf8mb4_unicode_nopad_ci", "'a', 'a ', 'a  ', 'a\t', 'b', 'b ', 'äx', '🙂', 'h', 'é', 'F', 'g'"),
    "varchar, padded": ("varchar(9) character set utf8mb4 collate utf8mb4_general_ci", "'a', 'a\t', 'a!', 'a0', 'aa', 'b ', 'b  !', '', '_', 'Z', 'y', 'ö'"),
    "phone book": ("varchar(9) character set latin1 collate latin1_german2_ci", "'Muffler', 'Müller', 'MX Systems', 'MySQL', 'Mua', 'Mug', 'Z', 'ä', 'ad', 'af', 'ss', 'st'"),
    "ucs2": ("varchar(9) character set ucs2", TEXTS),
    "sjis": ("varchar(9) character set sjis", "'a', 'b', 'Ｚ', '表', '予', 'ソ', 'あ', 'ア', '0', '_', '~', 'ｱ'"),
    "long": ("varchar(760) character set utf8mb4 collate utf8mb4_unicode_ci", ", ".join(f"'{LONG}{n}'" for n in range(12))),
    "binary": ("binary(4)", "'', 'a', 'A', 'a ', x'00000001', x'ff', x'fe', x'fffe', x'61000001', x'6101', 'b', x'80'"),
    "varbinary": ("varbinary(9)", "'', 'a', 'A', 'a ', x'00', x'ff', x'fe', x'fffe', x'6100', x'6101', 'b', x'0000'"),
    "uuid": ("uuid", ", ".join(f"'{n % 3}{n:x}345678-{11 - n:x}234-1234-8234-56789abcde{n % 5}{n:x}'" for n in range(12))),
    "inet4": ("inet4", ", ".join(f"'{a}.{b}.0.1'" for a in (1, 2, 10, 100) for b in (9, 10, 200))),
    "inet6": ("inet6", ", ".join(f"'{a}::{b}'" for a in (1, 2, 10, "f") for b in (9, 10, "a"))),
}  # fmt: skip
# `beside` is in no index, so that servers sort the rows instead of reading the index, where they may.
LAYOUTS = {"primary": "primary key (k)", "unique": "primary key (n), unique (k)", "second": "primary key (ref, k)"}


async def numbers(reader: Source, after: str | None) -> list[tuple[str, str | None]]:
    """Return each row's number with the place after it; batches are single rows."""
    return [(batch.columns[-1][0].as_py(), batch.position) async for batch in reader.batches(after)]


async def resumed(mariadb: MariaDb, **keys: Any) -> list[str]:
    """Break off after each row, go on, and return the rows, which are the same ones each time."""
    async with mariadb.reader("keyed", {"beside": "String", "n": "Integer"}, **keys) as reader:
        assert (await reader.inspect()).order is not None
        whole = await numbers(reader, None)
        for done, (_, position) in enumerate(whole, 1):
            assert await numbers(reader, position) == whole[done:], f"after row {done}: {whole}"
        return [n for n, _ in whole]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("key", KEYS)
def test_a_load_goes_on_after_any_row(mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch, key: str, layout: str) -> None:
    monkeypatch.setattr(mysql, "BATCH", 1)
    type_, values = KEYS[key]
    mariadb.run(
        "set sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'",
        f"create or replace table keyed (n int not null auto_increment, ref varchar(9) not null default 'P', k {type_} not null, beside text default 'x', key (n), {LAYOUTS[layout]})",
        f"insert into keyed (k) values ({'), ('.join(values.split(', '))})",
        database="heritage",
    )
    keys = {"key": "ref", "record": "k"} if layout == "second" else {"key": "k"}
    assert sorted(asyncio.run(resumed(mariadb, **keys)), key=int) == [str(n) for n in range(1, 13)]


def test_the_first_part_of_a_key_counts_before_the_second(mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "BATCH", 1)
    rows = ", ".join(f"({n * 4 + m}, '{ref}', '{k}')" for n, ref in enumerate(("a", "B", "ä")) for m, k in enumerate(("z", "a", "m", "b")))
    mariadb.run(
        "create or replace table keyed (n int, ref varchar(9) character set utf8mb4 collate utf8mb4_bin, k enum('z','a','m','b'), beside text, primary key (ref, k))",
        f"insert into keyed (n, ref, k) values {rows}",
        database="heritage",
    )
    assert asyncio.run(resumed(mariadb, record="k")) == [str(n) for n in (4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11)]


@pytest.mark.parametrize(
    "key", ["text, unique (k)", "varchar(9), unique (k)", "varchar(9) not null, unique (k(3))", "point not null, unique (k)"]
)
def test_a_key_by_which_rows_have_no_lasting_order_is_read_from_its_beginning(mariadb: MariaDb, key: str) -> None:
    async def look() -> str | None:
        async with mariadb.reader("keyed", {"n": "Integer"}, key="k") as reader:
            return (await reader.inspect()).order

    mariadb.run(f"create or replace table keyed (n int, k {key})", database="heritage")
    assert asyncio.run(look()) is None


def test_a_list_of_values_that_changes_ends_what_was_read_in_its_order(mariadb: MariaDb) -> None:
    async def look() -> str | None:
        async with mariadb.reader("keyed", {"n": "Integer"}, key="k") as reader:
            return (await reader.inspect()).order

    mariadb.run("create or replace table keyed (n int, k enum('a','b') primary key)", database="heritage")
    before = asyncio.run(look())
    mariadb.run("alter table keyed modify k enum('b','a')", database="heritage")
    assert before != asyncio.run(look())
