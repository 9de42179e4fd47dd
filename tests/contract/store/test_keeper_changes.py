"""Agreements and products that change while they are in force."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from commonweal_api.plan import PLAN_KEY, StorePlan
from support.data_api import agreement, login, person_product, plan, subject, visit_product
from support.keeper import Bench
from support.waiting import HANG, until_none


def test_wider_terms_end_earlier_consents_and_narrower_ones_keep_them(bench: Bench) -> None:
    products = {"people": person_product(bench.heritage)}

    def terms(*fields: str) -> StorePlan:
        return plan(products, {"terms": agreement(fields=fields)})

    async def script(root: Any) -> None:
        person = await login(bench.store, "person")
        await person.execute("select person.give($1, $1, 'terms', 'Given')", subject("P6"))
        await person.close()
        number = await root.fetchval("select number from agreement.register where uid = 'a-terms'")
        given = f"select consent from consent.state where agreement = {number} and subject = $1"
        for fields, state in ((("fullName",), "Given"), (("fullName", "area"), "Invalidated")):
            wanted = terms(*fields)
            bench.exchange.put(wanted)
            await bench.exchange.settled(wanted)
            assert await root.fetchval(given, subject("P6")) == state

    bench.run(terms("fullName", "score"), script)


def test_a_product_that_changes_shape_keeps_serving_and_fills_what_is_new(bench: Bench) -> None:
    before = person_product(bench.heritage)
    after = person_product(bench.heritage, version="1.1.0")
    after["fields"] = [f for f in after["fields"] if f["name"] != "income"] + [
        {"name": "incomeKnown", "mask": {"of": "score", "kind": "Present"}}
    ]
    one = plan({"shaped": before}, {"duty": agreement("LegalObligation", product="shaped")})
    two = plan({"shaped": after}, {"duty": agreement("LegalObligation", product="shaped", fields=["fullName", "incomeKnown"])})

    async def script(root: Any) -> None:
        bench.exchange.put(two)
        report = await bench.exchange.settled(two)
        number = report.agreements["duty"].number
        reader = await login(bench.store, f"agr_{number}")
        answer = await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("P1"))
        assert '"incomeKnown":true' in answer
        await reader.close()

    bench.run(one, script)


def test_who_has_objected_stays_hidden_when_the_product_is_made_anew(bench: Bench) -> None:
    """A new product of the same name has a table of its own, loaded before the agreement is told of it."""
    one = plan(
        {"people": person_product(bench.heritage)}, {"task": agreement("PublicTask"), "yes": agreement("Consent", consumer="health")}
    )
    two = one.model_copy(update={"products": [p.model_copy(update={"uid": "p-anew"}) for p in one.products]})

    async def script(root: Any) -> None:
        person = await login(bench.store, "person")
        await person.execute("select person.object($1, $1, 'task', true)", subject("P8"))
        await person.execute("select person.give($1, $1, 'yes', 'Given')", subject("P8"))
        await person.close()
        bench.exchange.put(two)
        report = await bench.exchange.settled(two)
        shown = {}
        for name, claim in (("task", "tax"), ("yes", "health")):
            number = report.agreements[name].number
            reader = await login(bench.store, f"agr_{number}")
            statement = f"select door.a{number}_point($1, null, '{claim}/app', '{claim}/serve')"
            shown[name] = [await reader.fetchval(statement, subject(who)) is not None for who in ("P8", "P9")]
            await reader.close()
        assert shown == {"task": [False, True], "yes": [True, False]}

    bench.run(one, script)


def test_a_product_that_the_store_cannot_change_closes_alone(bench: Bench) -> None:
    """The API server refuses this change; a store that meets it all the same says so and keeps the rest going."""
    one = plan({"visits": visit_product(bench.heritage), "people": person_product(bench.heritage)}, {})
    single = visit_product(bench.heritage, subject={"column": "id"})
    two = plan(
        {"visits": single, "people": person_product(bench.heritage)},
        {"visits": agreement("LegalObligation", product="visits", fields=["kind"])},
    )

    async def script(root: Any) -> None:
        bench.exchange.put(two)
        assert "spec.subject.records" in await bench.exchange.until("visits", "StoreRefused")
        # An agreement that is not among those listed as open yet is not told of.
        report = await bench.exchange.when(lambda report: report if "visits" in report.agreements else None)
        assert report.products["people"].ready
        assert report.agreements["visits"].reason == "ProductNotReady"

    bench.run(one, script)


def test_a_plan_that_cannot_be_read_leaves_the_one_before_it_in_force(bench: Bench) -> None:
    wanted = plan({"people": person_product(bench.heritage)}, {"kept": agreement("PublicTask")})

    async def script(root: Any) -> None:
        said = heard("the plan cannot be read")
        fresh = bench.exchange.directory / "fresh"
        fresh.write_text('{"department": 5}')
        fresh.replace(bench.exchange.directory / PLAN_KEY)
        async with asyncio.timeout(HANG):
            await said.wait()
        assert await root.fetchval("select in_force from agreement.register where uid = 'a-kept'")
        other = plan({"people": person_product(bench.heritage)}, {"next": agreement("PublicTask")})
        bench.exchange.put(other)
        await bench.exchange.settled(other)

    bench.run(wanted, script)


def test_a_product_that_is_in_use_as_it_leaves_is_dropped_as_soon_as_it_is_free(bench: Bench) -> None:
    async def script(root: Any) -> None:
        name = await root.fetchval("select relation from agreement.product where name = 'people'")
        remains = "select count(*) from agreement.product where relation = $1"
        async with root.transaction():
            await root.execute(f'lock table product."{name}" in access share mode')
            bench.exchange.put(empty := plan({}, {}))
            await bench.exchange.settled(empty)
            assert await root.fetchval(remains, name) == 1
        await until_none(root, remains, name)

    bench.run(plan({"people": person_product(bench.heritage)}, {}), script)


def heard(words: str) -> asyncio.Event:
    """Return an event for when the keeper, which runs in this process and loop, says so."""
    event = asyncio.Event()

    class Ear(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if words in record.getMessage():
                event.set()
            return True

    logging.getLogger("commonweal_runtime.keeper.keeper").addFilter(Ear())
    return event
