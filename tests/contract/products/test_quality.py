"""Quality checks against the real store: what they count, that one that did not run has not passed, and that a product that must stop stops by itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import Outcome, digest_of
from commonweal_runtime.store import quality
from commonweal_runtime.store.product_tables import served_product
from contract.products.conftest import number_of, public, read, told
from support.data_api import GRANTS, person_product, plan, subject
from support.keeper import Bench
from support.waiting import HANG

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL

STOP = {"name": "enough", "metric": "RowCount", "atLeast": 200, "onFail": "StopServing"}
CHECKS = [
    STOP,
    {"name": "named", "metric": "NullValues", "field": "fullName", "atMost": 0},
    {"name": "born", "metric": "DuplicateValues", "field": "born", "atMost": 0},
    {"name": "areas", "metric": "DuplicateValues", "field": "postcode", "atMost": 1000},
    {"name": "scored", "metric": "InvalidValues", "field": "active", "validValues": ["true", "false"], "atMost": 0},
]


def checked(bench: Bench, checks: list[dict[str, Any]], table: str = "person", **over: Any) -> dict[str, Any]:
    spec = person_product(bench.heritage, quality=checks, **over)
    spec["source"]["postgres"]["table"] = table
    return spec


async def opened(bench: Bench, number: int) -> None:
    async with asyncio.timeout(HANG):
        while not isinstance(await read(bench.store, number, subject("P7")), dict):
            await asyncio.sleep(0.02)


async def standing(root: Any, name: str) -> dict[str, Any]:
    text = await root.fetchval("select agreement.standing_of(uid)::text from agreement.product where name = $1", name)
    found: dict[str, Any] = json.loads(text)
    return found


def test_each_metric_counts_what_it_says_and_the_report_adds_it_up(bench: Bench) -> None:
    wanted = plan({"people": checked(bench, CHECKS)}, {"all": public(fields=["fullName"])})

    async def script(root: Any) -> None:
        assert isinstance(await read(bench.store, await number_of(root, "all"), subject("P7")), dict)
        outcome = await told(bench, wanted, "people", "Serving")
        assert outcome.quality is not None
        assert (outcome.quality.passed, outcome.quality.failed, outcome.quality.not_run) == (5, 0, 0)
        found = {c["name"]: c["found"] for c in (await standing(root, "people"))["quality"]["checks"]}
        source = await bench.heritage.superuser("heritage")
        surplus = await source.fetchval("select count(*) - count(distinct postcode) from person")
        await source.close()
        assert found == {"enough": 200, "named": 0, "born": 0, "areas": surplus, "scored": 0}

    bench.run(wanted, script)


def test_a_failed_warning_only_says_so(bench: Bench) -> None:
    checks = [{"name": "few", "metric": "RowCount", "atMost": 10}, {"name": "high", "metric": "RowCount", "atLeast": 10_000}]
    wanted = plan({"people": checked(bench, checks)}, {"all": public(fields=["fullName"])})

    async def script(root: Any) -> None:
        async with asyncio.timeout(HANG):
            while (outcome := await told(bench, wanted, "people", "Serving")).quality is None or outcome.quality.failed < 2:
                await asyncio.sleep(0.02)
        assert outcome.ready
        assert "«few»: 200 is more than atMost 10" in outcome.message
        assert "«high»: 200 is less than atLeast 10000" in outcome.message
        assert isinstance(await read(bench.store, await number_of(root, "all"), subject("P7")), dict)

    bench.run(wanted, script)


def test_a_check_that_must_stop_the_product_stops_it_and_it_opens_by_itself(bench: Bench) -> None:
    bench.change("create table shrinking as select * from person")
    bench.change(GRANTS)
    wanted = plan({"shrinking": checked(bench, [STOP], "shrinking")}, {"all": public(product="shrinking", fields=["fullName"])})

    async def script(root: Any) -> None:
        number = await number_of(root, "all")
        assert isinstance(await read(bench.store, number, subject("P7")), dict)
        source = await bench.heritage.superuser("heritage")
        await source.execute("delete from shrinking where ref = 'P1'")
        stopped = await told(bench, wanted, "shrinking", "QualityStopped")
        assert not stopped.ready
        assert "«enough»: 199 is less than atLeast 200" in stopped.message
        assert await read(bench.store, number, subject("P7")) == "CW009"
        assert await root.fetchval("select in_force from agreement.register where number = $1", number)  # the agreement itself is as it was
        await source.execute("insert into shrinking select * from person where ref = 'P1'")
        await source.close()
        assert (await told(bench, wanted, "shrinking", "Serving")).ready
        assert isinstance(await read(bench.store, number, subject("P7")), dict)

    bench.run(wanted, script)


def test_a_check_that_breaks_has_not_passed_and_stops_the_product(bench: Bench) -> None:
    """The check is made to run into its time limit: a lock is held on the table while it runs."""
    wanted = plan({"people": checked(bench, [STOP])}, {"all": public(fields=["fullName"])})

    async def script(root: Any) -> None:
        number, product = await number_of(root, "all"), await served_product(root, "people")
        assert product is not None
        broken = product.spec.quality[0].model_copy(update={"metric": "NullValues", "field": "ghost"})
        spec = product.spec.model_copy(update={"quality": [broken]})
        runner = await bench.store.superuser("department")
        results = await quality.run(runner, product.__class__(product.uid, product.name, product.relation, spec, product.unfilled))
        assert [r.state for r in results] == ["NotRun"]
        assert "«ghost» is no raw field" in results[0].detail
        assert await read(bench.store, number, subject("P7")) == "CW009"
        await runner.execute("set statement_timeout = '100ms'")
        hold = root.transaction()
        await hold.start()
        await root.execute(f'lock table product."{product.relation}" in access exclusive mode')
        original, quality.TIMEOUT = quality.TIMEOUT, "100ms"
        try:
            results = await quality.run(runner, product)
        finally:
            quality.TIMEOUT = original
            await hold.rollback()
            await runner.close()
        assert [(r.state, r.found) for r in results] == [("NotRun", None)]
        assert "longer than" in results[0].detail

    async def nothing(_: Any) -> None:
        return

    async def alone() -> None:
        root = await bench.store.superuser("department")
        try:
            await script(root)
        finally:
            await root.close()

    bench.run(wanted, nothing)
    asyncio.run(alone())


def test_a_result_that_has_gone_stale_closes_the_product_by_the_databases_clock(bench: Bench) -> None:
    wanted = plan({"people": checked(bench, [STOP, CHECKS[1]])}, {"all": public(fields=["fullName"])})

    async def nothing(_: Any) -> None:
        return

    async def script() -> None:
        root = await bench.store.superuser("department")
        number = await number_of(root, "all")
        assert isinstance(await read(bench.store, number, subject("P7")), dict)
        # nothing runs any more, and the time for which the last run counts is over
        seconds = quality.valid_seconds(DataProductSpec.model_validate(checked(bench, [STOP])))
        left = await root.fetchval("select extract(epoch from passed_until - clock_timestamp()) from agreement.gate")
        assert seconds - 60 < left <= seconds
        await root.execute(
            "update agreement.gate set passed_until = clock_timestamp(); update agreement.quality set until = clock_timestamp()"
        )
        assert await read(bench.store, number, subject("P7")) == "CW009"
        state = (await standing(root, "people"))["quality"]
        assert (state["passed"], state["notRun"]) == (0, 2)
        await root.close()

    async def again(root: Any) -> None:
        await opened(bench, await number_of(root, "all"))

    bench.run(wanted, nothing)
    asyncio.run(script())
    bench.run(wanted, again)


def test_the_newest_hundred_runs_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_KEPT", 3)
    wanted = plan({"people": checked(bench, [STOP])}, {})

    async def script(root: Any) -> None:
        product = await served_product(root, "people")
        assert product is not None
        for _ in range(5):
            await quality.run(root, product)
        kept = await root.fetchval("select count(*) from agreement.quality where product = $1", product.uid)
        assert kept == 3
        assert await root.fetchval("select count(distinct name) from agreement.quality") == 1  # and none of checks that are gone

    bench.run(wanted, script)


@pytest.mark.parametrize(("seconds", "met"), [(3600, True), (5, False)])
def test_freshness_is_told_from_the_last_load_by_the_databases_clock(bench: Bench, seconds: int, met: bool) -> None:
    name = f"fresh{seconds}"
    spec = checked(bench, [], sla={"freshnessSeconds": seconds}, serve={"refreshSeconds": 3600})
    wanted = plan({name: spec}, {})

    async def script(root: Any) -> None:
        if not met:
            await root.execute("update agreement.product set loaded_at = clock_timestamp() - interval '6 seconds' where name = $1", name)

        def reported() -> Outcome | None:
            report = bench.exchange.reported()
            return report.products.get(name) if report is not None and report.plan == digest_of(wanted) else None

        async with asyncio.timeout(HANG):
            while (now := reported()) is None or now.sla_met is not met:
                await asyncio.sleep(0.02)
        assert now.ready
        assert (await standing(root, name))["sla"]["met"] is met

    bench.run(wanted, script)
