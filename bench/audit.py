"""What sealing costs: audit rows a second with the sealer against none at all, how fast seals are made and checked, how large a proof is.

    python bench/audit.py [--quick]

One PostgreSQL with the product's own settings (fsync on); pgbench writes audit rows, one a transaction, as the doors do. The rival has neither a sealer nor the
index that it needs. Each round visits both in changing order and the ratio is taken inside the round. The sealer runs as a process of its own, as in the keeper.
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
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import asyncpg  # noqa: E402
import orjson  # noqa: E402
from results_file import Figure, write  # noqa: E402

from commonweal_runtime.audit.merkle import Tree  # noqa: E402
from commonweal_runtime.audit.proofs import prove  # noqa: E402
from commonweal_runtime.audit.sealer import MOST_ROWS, Sealer  # noqa: E402
from commonweal_runtime.store.postgres import binary  # noqa: E402
from support.audit import CONTRACT, SEAL_KEY, Ledger  # noqa: E402
from support.postgres import StoreServer  # noqa: E402

RIVAL = "audit rows without sealer and without its index"
TARGET = 0.9
CONNECTIONS = (8, 32)
ROW = (
    "insert into audit.use (agreement, client, purpose, op, contract, subject, found, basis)"
    f" values (1, 'tax/app', 'tax/serve', 'point', '{CONTRACT}', gen_random_uuid(), 1, 'Consent');"
)


def written(store: StoreServer, connections: int, seconds: float, *, durable: bool) -> float:
    """Return how many audit rows a second were committed."""
    script = store.directory / "row.sql"
    script.write_text(ROW)
    command = [binary("pgbench"), "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(int(seconds)), "-f", str(script)]
    where = ["-h", str(store.sockets), "-p", str(store.port), "-U", "postgres", "department"]
    env = {**os.environ, "PGOPTIONS": f"-c synchronous_commit={'on' if durable else 'off'}"}
    told = subprocess.run([*command, *where], env=env, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", told)
    if found is None:
        raise RuntimeError(f"pgbench said no rate: {told}")
    return float(found[1])


@contextlib.contextmanager
def sealing(store: StoreServer) -> Iterator[None]:
    """Run a sealer as a process of its own, from its first seal on."""
    command = [sys.executable, str(HERE / "audit.py"), "--seal", str(store.sockets), str(store.port)]
    with subprocess.Popen(command) as process:
        try:
            asyncio.run(_caught_up(store))
            yield
            asyncio.run(_caught_up(store))
        finally:
            process.terminate()


async def _caught_up(store: StoreServer) -> None:
    """Return when all that is there now is under a seal."""
    root = await store.superuser("department")
    now = await root.fetchval("select pg_snapshot_xmax(pg_current_snapshot())::text")
    await root.execute(ROW)
    while not await root.fetchval("select exists (select from audit.seal where upto > $1::text::xid8)", now):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0.05)
    await root.close()


async def _run(store: StoreServer, *statements: str) -> None:
    root = await store.superuser("department")
    for statement in statements:
        await root.execute(statement)
    await root.close()


def one(store: StoreServer, kind: str, connections: int, seconds: float, *, durable: bool) -> float:
    """Measure one kind, with the index that belongs to it."""
    if kind == "bare":
        asyncio.run(_run(store, "drop index if exists audit.use_tx", "checkpoint"))
        return written(store, connections, seconds, durable=durable)
    asyncio.run(_run(store, "create index if not exists use_tx on audit.use (tx)", "checkpoint"))
    with sealing(store):
        return written(store, connections, seconds, durable=durable)


def shares(store: StoreServer, loads: Sequence[int], number: int, seconds: float) -> list[Figure]:
    """Return how many times as many rows were written with the sealer as without it."""
    figures = []
    for durable in (True, False):
        for connections in loads:
            runs = []
            for n in range(number):
                order = ("bare", "sealed") if n % 2 else ("sealed", "bare")
                got = {kind: one(store, kind, connections, seconds, durable=durable) for kind in order}
                runs.append(got["sealed"] / got["bare"])
            name = f"audit rows while they are sealed, {connections} connections, {'durable' if durable else 'not waited for'}"
            value = statistics.median(runs)
            figures.append(
                Figure(name, round(value, 3), "ratio of rows/s", f">= {TARGET}", value >= TARGET, RIVAL, [round(r, 3) for r in runs])
            )
    return figures


async def speeds(store: StoreServer, rows: int) -> list[Figure]:
    """Return how fast seals are made and checked, and how large proofs are at the largest size of a seal."""
    ledger, me = Ledger(await store.superuser("department")), uuid4()
    await ledger.tamper("truncate audit.use, audit.seal")
    await ledger.root.execute("create index if not exists use_tx on audit.use (tx)")
    point, page = await ledger.use(me), await ledger.use(me, *(uuid4() for _ in range(99)))
    made: list[float] = []
    for _ in range(rows // MOST_ROWS):
        many = ROW.replace("values (", "select ").replace(");", f" from generate_series(1, {MOST_ROWS - 2})")
        await ledger.root.execute(many)
        begun = time.perf_counter()
        sealed = await ledger.seal(MOST_ROWS * 2)
        made.append(sealed / (time.perf_counter() - begun))
    lines = await ledger.lines()
    begun = time.perf_counter()
    outcome = await ledger.check()
    if not outcome.holds:
        raise RuntimeError(f"the audit does not hold: {outcome.findings[:3]}")
    checked = outcome.uses / (time.perf_counter() - begun)
    figures = [
        Figure("rows sealed by a sealer that catches up", round(statistics.median(made)), "rows/s", runs=[round(m) for m in made]),
        Figure("rows fetched and checked by an auditor", round(checked), "rows/s"),
        Figure("kept for a row's seal", round(await _kept(ledger) / outcome.uses, 1), "bytes/row"),
        Figure("an auditor's export", round(sum(map(len, lines)) / outcome.uses), "bytes/row"),
    ]
    for name, number in (("a point read", point), ("a page of 100 people", page)):
        figures.append(Figure(f"inclusion proof of {name} in a seal of {MOST_ROWS:,} rows", await _proof(ledger, me, number), "bytes"))
    await ledger.root.close()
    return figures


async def _kept(ledger: Ledger) -> int:
    kept: int = await ledger.root.fetchval("select sum(octet_length(entries) + octet_length(jws)) from audit.seal")
    return kept


async def _proof(ledger: Ledger, me: object, number: int) -> int:
    evidence = orjson.loads(await ledger.root.fetchval("select person.use_evidence($1, $1, $2)", me, number))
    seal = await ledger.root.fetchrow("select entries, jws from audit.seal where n = $1", evidence["seal"])
    return len(orjson.dumps(prove(evidence, Tree(seal["entries"]), seal["jws"])))


async def seal_until_ended(sockets: str, port: int) -> None:
    """Be the sealer's process."""

    async def connect() -> object:
        return await asyncpg.connect(host=sockets, port=port, user="postgres", database="department")

    await Sealer(connect, SEAL_KEY).run()


async def prepare(store: StoreServer) -> None:
    """Make the store's schema."""
    ledger = await Ledger.of(store)
    await ledger.root.close()


def main(*, quick: bool) -> None:
    """Measure and write bench/results/audit.json."""
    with StoreServer() as store:
        asyncio.run(prepare(store))
        figures: Sequence[Figure] = shares(store, CONNECTIONS[:1], 3, 2) if quick else shares(store, CONNECTIONS, 10, 5)
        figures = [*figures, *asyncio.run(speeds(store, MOST_ROWS * (1 if quick else 10)))]
    path = write("audit", "python bench/audit.py" + (" --quick" if quick else ""), figures, datetime.now(UTC))
    print(json.dumps(json.loads(path.read_text()), indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--seal", nargs=2, metavar=("SOCKETS", "PORT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seal:
        asyncio.run(seal_until_ended(given.seal[0], int(given.seal[1])))
    else:
        main(quick=given.quick)
