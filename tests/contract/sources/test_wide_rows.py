"""A keeper whose department has a table of long texts needs no more memory than for one of short ones."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from support.data_api import Exchange, KeeperProcess, plan
from support.keeper import Bench

LIMIT_MIB = 256
ROWS = 3000


def test_the_keeper_stays_small(bench: Bench) -> None:
    """The source makes the texts as they are read: 600 MB in all, a fifth of a megabyte each."""
    bench.change(
        f"create view wide_rows as select 'P' || n as ref, repeat(md5(n::text), 6400) as v from generate_series(1, {ROWS}) n; grant select on wide_rows to reader"
    )
    where = {
        "host": "127.0.0.1",
        "port": bench.heritage.port,
        "database": "heritage",
        "table": "wide_rows",
        "credentials": {"name": "heritage"},
    }
    product = {"title": "Wide", "version": "1.0.0", "class": "Person", "source": {"postgres": where}, "subject": {"column": "ref"}}
    product |= {"serve": {"refreshSeconds": 3600}, "fields": [{"name": "v", "column": "v", "type": "String"}]}
    exchange = Exchange(bench.store.directory / "wide")
    exchange.put(wanted := plan({"wide": product}, {}))
    with KeeperProcess(bench.store, exchange.directory) as keeper:
        asyncio.run(exchange.settled(wanted))
        assert keeper.process is not None
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{keeper.process.pid}/status").read_text())
        assert found is not None
        assert int(found[1]) / 1024 < LIMIT_MIB
        assert f"{ROWS} new" in keeper.log
