"""Answers: what they say, that they are of today or not given, and that an answer that changes its question needs a new consent."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from commonweal_runtime.store import answers
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.product_tables import served_product
from contract.products.conftest import number_of, public, read, relation_of, told
from support.data_api import agreement, person_product, plan, subject
from support.keeper import Bench
from support.waiting import HANG

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL

ADULT = "born <= current_date - interval '18 years'"
ANSWERS = [
    {"name": "grownUp", "expression": ADULT, "description": "Is the person 18 or older?"},
    {"name": "recent", "expression": "born > date '1955-01-01' and active", "description": "Born after 1954 and active?"},
    {"name": "ratio", "expression": "income / (score - 50) > 1", "description": "Fails for two people on purpose."},
]
PAIR = {"asks": public(fields=["grownUp"]), "raw": public(fields=["born"])}


def asking(bench: Bench, asked: Any = ANSWERS, **over: Any) -> dict[str, Any]:
    return person_product(bench.heritage, answers=list(asked), **over)


async def wrong(root: Any, day: str = "current_date") -> int:
    """Return how many people are given another answer than the raw data of that day say."""
    truth = ADULT.replace("current_date", day)
    count: int = await root.fetchval(f'select count(*) from {await relation_of(root, "people")} where "grownUp" is distinct from ({truth})')
    return count


async def people(root: Any) -> Served:
    product = await served_product(root, "people")
    assert product is not None
    return product


def after(bench: Bench, script: Any) -> None:
    """Run a script on the store after the keeper has carried out the pair of agreements and has ended: nothing sweeps but the script."""

    async def nothing(_: Any) -> None:
        return

    async def go() -> None:
        root = await bench.store.superuser("department")
        try:
            await script(root)
        finally:
            await root.close()

    bench.run(plan({"people": asking(bench)}, PAIR), nothing)
    asyncio.run(go())


async def as_of(root: Any, age_18: str) -> dt.date:
    """Bring all answers to the day on which a person became 18, as if that were today; return the day."""
    day: dt.date = await root.fetchval(
        f"select (born + interval '18 years')::date from {await relation_of(root, 'people')} where subject = $1", subject(age_18)
    )
    await root.execute("update agreement.gate set answering = $1, answered_on = null", day)
    await answers.sweep(root, await people(root), day)
    return day


def test_an_answer_is_a_boolean_field_that_agreements_list_without_the_data_behind_it(bench: Bench) -> None:
    wanted = plan({"people": asking(bench)}, {"asks": public(fields=["grownUp", "recent", "ratio"])})

    async def script(root: Any) -> None:
        number = await number_of(root, "asks")
        assert await read(bench.store, number, subject("P2")) == {"grownUp": True, "recent": False, "ratio": False}
        assert await read(bench.store, number, subject("P72")) == {"grownUp": True, "recent": True, "ratio": True}
        unknown = await read(bench.store, number, subject("P50"))
        assert unknown["ratio"] is None  # a division by zero is not known, and not known is never yes
        assert await wrong(root) == 0

    bench.run(wanted, script)


def test_an_answer_of_another_day_is_not_given_and_the_sweep_brings_it_up_to_date(bench: Bench) -> None:
    async def script(root: Any) -> None:
        number, raw = await number_of(root, "asks"), await number_of(root, "raw")
        then = await as_of(root, "P150")
        assert await wrong(root, f"date '{then}'") == 0
        young = await root.fetchval(f'select count(*) from {await relation_of(root, "people")} where not "grownUp"')
        assert young == 50  # P151 to P200
        assert await read(bench.store, number, subject("P200")) == "CW010"
        assert (await read(bench.store, raw, subject("P200")))["born"]  # who asks for no answer does not wait
        assert await answers.due(root) == ["people"]
        assert await answers.sweep(root, await people(root)) == young
        assert await answers.due(root) == []
        assert await read(bench.store, number, subject("P200")) == {"grownUp": True}
        assert await wrong(root) == 0

    after(bench, script)


def test_the_sweep_goes_through_a_table_in_batches_and_misses_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "BATCH", 7)

    async def script(root: Any) -> None:
        await as_of(root, "P10")
        assert await answers.sweep(root, await people(root)) == 190
        assert await wrong(root) == 0

    after(bench, script)


def test_a_row_written_while_the_day_changes_is_not_left_behind(bench: Bench) -> None:
    """A writer that began before midnight answers for the old day; the sweep waits for it before it begins."""

    async def script(root: Any) -> None:
        table = await relation_of(root, "people")
        writer, sweeper = await bench.store.superuser("department"), await bench.store.superuser("department")
        write = writer.transaction()
        await write.start()
        await writer.execute(f"update {table} set born = current_date where subject = $1", subject("P1"))
        # what the writer would have left if its clock had said another day
        await writer.execute(f'update {table} set "grownUp" = true where subject = $1', subject("P1"))
        sweeping = asyncio.create_task(answers.sweep(sweeper, await people(root)))
        async with asyncio.timeout(HANG):
            while not await root.fetchval("select exists (select from pg_locks where locktype = 'advisory' and not granted)"):
                assert not sweeping.done()
                await asyncio.sleep(0.01)
        await write.commit()
        await sweeping
        assert await root.fetchval(f'select "grownUp" from {table} where subject = $1', subject("P1")) is False
        assert await wrong(root) == 0
        await asyncio.gather(writer.close(), sweeper.close())

    after(bench, script)


def test_a_keeper_that_ended_within_a_sweep_leaves_the_answers_closed_and_the_next_one_opens_them(bench: Bench) -> None:
    async def broken(root: Any) -> None:
        await as_of(root, "P150")
        product, table = await people(root), await relation_of(root, "people")
        blocker, sweeper = await bench.store.superuser("department"), await bench.store.superuser("department")
        hold = blocker.transaction()
        await hold.start()
        await blocker.execute(f"select from {table} where subject = $1 for update", subject("P200"))
        sweeping = asyncio.create_task(answers.sweep(sweeper, product))
        async with asyncio.timeout(HANG):
            while not await root.fetchval("select exists (select from pg_locks where not granted)"):
                await asyncio.sleep(0.01)
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        sweeper.terminate()
        await hold.rollback()
        await blocker.close()
        assert await read(bench.store, await number_of(root, "asks"), subject("P200")) == "CW010"

    async def opened(root: Any) -> None:
        number = await number_of(root, "asks")
        async with asyncio.timeout(HANG):
            while await read(bench.store, number, subject("P200")) == "CW010":
                await asyncio.sleep(0.02)
        assert await wrong(root) == 0

    after(bench, broken)
    bench.run(plan({"people": asking(bench)}, PAIR), opened)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("score", "fits no row"),
        ("fullName > 3", "fits no row"),
        ("ghost > 3", "no raw field «ghost»"),
        ("birthYear > 1990", "no raw field «birthYear»"),
        ("current_date > date '2020-01-01'", "reads no field"),
        ("born < now()", "«now» is not allowed"),
        ("exists (select 1)", "is not allowed"),
    ],
)
def test_a_question_that_cannot_be_answered_closes_the_product(bench: Bench, expression: str, words: str) -> None:
    asked = [{"name": "asked", "expression": expression, "description": "Cannot be answered."}]
    wanted = plan({"refusing": asking(bench, asked)}, {})

    async def script(root: Any) -> None:
        message = (await told(bench, wanted, "refusing", "MappingInvalid")).message
        assert "spec.answers asked.expression" in message
        assert words in message
        assert await root.fetchval("select count(*) from agreement.product where name = 'refusing'") == 0

    bench.run(wanted, script, settle=False)


def test_another_question_under_the_same_name_needs_a_new_consent(bench: Bench) -> None:
    terms = {"asks": agreement(fields=["grownUp"])}
    first, second = (
        plan({"people": asking(bench)}, terms),
        plan({"people": asking(bench, [{**ANSWERS[0], "expression": "born is not null"}])}, terms),
    )
    who = subject("P7")

    async def consent(root: Any) -> None:
        number = await number_of(root, "asks")
        await root.execute(
            "insert into consent.event (subject, agreement, kind, contract) select $1, $2, 'Given', contract from agreement.register where number = $2",
            who,
            number,
        )
        assert await read(bench.store, number, who) == {"grownUp": True}

    async def changed(root: Any) -> None:
        assert await read(bench.store, await number_of(root, "asks"), who) is None

    bench.run(first, consent)
    bench.run(second, changed)


def test_answers_come_and_go_with_the_specification(bench: Bench) -> None:
    async def functions(root: Any) -> int:
        count: int = await root.fetchval("select count(*) from pg_proc where pronamespace = 'answer'::regnamespace")
        return count

    async def with_two(root: Any) -> None:
        assert await functions(root) == 2
        assert await read(bench.store, await number_of(root, "asks"), subject("P3")) == {"recent": False, "old": True}

    async def with_none(root: Any) -> None:
        assert await functions(root) == 0
        assert await root.fetchval("select asked is null from agreement.gate")

    two = [ANSWERS[1], {"name": "old", "expression": "score >= 0", "description": "Has any score at all?"}]
    bench.run(plan({"people": asking(bench)}, {"asks": public(fields=["grownUp"])}), functions)
    bench.run(plan({"people": asking(bench, two)}, {"asks": public(fields=["recent", "old"])}), with_two)
    bench.run(plan({"people": asking(bench, [])}, {}), with_none)
