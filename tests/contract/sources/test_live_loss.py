"""A Live product keeps who the source has, and one refresh takes no more of them away than a load may; its columns have any name, too."""

from __future__ import annotations

from typing import Any

from commonweal_api.plan import StorePlan
from support.data_api import USER, agreement, plan, subject
from support.keeper import Bench
from support.waiting import until

KEY = 'National "No."; --'


def live(bench: Bench, **serve: Any) -> StorePlan:
    where = {
        "host": "127.0.0.1",
        "port": bench.heritage.port,
        "database": "heritage",
        "table": "gathering",
        "credentials": {"name": "heritage"},
    }
    body = {"title": "Crowd", "version": "1.0.0", "class": "Person", "source": {"postgres": where}, "subject": {"column": KEY}}
    fields = [{"name": "fullName", "column": "full name", "type": "String"}]
    product = {**body, "fields": fields, "serve": {"mode": "Live", "refreshSeconds": 3600, **serve}}
    return plan({"crowd": product}, {"yes": agreement("LegalObligation", fields=["fullName"], product="crowd")})


def test_a_live_source_that_is_empty_for_a_moment_takes_nobody_away(bench: Bench) -> None:
    quoted = '"' + KEY.replace('"', '""') + '"'
    people = "insert into gathering select 'P' || n, 'Person ' || n from generate_series(1, 100) n"
    bench.change(f'create table gathering ({quoted} text primary key, "full name" text); {people}; grant select on gathering to {USER}')

    async def known(root: Any) -> set[Any]:
        relation = await root.fetchval("select relation from agreement.product where name = 'crowd'")
        return {r["subject"] for r in await root.fetch(f'select subject from product."{relation}"')}

    async def holds(root: Any, people: set[Any]) -> bool:
        return await known(root) == people

    async def script(root: Any) -> None:
        everybody = {subject(f"P{n}") for n in range(1, 101)}
        assert await known(root) == everybody
        heritage = await bench.heritage.superuser("heritage")
        try:
            await heritage.execute("truncate gathering")
            bench.exchange.put(live(bench, maxLossPercent=19))  # a changed product is looked at at once
            told = await bench.exchange.until("crowd", "LossRefused")
            assert "100 of 100 records would go; spec.serve.maxLossPercent allows 19 %." in told
            assert await known(root) == everybody
            await heritage.execute("insert into gathering select 'P' || n, 'Person ' || n from generate_series(1, 90) n")
            bench.exchange.put(live(bench, maxLossPercent=20))
            await until(lambda: holds(root, {subject(f"P{n}") for n in range(1, 91)}))
            await bench.exchange.until("crowd", "Serving")
            await heritage.execute("truncate gathering")
            bench.exchange.put(live(bench, maxLossPercent=18))
            told = await bench.exchange.until("crowd", "LossRefused")
            loss = told.rpartition("--loss ")[2][:16]
            bench.exchange.put(live(bench, maxLossPercent=18, acceptLoss=loss))
            await until(lambda: holds(root, set()))
        finally:
            await heritage.close()

    bench.run(live(bench), script)
