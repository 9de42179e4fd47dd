"""kill -9 of PostgreSQL, of the data API and of the keeper, at each step of giving, withdrawing and reading, with fsync on.

What was answered is there afterwards: the audit row of every record that left (Durable and Strict), every decision. After the answer to a withdrawal no
read sees the person. Chains and seals hold over all crashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from commonweal_api.plan import StorePlan
from commonweal_cli.audit.sources import Department, keys_of
from commonweal_runtime.audit.receipts import Receipt
from commonweal_runtime.audit.verify import Outcome, verify
from commonweal_runtime.seal_key import KeyRing
from support.data_api import DEPARTMENT, DataApi, Exchange, Issuer, KeeperProcess, agreement, person_product, plan
from support.kills import STEPS, Load, Mortal
from support.postgres import HeritageServer, StoreServer
from support.waiting import HANG

PEOPLE = 36  # each may give and lift a hundred times a day: so many that a fast machine does not come to it
VICTIMS = ("postgres", "data API", "keeper")
SEED = 20261122
# A person's chain, anew from the rows: what each event must follow, and the hash that its own bytes give.
BROKEN_LINKS = """
select count(*) from (select e.*, lag(hash) over (partition by subject order by seq) as before, consent.event_bytes(e) as bytes from consent.event e) c
where prev is distinct from before or hash <> sha256(coalesce(before, ''::bytea) || bytes)"""
# The arrays by which rows are shown, against what people's last words leave standing.
WRONG_ROWS = """
select count(*) from product.{} t, agreement.product p, lateral consent.standing(t.subject, p.uid) s
where p.name = $1 and (t._consent, t._objection) is distinct from (s.consent, s.objection)"""


def wanted(heritage: HeritageServer) -> StorePlan:
    """Return a plan with a durable and a strict product."""
    secret = person_product(heritage, title="Secrets", serve={"refreshSeconds": 3600, "auditDurability": "Strict"})
    document = plan(
        {"people": person_product(heritage, serve={"refreshSeconds": 3600, "auditDurability": "Durable"}), "secret": secret},
        {
            "task": agreement("PublicTask"),
            "yes": agreement("Consent", consumer="health"),
            "strict-yes": agreement("Consent", product="secret", consumer="clinic"),
        },
    )
    return document.model_copy(update={"registrars": ["auditor"]})


@asynccontextmanager
async def root_of(store: StoreServer) -> AsyncIterator[Any]:
    connection = await store.superuser("department")
    try:
        yield connection
    finally:
        await connection.close()


async def sealing_goes_on(store: StoreServer) -> None:
    """Return when everything that is there now is under a seal."""
    async with root_of(store) as root, asyncio.timeout(HANG):
        newest = await root.fetchval("select pg_snapshot_xmax(pg_current_snapshot())::text")
        while not await root.fetchval("select exists (select from audit.seal where upto >= $1::text::xid8)", newest):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.02)


async def each_goes_on(load: Load) -> None:
    """Return when every step has been taken once more."""
    before = load.steps.copy()
    async with asyncio.timeout(HANG):
        while any(load.steps[step] <= before[step] for step in STEPS):  # noqa: ASYNC110 - counted by tasks of its own
            await asyncio.sleep(0.01)


async def killed(load: Load, processes: Mortal, store: StoreServer, victim: str, step: str) -> None:
    """Kill one process at one step, start it again, and return when all goes on. A keeper is killed once it seals, whatever was killed before it."""
    if victim == "keeper":
        await sealing_goes_on(store)
    async with asyncio.timeout(HANG):
        await load.strike_at(step, lambda: processes.kill(victim)).wait()
    await asyncio.to_thread(processes.restart, victim)
    await each_goes_on(load)


def exported(api: DataApi, issuer: Issuer) -> tuple[list[str], KeyRing]:
    """Return what an auditor fetches as the command does, and the keys that anybody can."""
    keys = keys_of(f"{api.url}/.well-known/jwks.json")
    return list(Department(DEPARTMENT, api.url, keys, issuer.client(DEPARTMENT, "auditor")).lines()), keys


async def nothing_is_lost(load: Load, store: StoreServer, outcome: Outcome, keys: KeyRing) -> None:
    """Hold what the store has against what was answered."""
    async with root_of(store) as root:
        rows = await root.fetch(
            "select client, subject, count(*) as n from audit.use where found > 0 and subject is not null group by client, subject"
        )
        kept = {(r["client"], r["subject"]): r["n"] for r in rows}
        lost = {key: (n, kept.get(key, 0)) for key, n in load.answered.items() if kept.get(key, 0) < n}
        assert lost == {}, "records left without an audit row"
        hashes = {r[0]: r[1] for r in await root.fetch("select encode(hash, 'hex'), kind from consent.event")}
        for receipt, state in load.said:
            told = Receipt.opened(keys, receipt)
            assert hashes.get(told.hash) in ({"Given", "Renewed"} if state == "Given" else {"Withdrawn", "Refused"})
        assert await root.fetchval(BROKEN_LINKS) == 0
        for name, relation in await root.fetch("select name, relation from agreement.product"):
            assert await root.fetchval(WRONG_ROWS.format(f'"{relation}"'), name) == 0
        total = await root.fetchval("select (select count(*) from audit.use) + (select count(*) from consent.event)")
    assert outcome.findings == []
    assert outcome.uses + outcome.events + outcome.unsealed == total


def test_what_was_answered_outlives_every_kill(store: StoreServer, heritage: HeritageServer, issuer: Issuer) -> None:
    exchange = Exchange(store.directory / "exchange")
    document = wanted(heritage)
    exchange.put(document)

    async def go(keeper: KeeperProcess, api: DataApi) -> None:
        load, processes = Load(api.url, issuer, SEED), Mortal(store, keeper, api)
        async with load.running(PEOPLE):
            await each_goes_on(load)
            for step in STEPS:
                for victim in VICTIMS:
                    await killed(load, processes, store, victim, step)
        await sealing_goes_on(store)
        lines, keys = await asyncio.to_thread(exported, api, issuer)
        await nothing_is_lost(load, store, verify(lines, keys), keys)
        assert load.stale == []
        # a test in which little was under way, or nothing was interrupted, would show nothing
        assert load.failed >= len(STEPS)
        assert min(load.steps[step] for step in STEPS) > 100
        assert len(load.said) > 200

    with KeeperProcess(store, exchange.directory) as keeper:
        asyncio.run(exchange.settled(document))
        with DataApi(store, issuer) as api:
            try:
                asyncio.run(go(keeper, api))
            except TimeoutError:
                raise AssertionError(f"something did not come back; the keeper's last words: {keeper.log[-1500:]}") from None
