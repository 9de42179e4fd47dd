"""A source that gives more than fits ends its own load and nothing else: the keeper goes on closing, sealing and sweeping.

Attack of 2026-11-29: an editor's draft over a view of long texts had the keeper killed for memory again and again, and an agreement that was revoked meanwhile
stayed open for 113 s, until it was started again. Each case runs in a process that is bounded as the keeper is.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.data_api import PASSWORD, USER
from support.mariadb import MariaDb
from support.postgres import HeritageServer

LIMIT = 384 << 20
ROWS, LONG = 600, 2_000_000
WIDE, AT_MOST = 300, 256 << 20  # rows of a megabyte, and what reading them may take
READER = """
import asyncio, json, re, sys
from pathlib import Path
from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.keeper import memory
from commonweal_runtime.store.sources import Credentials, open_source

limit, user, password, specs = int(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
memory.bound(limit)

async def read(spec):
    try:
        async with open_source(DataProductSpec.model_validate(spec), Credentials(user, password)) as source:
            await source.inspect()
            return sum([len(batch.columns[0]) async for batch in source.batches(None)])
    except Exception as error:
        return type(error).__name__

def most():  # of this program: what the process had before it became this one counts in ru_maxrss
    return int(re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) * 1024

async def main():
    print(json.dumps([await read(spec) for spec in specs] + [most()]))

asyncio.run(main())
"""


def product(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a product with a key and one text."""
    field = {"name": "text", "column": "long_text", "type": "String", "classification": "Official", "description": "Whatever stands there."}
    return {
        "title": "Drafted",
        "version": "1.0.0",
        "class": "Person",
        "source": source,
        "subject": {"column": "person_ref"},
        "fields": [field],
    }


def in_turn(specs: list[dict[str, Any]], user: str = USER) -> list[Any]:
    """Read the products one after the other in a bounded process; return rows or error of each, and the most memory that it had."""
    command = [sys.executable, "-P", "-c", READER, str(LIMIT), user, PASSWORD, json.dumps(specs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout))


def went_on(found: list[Any]) -> None:
    """Assert that what is too much fails, every time, and that what fits is read after it as before it."""
    *counts, most = found
    assert ["failed" if isinstance(count, str) else count for count in counts] == [3, "failed", "failed", 3], counts
    assert most < LIMIT


def test_a_postgres_that_gives_too_much(heritage: HeritageServer) -> None:
    """More than the keeper may take is read row by row; a row that does not fit ends its own load, and the next is read."""
    shape = "create view {} as select n::text as person_ref, repeat('x', {}) as long_text from generate_series(1, {}) n"
    views = {"modest": (3, 3), "greedy": (LONG, LIMIT // LONG + 1), "huge": (LIMIT // 2, 1)}
    script = ";".join([*(shape.format(name, *of) for name, of in views.items()), f"grant select on greedy, modest, huge to {USER}"])

    async def make() -> None:
        root = await heritage.superuser("postgres")
        await root.execute("drop database if exists greedy")
        await root.execute("create database greedy")
        await root.close()
        root = await heritage.superuser("greedy")
        await root.execute(script)
        await root.close()

    asyncio.run(make())

    def of(table: str) -> dict[str, Any]:
        where = {"host": "127.0.0.1", "port": heritage.port, "database": "greedy", "table": table, "credentials": {"name": "login"}}
        return product({"postgres": where})

    *counts, most = in_turn([of("modest"), of("greedy"), of("modest")])
    assert counts == [3, LIMIT // LONG + 1, 3]
    assert most < LIMIT // 2
    went_on(in_turn([of("modest"), of("huge"), of("huge"), of("modest")]))


def test_a_mariadb_that_gives_more_than_the_keeper_may_take_is_read_row_by_row(mariadb: MariaDb) -> None:
    rows = {"modest": (3, 3), "greedy": (LONG, LIMIT // LONG + 1)}
    for name, (long, many) in rows.items():
        mariadb.run(
            f"create or replace table heritage.{name}_people (person_ref int)",
            f"insert into heritage.{name}_people values {', '.join(f'({n})' for n in range(many))}",
            f"create or replace view heritage.{name} as select person_ref, repeat('x', {long}) as long_text from heritage.{name}_people",
        )

    def of(table: str) -> dict[str, Any]:
        where = {"host": "127.0.0.1", "port": mariadb.port, "database": "heritage", "table": table, "credentials": {"name": "login"}}
        return product({"mysql": where})

    *counts, most = in_turn([of("modest"), of("greedy"), of("modest")], user="reader")
    assert counts == [3, LIMIT // LONG + 1, 3]
    assert most < LIMIT // 2


def lay(folder: Path, texts: pa.Array, **options: Any) -> None:
    """Write a file of these texts that is small where they are packed."""
    folder.mkdir()
    table = pa.table({"person_ref": [str(n) for n in range(len(texts))], "long_text": texts})
    pq.write_table(table, folder / "a.parquet", compression="zstd", **options)


def filed(name: str) -> dict[str, Any]:
    """Return the product of a folder."""
    return product({"parquet": {"location": f"volume://files/{name}"}})


def test_files_that_unpack_to_more_than_the_keeper_may_take_are_read(volumes: Path) -> None:
    """One long text, once in its dictionary, and row after row that says «the same»; rows of a megabyte each, with and without a dictionary."""
    files = volumes / "files"
    same = {n: pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array(["x" * LONG])) for n in (3, ROWS)}
    wide = pa.array([f"{n:06}" * 175_000 for n in range(WIDE)])
    lay(files / "modest", same[3])
    lay(files / "greedy", same[ROWS])
    lay(files / "unsaid", same[ROWS], store_schema=False)
    lay(files / "wide", wide, write_batch_size=8)
    lay(files / "bare", wide, write_batch_size=8, use_dictionary=False)
    assert all((files / name / "a.parquet").stat().st_size < LONG for name in ("greedy", "unsaid", "wide", "bare"))
    rows = {"modest": 3, "greedy": ROWS, "unsaid": ROWS, "wide": WIDE, "bare": WIDE}
    *counts, most = in_turn([filed(name) for name in rows])
    assert dict(zip(rows, counts, strict=True)) == rows
    assert most < AT_MOST


def test_a_row_of_a_file_that_does_not_fit_ends_its_own_load_and_the_next_is_read(volumes: Path) -> None:
    lay(volumes / "files" / "modest", pa.array(["abc"] * 3))
    lay(volumes / "files" / "greedy", pa.array(["x" * (LIMIT // 2)]))
    went_on(in_turn([filed("modest"), filed("greedy"), filed("greedy"), filed("modest")]))
