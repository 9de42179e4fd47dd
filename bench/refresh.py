"""What a refresh takes, of this product and of its source: when all is read, when nothing has changed, and when 1 % of the rows have.

    python bench/refresh.py [--quick]

Twelve columns as in bench/sources.py, from PostgreSQL and from MariaDB. Each round reads everything without blocks, as each refresh once did, then everything
with them, as each day, then it refreshes; ratios are to the first in the same round. What the source computes is the time its processes had on a processor; what it sends is counted by the kernel on the load's own connection.
Rows change one in a hundred by their number («spread»), or in a row («clustered»).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from progress import Progress  # noqa: E402
from results_file import Figure, write  # noqa: E402
from sources import BASE, COLUMNS  # noqa: E402

from commonweal_runtime.store.sources import Survey, mysql, mysql_wire, postgres  # noqa: E402
from support.data_api import GRANTS, PASSWORD, READER, USER  # noqa: E402
from support.keeper import Bench  # noqa: E402
from support.loads import Loads  # noqa: E402
from support.mariadb import MariaDb  # noqa: E402
from support.postgres import HeritageServer, StoreServer  # noqa: E402

SIZES = (100_000, 1_000_000)
KINDS = ("postgres", "mysql")
ROUNDS = 3
# Of the time that reading everything takes.
MOST = {
    "everything, in blocks": 1.3,
    "unchanged": 0.2,
    "unchanged, by a watermark": 0.2,
    "1 % changed, spread": 0.6,
    "1 % changed, clustered": 0.6,
}
RECEIVED_AT = 128  # of the kernel's tcp_info
TICKS = os.sysconf("SC_CLK_TCK")
IN_MYSQL = {
    "ref": "concat('P', seq)",
    "full_name": "concat('Person number ', seq)",
    "street": "concat('Street ', seq % 5000)",
    "postcode": "concat('AB', seq % 97, ' ', seq % 9, 'CD')",
    "born": "'1930-01-01' + interval (seq * 37 % 30000) day",
    "joined": "date_format('2000-01-01' + interval (seq % 9000) day, '%d/%m/%Y')",
    "score": "seq % 1000",
    "visits": "seq * 7",
    "income": "seq % 100000 * 1.25",
    "share": "(seq % 1000) / 1000e0",
    "active": "seq % 2",
    "seen": "from_unixtime(1577836800 + seq)",
}
TYPES = (
    "ref varchar(20) primary key, full_name varchar(60), street varchar(60), postcode varchar(20), born date, joined varchar(10), score int, "
    "visits bigint, income decimal(12,2), share double, active tinyint(1), seen timestamp null"
)


@dataclass(frozen=True)
class Reading:
    """What one load took: seconds, seconds of the source's processors, bytes that came from it, and the share of the blocks that were read."""

    seconds: float
    processor: float
    received: int
    share: float


class Place:
    """A source with its table and a product of it."""

    def __init__(self, bench: Bench, mariadb: MariaDb, kind: str, rows: int) -> None:
        self.bench, self.mariadb, self.kind, self.rows, self.name = bench, mariadb, kind, rows, f"{kind}{rows}"
        self.fill()
        port = mariadb.port if kind == "mysql" else bench.heritage.port
        where = {"host": "127.0.0.1", "port": port, "database": "heritage", "table": self.name, "credentials": {"name": "heritage"}}
        marked = {**where, "watermark": {"column": "seen"}}
        specs = {name: {**BASE, "source": {kind: at}} for name, at in ((self.name, where), (f"{self.name}marked", marked))}
        self.loads, self.marked = Loads.of(bench, **specs)

    def fill(self) -> None:
        """Make the table."""
        if self.kind == "mysql":
            into = f"insert into {self.name} select {', '.join(IN_MYSQL.values())} from seq_1_to_{self.rows}"
            self.run(f"drop table if exists {self.name}", f"create table {self.name} ({TYPES})", into, f"analyze table {self.name}")
        else:
            made = ", ".join(f"{sql} as {column}" for column, sql in COLUMNS.items())
            self.run(
                f"drop table if exists {self.name}",
                f"create table {self.name} as select {made} from generate_series(1, {self.rows}::bigint) n",
                f"alter table {self.name} add primary key (ref)",
                f"vacuum analyze {self.name}",
                GRANTS,
            )

    def run(self, *statements: str) -> None:
        """Change the source."""
        if self.kind == "mysql":
            self.mariadb.run(*statements, database="heritage")
        else:
            for statement in statements:
                self.bench.change(statement)

    def undivided(self) -> Reading:
        """Load as from a source that says nothing of its blocks."""
        reader: Any = mysql.MysqlReader if self.kind == "mysql" else postgres.PostgresReader
        inspect = reader.inspect

        async def seen(one: Any) -> Survey:
            survey: Survey = await inspect(one)
            return replace(survey, blocks=None)

        reader.inspect = seen
        try:
            return self.load(self.loads, written=0)
        finally:
            reader.inspect = inspect

    def load(self, loads: Loads, *, written: int) -> Reading:
        """Load once and return what it took."""
        with received() as sockets:
            before, begun = self._processor(), time.perf_counter()
            done = loads.load()
            seconds = time.perf_counter() - begun
            bytes_ = sum(map(_received, sockets))
        if done.written != written or done.refused:
            raise RuntimeError(f"{self.name}: {done.written} rows written, {done.refused} refused, of {written}")
        scope = done.scope
        share = 1.0 if scope.only is None or scope.parts is None else len(scope.only) / scope.parts
        return Reading(seconds, self._processor() - before, bytes_, share)

    def _processor(self) -> float:
        """Return the seconds that the source has computed: of MariaDB all its threads, of PostgreSQL the processes of connections that have ended."""
        if self.kind == "mysql":
            return _spent(_process(self.mariadb), 11)
        postmaster = _process(self.bench.heritage)
        while self.bench.heritage.value("select count(*) from pg_stat_activity where application_name = 'commonweal'", database="postgres"):
            time.sleep(0.05)
        time.sleep(0.2)  # until the process is gone, too, and its time is the postmaster's
        return _spent(postmaster, 13)


def _process(server: MariaDb | HeritageServer) -> int:
    process = server._process  # noqa: SLF001 - the bench looks at it from outside
    if process is None:
        raise RuntimeError("the source has ended")
    return process.pid


def _spent(process: int, field: int) -> float:
    parts = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(parts[field]) + int(parts[field + 1])) / TICKS


@contextmanager
def received() -> Iterator[list[socket.socket]]:
    """Keep a second handle of each connection that is opened to a source meanwhile."""
    kept: list[socket.socket] = []
    modules: tuple[Any, ...] = (postgres, mysql_wire)
    probes = [module.probe for module in modules]

    def keeping(probe: Callable[[Any], None]) -> Callable[[Any], None]:
        def probed(line: Any) -> None:
            kept.append(socket.socket(fileno=os.dup(line.fileno())))
            probe(line)

        return probed

    for module, probe in zip(modules, probes, strict=True):
        module.probe = keeping(probe)
    try:
        yield kept
    finally:
        for module, probe in zip(modules, probes, strict=True):
            module.probe = probe
        for one in kept:
            one.close()


def _received(line: socket.socket) -> int:
    about = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    (count,) = struct.unpack_from("=Q", about, RECEIVED_AT)
    return int(count)


def round_of(place: Place, number: int) -> dict[str, Reading]:
    """Return what each kind of load took."""
    few, loads = place.rows // 100, place.loads
    found = {"all": place.undivided(), "everything, in blocks": place.load(loads, written=0), "unchanged": place.load(loads, written=0)}
    found["unchanged, by a watermark"] = place.load(place.marked, written=0)
    modulus = "cast(substr(ref, 2) as unsigned)" if place.kind == "mysql" else "substr(ref, 2)::int"
    place.run(f"update {place.name} set score = score + 1 where {modulus} % 100 = {number}")
    found["1 % changed, spread"] = place.load(loads, written=few)
    place.run(f"update {place.name} set score = score + 1 where {modulus} between {number * few + 1} and {(number + 1) * few}")
    found["1 % changed, clustered"] = place.load(loads, written=few)
    for what, reading in found.items():
        print(
            f"  {place.name}, {what}: {reading.seconds:.2f} s, source {reading.processor:.2f} s of processor and {reading.received / 2**20:.2f} MiB, "
            f"{reading.share:.0%} of the blocks",
            flush=True,
        )
    return found


def figures_of(kind: str, rows: int, rounds: list[dict[str, Reading]]) -> list[Figure]:
    """Return the figures of one source: each kind of refresh beside a load of everything in the same round."""
    out, rival = [], "reading everything"
    whole = [r["all"] for r in rounds]
    out.append(_median(f"everything read, {kind}, {rows:,} rows", "s", [r.seconds for r in whole]))
    out.append(_median(f"source's processor for it, {kind}, {rows:,} rows", "s", [r.processor for r in whole]))
    out.append(_median(f"sent by the source for it, {kind}, {rows:,} rows", "MiB", [r.received / 2**20 for r in whole]))
    for what, most in MOST.items():
        said = f"{what}, {kind}, {rows:,} rows"
        parts = [(r[what], r["all"]) for r in rounds]
        time_of = [round(one.seconds / all_.seconds, 3) for one, all_ in parts]
        share = statistics.median(time_of)
        out.append(Figure(said, share, "of the time", f"<= {most}", share <= most, rival, time_of))
        out.append(_median(f"source's processor, {said}", "of the time", [o.processor / a.processor for o, a in parts], rival))
        out.append(_median(f"sent by the source, {said}", "of the bytes", [o.received / a.received for o, a in parts], rival))
    return out


def _median(name: str, unit: str, runs: list[float], rival: str | None = None) -> Figure:
    return Figure(name, round(statistics.median(runs), 4), unit, rival=rival, runs=[round(r, 4) for r in runs])


@contextmanager
def staged() -> Iterator[tuple[Bench, MariaDb]]:
    """Bring up a store and both sources."""
    with StoreServer() as store, HeritageServer() as heritage, MariaDb() as mariadb:
        asyncio.run(heritage.make("heritage", READER))
        mariadb.run(
            "create database heritage",
            f"create user '{USER}'@'127.0.0.1' identified by '{PASSWORD}'",
            f"grant select on heritage.* to '{USER}'@'127.0.0.1'",
        )
        yield Bench(store, heritage), mariadb


def main() -> None:
    """Measure and write bench/results/refresh.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows, once; nothing is written")
    quick = parser.parse_args().quick
    figures: list[Figure] = []
    with staged() as (bench, mariadb):
        for kind in KINDS:
            for rows in SIZES[:1] if quick else SIZES:
                place = Place(bench, mariadb, kind, rows)
                first = place.load(place.loads, written=rows)
                place.load(place.marked, written=rows)
                print(f"  {place.name}, first load: {first.seconds:.2f} s", flush=True)
                number, rounds = 1 if quick else ROUNDS, []
                done = Progress(place.name, number)
                for n in range(number):
                    rounds.append(round_of(place, n))
                    done.at(n + 1)
                figures += figures_of(kind, rows, rounds)
    for figure in figures:
        print(f"{figure.figure}: {figure.value} {figure.unit} {figure.target or ''}")
    if not quick:
        write("refresh", "python bench/refresh.py", figures, datetime.now(UTC))


if __name__ == "__main__":
    main()
