"""A load that is killed goes on where it was: whoever is killed, and however often."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store import loading
from commonweal_runtime.store.product_tables import served_product
from commonweal_runtime.store.sources import Credentials
from support.data_api import GRANTS, PASSWORD, SECTOR_KEY, USER, Exchange, KeeperProcess, plan, subject
from support.keeper import Bench
from support.mariadb import MariaDb
from support.postgres import HeritageServer, StoreServer
from support.waiting import HANG

Spec = dict[str, Any]
ROWS = 30_000
FIELDS = [{"name": "fullName", "column": "full_name", "type": "String"}]
BASE = {
    "title": "People",
    "version": "1.0.0",
    "class": "Person",
    "subject": {"column": "ref"},
    "serve": {"refreshSeconds": 3600},
    "fields": FIELDS,
}


@pytest.fixture(scope="module", autouse=True)
def crowd(bench: Bench, mariadb: MariaDb) -> None:
    """The same people in both databases."""
    wide = "create table wide (ref varchar(20) primary key, full_name text)"  # more than sockets hold, so that what is cut off is not there yet
    mariadb.run(wide, f"insert into wide select concat('P', seq), repeat('wide', 500) from seq_1_to_{ROWS}", database="heritage")
    bench.change(
        f"create table crowd as select 'P' || n as ref, 'Person ' || n as full_name from generate_series(1, {ROWS}) n; "
        "alter table crowd add primary key (ref); create table heap as select ref, repeat('wide', 500) as full_name from crowd; analyze crowd; "
        + GRANTS
    )
    mariadb.run(
        "create table crowd (ref varchar(20) primary key, full_name text)",
        f"insert into crowd select concat('P', seq), concat('Person ', seq) from seq_1_to_{ROWS}",
        database="heritage",
    )


@pytest.fixture(params=["postgres", "mysql", "parquet", "csv"])
def spec(request: pytest.FixtureRequest, bench: Bench, mariadb: MariaDb, volumes: Path) -> Spec:
    """One product of the crowd, from each kind of source."""
    login = {"credentials": {"name": "heritage"}}
    if request.param == "parquet":
        data = {"ref": [f"P{n}" for n in range(1, ROWS + 1)], "full_name": [f"Person {n}" for n in range(1, ROWS + 1)]}
        pq.write_table(pa.table(data), volumes / "files" / "crowd.parquet", row_group_size=25_000)
        return {**BASE, "source": {"parquet": {"location": "volume://files/crowd.parquet"}}}
    if request.param == "csv":
        lines = [f'P{n},"Person {n}"' for n in range(1, ROWS + 1)]
        (volumes / "files" / "crowd.csv").write_text("\n".join(["ref,full_name", *lines]), "utf-8")
        return {**BASE, "source": {"csv": {"location": "volume://files/crowd.csv"}}}
    server = bench.heritage if request.param == "postgres" else mariadb
    return {
        **BASE,
        "source": {request.param: {"host": "127.0.0.1", "port": server.port, "database": "heritage", "table": "crowd", **login}},
    }


@asynccontextmanager
async def connected(store: StoreServer) -> AsyncIterator[Any]:
    connection = await store.superuser("department")
    try:
        yield connection
    finally:
        connection.terminate()


async def staged(root: Any, name: str) -> int:
    """Return how many rows of a product are staged."""
    rows = await root.fetchval(
        "select s.rows from staging.progress s join agreement.product p on p.uid = s.product where p.name = $1", name
    )
    return int(rows or 0)


async def until_staged(store: StoreServer, name: str, least: int) -> int:
    async with asyncio.timeout(HANG), connected(store) as root:
        while True:
            if await root.fetchval("select to_regclass('staging.progress') is not null"):
                rows = await staged(root, name)
                if rows >= least:
                    return rows
            await asyncio.sleep(0.005)


async def whole(root: Any, name: str) -> None:
    """Hold the product's table against the source, row by row."""
    relation = await root.fetchval("select relation from agreement.product where name = $1", name)
    found = dict(await root.fetch(f'select subject, "fullName" from product."{relation}"'))
    assert found == {subject(f"P{n}"): f"Person {n}" for n in range(1, ROWS + 1)}
    assert await root.fetchval("select count(*) from staging.progress") == 0


def resumed(log: str) -> list[int]:
    """Return what the keeper's log says of each load: how many rows were read before."""
    return [int(line.rpartition(" refused, ")[2].split()[0]) for line in log.splitlines() if " read before" in line]


def test_a_killed_keeper_s_successor_goes_on(bench: Bench, spec: Spec, request: pytest.FixtureRequest) -> None:
    name = f"keeper-{request.node.callspec.params['spec']}"
    exchange = Exchange(bench.store.directory / name)
    exchange.put(wanted := plan({name: spec}, {}))
    begun: list[int] = []
    for share in (0.2, 0.6):
        with KeeperProcess(bench.store, exchange.directory) as keeper:
            begun.append(asyncio.run(until_staged(bench.store, name, int(ROWS * share))))
            assert keeper.process is not None
            keeper.process.kill()
            keeper.process.wait(20)
    with KeeperProcess(bench.store, exchange.directory) as keeper:

        async def check() -> None:
            await exchange.settled(wanted)
            async with connected(bench.store) as root:
                await whole(root, name)

        asyncio.run(check())
        assert resumed(keeper.log)[-1] >= begun[1] > begun[0] > 0


def test_a_killed_store_comes_back_and_the_load_goes_on(bench: Bench, spec: Spec, request: pytest.FixtureRequest) -> None:
    name = f"store-{request.node.callspec.params['spec']}"
    exchange = Exchange(bench.store.directory / name)
    exchange.put(wanted := plan({name: spec}, {}))
    with KeeperProcess(bench.store, exchange.directory):
        asyncio.run(until_staged(bench.store, name, ROWS // 2))
        postmaster = int((bench.store.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGKILL)
        bench.store.stop()
    bench.store.start()
    with KeeperProcess(bench.store, exchange.directory) as keeper:

        async def check() -> None:
            await exchange.settled(wanted)
            async with connected(bench.store) as root:
                await whole(root, name)

        asyncio.run(check())
        assert resumed(keeper.log)[-1] > 0, "the staging table is logged, so a crash of PostgreSQL empties nothing"


class CutError(Exception):
    """The test's own end of a load."""


async def load(store: StoreServer, name: str, *, after: int | None = None) -> loading.Loaded:
    """Load a product as its keeper would; `after` that many staged rows the load is cut off."""
    async with connected(store) as root, connected(store) as look:
        product = await served_product(root, name)
        assert product is not None
        heard: list[str] = []

        def tell(progress: str) -> None:
            heard.append(progress)
            if after is not None and int(progress.split(maxsplit=1)[0]) >= after:
                raise CutError

        try:
            return await loading.load(root, product, Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock(), tell)
        finally:
            assert after is None or await staged(look, name) >= after
            assert all("P1" not in line for line in heard)


def shelved(bench: Bench, name: str, spec: Spec) -> None:
    """Make the product's table and leave it without rows: its source is not there while the keeper works."""
    gone = {**spec, "source": {"parquet": {"location": "volume://none/x"}}}

    async def script(root: Any) -> None:
        await bench.exchange.until(name, "VolumeMissing")
        wire = plan({name: spec}, {}).products[0].spec.model_dump_json(by_alias=True, exclude_none=True)
        await root.execute("update agreement.product set spec = $2::text::jsonb where name = $1", name, wire)

    bench.run(plan({name: gone}, {}), script, settle=False)


def test_what_was_staged_is_not_used_when_something_else_is_to_be_read(bench: Bench, heritage: HeritageServer, volumes: Path) -> None:
    data = {"ref": ["P1", "P2", *(f"Q{n}" for n in range(5000))], "full_name": ["Person 1", "Person 2", *["x"] * 5000]}
    file = volumes / "files" / "moving.parquet"
    pq.write_table(pa.table(data), file, row_group_size=1000)
    spec = {**BASE, "source": {"parquet": {"location": "volume://files/moving.parquet"}}}
    shelved(bench, "moving", spec)
    with pytest.raises(CutError):
        asyncio.run(load(bench.store, "moving", after=2000))
    pq.write_table(pa.table({**data, "full_name": ["Person one", *data["full_name"][1:]]}), file, row_group_size=1000)
    done = asyncio.run(load(bench.store, "moving"))
    assert (done.resumed, done.inserted) == (0, 5002), "the file changed, so the load began again"


def test_files_that_change_while_they_are_read_are_not_merged(bench: Bench, volumes: Path) -> None:
    data = {"ref": [f"Q{n}" for n in range(5000)], "full_name": ["x"] * 5000}
    file = volumes / "files" / "shaky.parquet"
    pq.write_table(pa.table(data), file, row_group_size=1000)
    shelved(bench, "shaky", {**BASE, "source": {"parquet": {"location": "volume://files/shaky.parquet"}}})

    async def go() -> None:
        async with connected(bench.store) as root:
            product = await served_product(root, "shaky")
            assert product is not None

            def tell(_: str) -> None:
                os.utime(file)

            with pytest.raises(SourceReadError, match="changed while the files were read"):
                await loading.load(root, product, None, SECTOR_KEY, asyncio.Lock(), tell)
            assert await root.fetchval(f'select count(*) from product."{product.relation}"') == 0

    asyncio.run(go())


def test_a_source_without_a_key_says_that_it_begins_anew(bench: Bench, heritage: HeritageServer) -> None:
    login = {"credentials": {"name": "heritage"}}
    source = {"postgres": {"host": "127.0.0.1", "port": heritage.port, "database": "heritage", "table": "heap", **login}}
    shelved(bench, "heap", {**BASE, "source": source})

    async def go() -> None:
        async with connected(bench.store) as root:
            product = await served_product(root, "heap")
            assert product is not None
            cut = await heritage.superuser("heritage")

            async def stop() -> None:
                await until_staged(bench.store, "heap", 10_000)
                await cut.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'commonweal'")

            stopping = asyncio.create_task(stop())
            with pytest.raises(SourceReadError, match="begins again, because no unique index") as broken:
                await loading.load(root, product, Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock())
            assert broken.value.reason == "LoadFailed"
            await stopping
            await cut.close()
        done = await load(bench.store, "heap")
        assert (done.resumed, done.inserted) == (0, ROWS)

    asyncio.run(go())


def test_a_dropped_database_goes_on_when_it_is_back_and_its_position_names_nobody(bench: Bench, mariadb: MariaDb) -> None:
    login = {"credentials": {"name": "heritage"}}
    source = {"mysql": {"host": "127.0.0.1", "port": mariadb.port, "database": "heritage", "table": "wide", **login}}
    shelved(bench, "dropped", {**BASE, "source": source})

    async def go() -> None:
        async with connected(bench.store) as root:
            product = await served_product(root, "dropped")
            assert product is not None

            async def stop() -> None:
                await until_staged(bench.store, "dropped", 10_000)
                await asyncio.to_thread(mariadb.kill)

            stopping = asyncio.create_task(stop())
            with pytest.raises(SourceReadError, match="goes on after"):
                await loading.load(root, product, Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock())
            await stopping
            position = await root.fetchval("select position from staging.progress where product = $1", product.uid)
            assert position is not None

            assert b'["P' not in position, "sealed: it holds a source key"
        await asyncio.to_thread(mariadb.start)
        done = await load(bench.store, "dropped")
        assert (done.resumed >= 10_000, done.inserted) == (True, ROWS)

    asyncio.run(go())
