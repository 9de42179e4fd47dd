"""How fast a product is loaded, beside a plain COPY between the same two servers, and what memory it takes.

    python bench/sources.py [--quick]

Twelve columns, a mask and one expression, from PostgreSQL and from Parquet; in some runs the expression fails in 1 or 10 % of the rows, which go into
quarantine: for one and the same value in all of them, and in one run for as many values as rows.
Each round runs the rival, COPY into a table with the same columns and primary key in the store, and then the load, and the ratio is taken inside the
round. A load runs in a process of its own, whose peak memory is the kernel's. It takes about six minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import asyncpg  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from progress import Progress  # noqa: E402
from results_file import Figure, write  # noqa: E402
from sources_steps import PYTHON, Timed  # noqa: E402

from commonweal_runtime.store import loading  # noqa: E402
from commonweal_runtime.store.postgres import binary  # noqa: E402
from commonweal_runtime.store.product_tables import served_product  # noqa: E402
from commonweal_runtime.store.sources import Credentials  # noqa: E402
from support.data_api import GRANTS, PASSWORD, READER, SECTOR_KEY, USER, plan  # noqa: E402
from support.keeper import Bench  # noqa: E402
from support.postgres import HeritageServer, StoreServer  # noqa: E402

TARGET, MOST_MIB, WORST_BAD = 0.5, 256, 1.3
SIZES, ROUNDS = (100_000, 1_000_000), 3
BAD = {"0": 0, "1": 1, "10": 10}  # per cent
VARIED = "10x"  # in which no two bad values are alike
SAID = {"0": "0 % bad", "1": "1 % bad", "10": "10 % bad", VARIED: "10 % bad, no two alike"}
KINDS = ("postgres", "parquet")
ROWS_A_FILE = 250_000
COLUMNS = {
    "ref": "'P' || n",
    "full_name": "'Person number ' || n",
    "street": "'Street ' || n % 5000",
    "postcode": "'AB' || n % 97 || ' ' || n % 9 || 'CD'",
    "born": "(date '1930-01-01' + (n * 37 % 30000)::int)",
    "joined": "to_char(date '2000-01-01' + (n % 9000)::int, 'DD/MM/YYYY')",
    "score": "(n % 1000)::int",
    "visits": "n * 7",
    "income": "(n % 100000 * 1.25)::numeric(12,2)",
    "share": "(n % 1000) / 1000.0::float8",
    "active": "n % 2 = 0",
    "seen": "timestamptz '2020-01-01 00:00+00' + n * interval '1 second'",
}
FIELDS: list[dict[str, Any]] = [
    {"name": "fullName", "column": "full_name", "type": "String"},
    {"name": "street", "column": "street", "type": "String"},
    {"name": "postcode", "column": "postcode", "type": "String"},
    {"name": "born", "column": "born", "type": "Date"},
    {"name": "yearOfBirth", "mask": {"of": "born", "kind": "Year"}, "description": "Year of birth."},
    {"name": "joined", "from": "to_date(joined, 'DD/MM/YYYY')", "type": "Date"},
    {"name": "score", "column": "score", "type": "Integer"},
    {"name": "visits", "column": "visits", "type": "Integer"},
    {"name": "income", "column": "income", "type": "Number"},
    {"name": "share", "column": "share", "type": "Number"},
    {"name": "active", "column": "active", "type": "Boolean"},
    {"name": "seen", "column": "seen", "type": "Timestamp"},
]
BASE = {
    "title": "People",
    "version": "1.0.0",
    "class": "Person",
    "subject": {"column": "ref"},
    "serve": {"refreshSeconds": 3600},
    "fields": FIELDS,
}


def name_of(kind: str, rows: int, bad: str) -> str:
    """Return the name of a product."""
    return f"{kind}-{rows}-{bad}"


def share(bad: str) -> int:
    """Return how many of a hundred rows are bad."""
    return BAD.get(bad, 10)


def table_of(rows: int, bad: str) -> str:
    """Return the name of the source's table."""
    return name_of("postgres", rows, bad).replace("-", "_")


class Stage:
    """The two servers, with the people of each size in the source."""

    def __init__(self, store: StoreServer, heritage: HeritageServer, volumes: Path) -> None:
        self.store, self.heritage, self.volumes = store, heritage, volumes
        self.bench = Bench(store, heritage)

    def fill(self, rows: int, bad: str) -> None:
        """Make the table, and the same rows as Parquet files."""
        name = table_of(rows, bad)
        wrong = "'none ' || n" if bad == VARIED else "'31/02/2001'"
        columns = {**COLUMNS, "joined": f"case when n % 100 < {share(bad)} then {wrong} else {COLUMNS['joined']} end"}
        made = ", ".join(f"{sql} as {column}" for column, sql in columns.items())
        self.bench.change(
            f'create table "{name}" as select {made} from generate_series(1, {rows}::bigint) n; '
            f'alter table "{name}" add primary key (ref); analyze "{name}"; {GRANTS}'
        )
        folder = self.volumes / "files" / name_of("parquet", rows, bad)
        folder.mkdir(parents=True)
        asyncio.run(self._export(name, folder))

    async def _export(self, name: str, folder: Path) -> None:
        root = await self.heritage.superuser("heritage")
        async with root.transaction():
            cursor = await root.cursor(f'select * from "{name}" order by ref')
            number = 0
            while rows := await cursor.fetch(ROWS_A_FILE):
                pq.write_table(_table(rows), folder / f"part-{number}.parquet", row_group_size=50_000)
                number += 1
        await root.close()

    def shelve(self, kind: str, rows: int, bad: str) -> None:
        """Make the product's table, and leave it without rows: its source is not there while the keeper works."""
        name, gone = name_of(kind, rows, bad), {**BASE, "source": {"parquet": {"location": "volume://none/x"}}}
        wire = (
            plan({name: {**BASE, "source": self._source(kind, name)}}, {})
            .products[0]
            .spec.model_dump_json(by_alias=True, exclude_none=True)
        )

        async def script(root: Any) -> None:
            await self.bench.exchange.until(name, "VolumeMissing")
            await root.execute("update agreement.product set spec = $2::text::jsonb where name = $1", name, wire)

        self.bench.run(plan({name: gone}, {}), script, settle=False)

    def _source(self, kind: str, name: str) -> dict[str, Any]:
        if kind == "parquet":
            return {"parquet": {"location": f"volume://files/{name}"}}
        where = {"host": "127.0.0.1", "port": self.heritage.port, "database": "heritage", "table": name.replace("-", "_")}
        return {"postgres": {**where, "credentials": {"name": "heritage"}}}

    def copied(self, rows: int, bad: str) -> float:
        """Return the rows a second of a plain COPY of the same table into one with the same columns and primary key."""
        name = table_of(rows, bad)
        asyncio.run(self._empty_target(name))
        out = self._psql(self.heritage, "heritage", f'copy (select * from "{name}") to stdout')
        into = self._psql(self.store, "department", "copy rival from stdin")
        begun = time.perf_counter()
        with subprocess.Popen(out, stdout=subprocess.PIPE) as source:
            subprocess.run(into, stdin=source.stdout, check=True, stdout=subprocess.DEVNULL)
        return rows / (time.perf_counter() - begun)

    async def _empty_target(self, name: str) -> None:
        there, here = await self.heritage.superuser("heritage"), await self.store.superuser("department")
        types = await there.fetch(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass($1) and attnum > 0",
            f'"{name}"',
        )
        columns = ", ".join(f"{column} {type_}" for column, type_ in types)
        await here.execute(f"drop table if exists rival; create table rival ({columns}, primary key (ref))")
        await here.execute("checkpoint")
        await there.close()
        await here.close()

    @staticmethod
    def _psql(server: StoreServer | HeritageServer, database: str, statement: str) -> list[str]:
        where = ["-h", str(server.sockets), "-p", str(server.port), "-U", "postgres", database]
        return [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, *where]

    def loaded(self, kind: str, rows: int, bad: str) -> dict[str, Any]:
        """Return what a load took, in a process of its own: seconds and peak MiB; its rows are counted."""
        command = [
            sys.executable,
            str(HERE / "sources.py"),
            "--load",
            name_of(kind, rows, bad),
            str(self.store.sockets),
            str(self.store.port),
        ]
        env = {**os.environ, "COMMONWEAL_VOLUMES_DIR": str(self.volumes)}
        told: dict[str, Any] = json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
        if (told["inserted"], told["refused"]) != (rows - rows * share(bad) // 100, rows * share(bad) // 100):
            raise RuntimeError(f"{name_of(kind, rows, bad)}: {told}")
        return told

    def forget(self) -> None:
        """End the product, so that the next load begins with nothing."""
        self.bench.run(plan({}, {}), _nothing)


async def _nothing(_: Any) -> None:
    return


def _table(rows: Sequence[asyncpg.Record]) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - the loading process must not pay for what only the bench makes

    columns: list[str] = list(rows[0].keys())
    return pa.table({column: [row[column] for row in rows] for column in columns})


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Bring up both servers and a folder for files."""
    with tempfile.TemporaryDirectory() as around, StoreServer() as store, HeritageServer() as heritage:
        os.environ["COMMONWEAL_VOLUMES_DIR"] = around
        asyncio.run(heritage.make("heritage", READER))
        yield Stage(store, heritage, Path(around))


async def load(name: str, sockets: str, port: int) -> dict[str, Any]:
    """Load a product as its keeper does, once."""
    root = await asyncpg.connect(host=sockets, port=port, user="postgres", database="department")
    product = await served_product(root, name)
    if product is None:
        raise RuntimeError(f"no product {name}")
    timed, processor, begun = Timed(root), time.process_time(), time.perf_counter()
    done = await loading.load(timed, product, Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock())
    seconds, used = time.perf_counter() - begun, time.process_time() - processor
    await root.close()
    steps = timed.steps(seconds, used, done.inserted + done.refused)
    return {"seconds": seconds, "mib": peak_mib(), "inserted": done.inserted, "refused": done.refused, "steps": steps}


def peak_mib() -> float:
    """Return the most memory that this program had, in MiB; what the process had before it became this program does not count."""
    peak = re.search(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else 0.0


Found = dict[tuple[str, int, str], dict[str, list[Any]]]


def measure(stage: Stage, kind: str, rows: int, bad: str, number: int, done: Progress) -> dict[str, list[Any]]:
    """Return ratios to the rival, rows a second of both, peak memory and steps of each round."""
    found: dict[str, list[Any]] = {"ratio": [], "rate": [], "rival": [], "mib": [], "steps": []}
    for _ in range(number):
        rival = stage.copied(rows, bad)
        stage.shelve(kind, rows, bad)
        told = stage.loaded(kind, rows, bad)
        stage.forget()
        rate = rows / told["seconds"]
        for key, value in (("ratio", rate / rival), ("rate", rate), ("rival", rival), ("mib", told["mib"])):
            found[key].append(round(value, 3))
        found["steps"].append(told["steps"])
        done.at(len(found["rate"]))
        print(
            f"  {kind}, {rows} rows, {SAID[bad]}: COPY {rival:,.0f} rows/s, load {rate:,.0f} rows/s, {told['mib']:.0f} MiB",
            told["steps"],
            flush=True,
        )
    return found


def figures_of(found: Found) -> list[Figure]:
    """Return the figures of all runs."""
    out, rival = [], "COPY into the same columns and primary key"
    for (kind, rows, bad), runs in found.items():
        said, ratio, mib = f"{kind}, {rows:,} rows, {SAID[bad]}", statistics.median(runs["ratio"]), max(runs["mib"])
        out.append(Figure(f"load, {said}", round(ratio, 3), "ratio of rows/s", f">= {TARGET}", ratio >= TARGET, rival, runs["ratio"]))
        out.append(Figure(f"rows a second, {said}", round(statistics.median(runs["rate"])), "rows/s", runs=runs["rate"]))
        out.append(Figure(f"peak memory, {said}", round(mib), "MiB", f"<= {MOST_MIB}", mib <= MOST_MIB, runs=runs["mib"]))
    for (kind, rows, bad), runs in found.items():
        if share(bad) == 10:
            times = statistics.median(found[kind, rows, "0"]["rate"]) / statistics.median(runs["rate"])
            target, met = f"< {WORST_BAD}", times < WORST_BAD
            out.append(Figure(f"{SAID[bad]} against none, {kind}, {rows:,} rows", round(times, 2), "times as long", target, met))
    for kind in KINDS:
        for step, value in steps_of(found, kind).items():
            out.append(Figure(f"one row, {kind}, {max(rows for _, rows, _ in found):,} rows, {step}", value, "us"))
    return out


def steps_of(found: Found, kind: str) -> dict[str, float]:
    """Return the steps of a load of the most rows without bad ones: of the round that is neither the fastest nor the slowest."""
    runs = found[kind, max(rows for _, rows, _ in found), "0"]
    steps: dict[str, float] = runs["steps"][runs["rate"].index(statistics.median_low(runs["rate"]))]
    return steps


def series_of(found: Found) -> dict[str, Any]:
    """Return what the picture shows."""
    runs = [
        {"kind": kind, "rows": rows, "bad": SAID[bad], **{key: statistics.median(of[key]) for key in ("rate", "rival", "ratio", "mib")}}
        for (kind, rows, bad), of in found.items()
    ]
    return {"runs": runs, "steps": {kind: {k: v for k, v in steps_of(found, kind).items() if k != PYTHON} for kind in KINDS}}


def main() -> None:
    """Measure and write bench/results/sources.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows, once; nothing is written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--load", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        print(json.dumps(asyncio.run(load(asked.load[0], asked.load[1], int(asked.load[2])))))
        return
    number = 1 if asked.quick else asked.rounds
    found: Found = {}
    with staged() as stage:
        for rows in SIZES[:1] if asked.quick else SIZES:
            for bad in [*BAD, *([VARIED] if rows == SIZES[0] else [])]:
                stage.fill(rows, bad)
                for kind in KINDS:
                    found[kind, rows, bad] = measure(stage, kind, rows, bad, number, Progress(f"{kind} {rows} {SAID[bad]}", number))
    for figure in (figures := figures_of(found)):
        print(f"{figure.figure}: {figure.value} {figure.unit} {figure.target or ''}")
    if not asked.quick:
        command = "python bench/sources.py" + (f" --rounds {number}" if number != ROUNDS else "")
        write("sources", command, figures, datetime.now(UTC), series=series_of(found))


if __name__ == "__main__":
    main()
