"""Closing comes before the plan and does without it: attack f. A store with a plan that is stale, unreadable or gone closes all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from commonweal_api.closings import CLOSINGS_KEY, StoreClosings, closings_of
from commonweal_api.plan import PLAN_KEY, StorePlan, digest_of
from commonweal_runtime.store.closing import shut_unlisted
from commonweal_runtime.store.enforcement import Enforcement
from support.data_api import DATABASE_KEY, agreement, login, person_product, plan, subject
from support.keeper import Bench
from support.waiting import HANG, until_none

OPEN = "select 1 from agreement.register where in_force and uid = $1"


def two(bench: Bench) -> StorePlan:
    products = {"people": person_product(bench.heritage)}
    return plan(products, {"kept": agreement("PublicTask"), "taken": agreement("PublicTask", consumer="health")})


async def opened(root: Any, wanted: StorePlan) -> None:
    """Return when all of the plan is open; a report may be of the same plan in the test before."""
    names = [a.uid for a in wanted.agreements]
    await until_none(
        root,
        "select 1 from unnest($1::text[]) u where not exists (select from agreement.register where in_force and uid = u) limit 1",
        names,
    )


async def read(bench: Bench, root: Any, uid: str, client: str) -> str | None:
    number = await root.fetchval("select number from agreement.register where uid = $1", uid)
    reader = await login(bench.store, f"agr_{number}")
    try:
        return await reader.fetchval(f"select door.a{number}_point($1, null, '{client}/app', '{client}/serve')", subject("P1"))
    finally:
        await reader.close()


@pytest.mark.parametrize("state", ["stale", "unreadable", "missing"])
def test_what_is_not_listed_closes_whatever_the_plan_says(bench: Bench, state: str) -> None:
    wanted = two(bench)

    async def script(root: Any) -> None:
        await opened(root, wanted)
        assert await read(bench, root, "a-taken", "health") is not None
        if state == "unreadable":
            bench.exchange._place(PLAN_KEY, '{"department": 5}')
        elif state == "missing":
            (bench.exchange.directory / PLAN_KEY).unlink()
        left = wanted.model_copy(update={"agreements": [a for a in wanted.agreements if a.name == "kept"]})
        bench.exchange.close_all_but(closings_of(left))
        await until_none(root, OPEN, "a-taken")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await read(bench, root, "a-taken", "health")
        assert await read(bench, root, "a-kept", "tax") is not None

    bench.run(wanted, script)


@pytest.mark.parametrize("text", ["", "{", '{"open": 5}'])
def test_a_list_that_is_missing_or_cannot_be_read_opens_nothing(bench: Bench, text: str) -> None:
    wanted = two(bench)

    async def script(root: Any) -> None:
        await opened(root, wanted)
        bench.exchange._place(CLOSINGS_KEY, text)
        await until_none(root, "select 1 from agreement.register where in_force")

    bench.run(wanted, script)


def test_an_agreement_listed_with_other_terms_is_closed_until_its_plan_comes(bench: Bench) -> None:
    wanted = two(bench)
    narrower = plan(
        {"people": person_product(bench.heritage)},
        {"kept": agreement("PublicTask"), "taken": agreement("PublicTask", consumer="health", fields=["area"])},
    )

    async def script(root: Any) -> None:
        await opened(root, wanted)
        bench.exchange.close_all_but(closings_of(narrower))
        await until_none(root, OPEN, "a-taken")
        bench.exchange.put(narrower)
        await bench.exchange.settled(narrower)
        answer = await read(bench, root, "a-taken", "health")
        assert answer is not None
        assert "fullName" not in answer

    bench.run(wanted, script)


def test_closing_waits_for_no_plan_that_is_being_carried_out(bench: Bench) -> None:
    """Somebody holds the product's table, so the plan that changes it stands still; the list is carried out meanwhile."""
    wanted = two(bench)
    changed = wanted.model_copy(
        update={
            "products": [
                p.model_copy(update={"generation": 2, "spec": p.spec.model_copy(update={"version": "1.1.0", "title": "Another"})})
                for p in wanted.products
            ],
            "agreements": [
                a.model_copy(update={"spec": a.spec.model_copy(update={"fields": ["fullName"]})}) if a.name == "kept" else a
                for a in wanted.agreements
            ],
        }
    )

    async def script(root: Any) -> None:
        await opened(root, wanted)
        relation = await root.fetchval("select relation from agreement.product where name = 'people'")
        other = await bench.store.superuser("department")
        try:
            async with root.transaction():
                await root.execute(f'lock table product."{relation}" in access share mode')
                bench.exchange.put(changed)
                waiting = "select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = $1::text::regclass"
                async with asyncio.timeout(HANG):
                    while await other.fetchval(waiting, f'product."{relation}"') is None:  # noqa: ASYNC110 - PostgreSQL has no event for it
                        await asyncio.sleep(0.01)
                bench.exchange.close_all_but(StoreClosings())
                await until_none(other, OPEN, "a-taken")
                report = bench.exchange.reported()
                assert report is None or report.plan != digest_of(changed), "the plan is still being carried out"
        finally:
            await other.close()
        await until_none(root, "select 1 from agreement.register where in_force")

    bench.run(wanted, script)


def test_nothing_opens_behind_the_back_of_the_list(bench: Bench) -> None:
    """The plan lists an agreement that the list does not have: an operator that could write the one and not the other has opened nothing."""
    wanted = two(bench)

    async def script(root: Any) -> None:
        bench.exchange.close_all_but(StoreClosings(open={"a-kept": closings_of(wanted).open["a-kept"]}))
        bench.exchange._place(PLAN_KEY, wanted.model_dump_json(by_alias=True, exclude_none=True))
        report = await bench.exchange.when(lambda r: r if set(r.agreements) == {"kept"} and r.products["people"].ready else None)
        assert report.agreements["kept"].ready
        assert await root.fetchval(OPEN, "a-taken") is None

    bench.run(plan({"people": person_product(bench.heritage)}, {}), script)


def test_a_copy_that_a_move_has_laid_down_is_left_as_it_is(bench: Bench) -> None:
    """It lets nobody read until it is the authority, and its people must be able to speak about what was in force; the list comes with its first plan."""
    wanted = two(bench)

    async def script(root: Any) -> None:
        await opened(root, wanted)
        await root.execute("insert into move.standing (id, state) values ('m', 'Arrived')")
        try:
            assert await shut_unlisted(root, StoreClosings())
            await opened(root, wanted)
        finally:
            await root.execute("delete from move.standing")
        assert await shut_unlisted(root, StoreClosings())
        assert await root.fetchval("select count(*) from agreement.register where in_force") == 0

    bench.run(wanted, script)


def test_closing_that_somebody_is_in_the_way_of_is_to_be_done_again(bench: Bench) -> None:
    wanted = two(bench)
    left = wanted.model_copy(update={"agreements": [a for a in wanted.agreements if a.name == "kept"]})
    bench.run(wanted, lambda root: opened(root, wanted))

    async def script() -> None:
        hand, other = await bench.store.superuser("department"), await bench.store.superuser("department")
        try:
            enforcement = Enforcement(hand, DATABASE_KEY)
            await hand.execute("set lock_timeout = '50ms'")
            async with other.transaction():
                await other.execute("select from agreement.register where uid = 'a-taken' for update")
                await enforcement.apply(left)
                assert await other.fetchval(OPEN, "a-taken") is not None
                assert enforcement.unfinished
            await enforcement.apply(left)
            assert await other.fetchval(OPEN, "a-taken") is None
            assert not enforcement.unfinished
        finally:
            await hand.close()
            await other.close()

    asyncio.run(script())
