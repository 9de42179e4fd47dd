"""Each example of MySQL's, Parquet's and JSON's types that docs/reference/types.md gives is true, from the source to the JSON of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal_runtime.store.sources import Credentials, http_guard
from support.certificates import SITE
from support.data_api import PASSWORD, USER
from support.json_api import Said, running, trusted
from support.keeper import Bench
from support.mariadb import MariaDb
from support.typed import Seen, product, seen
from support.types_page import Example, examples

PAGES = {name: examples(section) for name, section in (("mysql", "MySQL and MariaDB"), ("parquet", "Parquet"), ("json", "JSON"))}
# What the page calls a type, as Arrow calls it.
ARROW: dict[str, pa.DataType] = {
    "`INT64`, and all other widths": pa.int64(),
    "unsigned `INT64`": pa.uint64(),
    "`DECIMAL(38,0)`": pa.decimal128(38, 0),
    "`DECIMAL(9,2)`": pa.decimal128(9, 2),
    "`DECIMAL(20,8)`": pa.decimal128(20, 8),
    "`FLOAT16`": pa.float16(),
    "`FLOAT`": pa.float32(),
    "`DOUBLE`": pa.float64(),
    "`BOOLEAN`": pa.bool_(),
    "`STRING`, `JSON`, with or without a dictionary": pa.dictionary(pa.int32(), pa.string()),
    "`STRING`": pa.string(),
    "`UUID`": pa.uuid(),
    "`DATE`": pa.date32(),
    "`TIMESTAMP` at UTC": pa.timestamp("us", "Europe/Berlin"),
    "`TIMESTAMP` at local time": pa.timestamp("us"),
    "`TIMESTAMP` of nanoseconds": pa.timestamp("ns"),
    "`INT96`": pa.timestamp("us"),
    "`TIME`": pa.time64("us"),
}
BEYOND = {"10000-01-01": 2932897}  # days that no date of Python has


def arrow(example: Example) -> pa.Array:
    """Return the example's value as a file has it, in a column of its own."""
    type_ = ARROW[example.type_]
    if example.value == "bytes that are no UTF-8":
        return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    if pa.types.is_dictionary(type_):
        return pa.array([example.value]).dictionary_encode()
    if type_ == pa.uuid():
        return pa.ExtensionArray.from_storage(type_, pa.array([UUID(example.text).bytes], pa.binary(16)))
    if pa.types.is_timestamp(type_):
        zoned = pa.array([example.value]).cast(pa.timestamp(type_.unit)).cast(pa.int64())
        return zoned.cast(pa.timestamp(type_.unit, type_.tz))
    if pa.types.is_date(type_):
        days = BEYOND.get(example.value)
        return pa.array([days if days is not None else (date.fromisoformat(example.value) - date(1970, 1, 1)).days], pa.int32()).cast(type_)
    value: Any = {"true": True}.get(example.value, example.value)
    makes = {pa.types.is_decimal: Decimal, pa.types.is_floating: float, pa.types.is_integer: int, pa.types.is_time: time.fromisoformat}
    make = next((m for fits, m in makes.items() if fits(type_)), None)
    return pa.array([make(value) if make is not None else value], type_)


def parquet(folder: Path) -> dict[str, Any]:
    """Write a file for each example."""
    for n, example in enumerate(PAGES["parquet"]):
        name = f"v{n}={example.value}/" if example.type_.startswith("a path") else ""
        columns = {"ref": pa.array([n])} if name else {"ref": pa.array([n]), f"v{n}": arrow(example)}
        path = folder / "files" / "typed" / f"{name}{n:03}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, use_deprecated_int96_timestamps=example.type_ == "`INT96`")
    return {"parquet": {"location": "volume://files/typed"}}


def mysql(server: MariaDb) -> dict[str, Any]:
    """Make a table with a column, and a row, for each example."""
    made = ", ".join(f"v{n} {e.type_.strip('`')} null" for n, e in enumerate(PAGES["mysql"]))
    server.run(
        "set sql_mode = 'ALLOW_INVALID_DATES'",
        f"create table typed (ref int primary key, {made}) default charset utf8mb4",
        *(f"insert into typed (ref, v{n}) values ({n}, {e.value})" for n, e in enumerate(PAGES["mysql"])),
        database="heritage",
    )
    login = {"name": "heritage"}
    return {"mysql": {"host": "127.0.0.1", "port": server.port, "database": "heritage", "table": "typed", "credentials": login}}


def answer() -> Said:
    records = ", ".join(f'{{"ref": {n}, "v{n}": {e.value}}}' for n, e in enumerate(PAGES["json"]))
    # objects and lists throughout a column are refused by name, so each such column has a plain value, too
    plain = ", ".join(f'"v{n}": "x"' for n in range(len(PAGES["json"])))
    return Said(f'[{records}, {{"ref": 9999, {plain}}}]')


@pytest.fixture(scope="module")
def told(bench: Bench, mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    folder = tmp_path_factory.mktemp("typed")
    real, ours = http_guard.refused, Credentials(USER, PASSWORD, SITE.certificate)
    secret = bench.exchange.directory / "secrets" / "api"
    secret.mkdir(parents=True)
    (secret / "ca.crt").write_text(SITE.certificate)
    with pytest.MonkeyPatch.context() as patch, running(lambda _: answer(), trusted(folder)) as api:
        patch.setenv("COMMONWEAL_VOLUMES_DIR", str(folder))
        patch.setattr(http_guard, "refused", lambda address: not address.is_loopback and real(address))
        sources = {"mysql": mysql(mariadb), "parquet": parquet(folder), "json": {"http": {"url": api.url, "credentials": {"name": "api"}}}}
        yield seen(bench, {name: (product(source, PAGES[name]), ours) for name, source in sources.items()})


CASES = [(name, n) for name, page in PAGES.items() for n in range(len(page))]


@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name}-{PAGES[name][n].type_}-{PAGES[name][n].value}" for name, n in CASES])
def test_the_page_tells_what_becomes_of_it(told: dict[str, Seen], name: str, number: int) -> None:
    example = PAGES[name][number]
    assert told[name][number] == (example.text, example.json)


def test_a_moment_at_a_named_zone_is_the_one_that_utc_has() -> None:
    berlin = arrow(Example("`TIMESTAMP` at UTC", "2024-07-01 12:00", "", "", ""))
    assert berlin[0].as_py().astimezone(UTC) == datetime(2024, 7, 1, 12, tzinfo=UTC)
