"""How often an agreement may be used: counted in the store, on what is asked, whoever asks at the same time."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter as Counts
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL
from support.data_api import agreement, login, plan, subject, visit_product
from support.doors import CLIENT, PURPOSE, Doors, ask, listed, page, point, refused, take
from support.waiting import HANG

A, B = subject("P1"), subject("P2")
NOBODY = uuid.UUID(int=7)


def limited(basis: str = "LegalObligation", **limits: Any) -> dict[str, Any]:
    return agreement(basis, limits={"maxRows": 100, **limits})


def test_requests_are_counted_for_the_agreement_as_a_whole_and_come_back_after_their_time(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        number = (await doors.opened({"some": limited(requests={"max": 3, "seconds": 2})}))["some"]
        one, two = await doors.reader(number), await doors.reader(number)
        assert await point(one, number, A)
        assert await point(two, number, NOBODY) is None
        assert json.loads(await page(one, number, most=2))["items"]
        for reader in (one, two):
            state, message = await refused(point(reader, number, B))
            assert state == "CW007"
            assert message in {"1", "2"}, "whole seconds, and nothing else"
        async with asyncio.timeout(HANG):
            while (await refused(point(one, number, B)))[0]:
                await asyncio.sleep(0.05)
        one.terminate()
        two.terminate()

    doors.run(script)


def test_a_limit_holds_among_parallel_connections(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        number = (await doors.opened({"busy": limited(requests={"max": 25, "seconds": 3600}, perSubject={"max": 10, "seconds": 3600})}))[
            "busy"
        ]
        readers = [await doors.reader(number) for _ in range(8)]

        async def hammer(reader: Any) -> list[str | None]:
            return [(await refused(point(reader, number, who)))[0] for who in (A, B, A, B, A, NOBODY, A, B)]

        states = [state for each in await asyncio.gather(*map(hammer, readers)) for state in each]
        assert states.count(None) == 25
        root = await doors.store.superuser("department")
        kept = await root.fetch("select whole, subject, taken from agreement.allowance where agreement = $1", number)
        assert sum(r["taken"] for r in kept if r["whole"]) == 25
        assert sum(r["taken"] for r in kept if not r["whole"]) == 25
        assert max(r["taken"] for r in kept if not r["whole"]) <= 10
        assert await root.fetchval("select count(*) from audit.use where agreement = $1", number) == 25
        await root.close()
        for reader in readers:
            reader.terminate()

    doors.run(script)


@pytest.mark.parametrize("limits", [{"perSubject": {"max": 2, "seconds": 3600}}, {"once": True}], ids=["per subject", "once"])
def test_absent_denied_and_given_are_counted_alike(doors: Doors, limits: dict[str, Any]) -> None:
    """Otherwise the refusal of the next request would tell which of the three it was."""

    async def script(doors: Doors) -> None:
        name = "each-" + "-".join(limits)
        number = (await doors.opened({name: limited("Consent", **limits)}))[name]
        person = await login(doors.store, "person")
        await person.execute("select person.give($1, $1, $2, 'Given')", A, name)
        reader = await doors.reader(number)
        states = {
            kind: [await refused(point(reader, number, who)) for _ in range(4)]
            for kind, who in (("given", A), ("denied", B), ("absent", NOBODY))
        }
        assert states["given"] == states["denied"] == states["absent"]
        allowed = 1 if "once" in limits else 2
        assert [state for state, _ in states["given"]] == [None] * allowed + ["CW006"] * (4 - allowed)
        assert states["given"][-1][1] == ("0" if "once" in limits else "3600")
        reader.terminate()
        await person.close()

    doors.run(script)


def test_a_page_leaves_out_whom_nothing_is_left_of_and_counts_whom_it_gives(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        numbers = await doors.opened({"single": limited(once=True)})
        number = numbers["single"]
        reader = await doors.reader(number)
        first = [i["subject"] for i in json.loads(await page(reader, number, most=5))["items"]]
        again = [i["subject"] for i in json.loads(await page(reader, number, most=5))["items"]]
        assert len(first) == len(again) == 5
        assert not set(first) & set(again)
        assert (await refused(point(reader, number, uuid.UUID(first[0]))))[0] == "CW006"
        assert (await refused(point(reader, number, uuid.UUID(again[0]))))[0] == "CW006"
        reader.terminate()

    doors.run(script)


def test_pages_of_many_records_count_only_whole_subjects_that_were_given(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        spec = agreement("LegalObligation", product="visits", fields=["kind"], limits={"maxRows": 7, "once": True})
        report = await doors.carry_out(plan({"visits": visit_product(doors.heritage)}, {"visits": spec}))
        number = report.agreements["visits"].number or 0
        reader = await doors.reader(number)
        seen: list[str] = []
        while items := json.loads(await page(reader, number))["items"]:
            seen += [i["subject"] for i in items]
        assert sorted(seen) == sorted(str(subject(f"P{n}")) for n in range(1, 51)), "each once, and nobody lost at a page's edge"
        reader.terminate()

    doors.run(script)


def test_a_batch_that_does_not_fit_is_refused_as_a_whole_and_costs_nothing(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        number = (await doors.opened({"batch": limited(requests={"max": 3, "seconds": 3600}, perSubject={"max": 2, "seconds": 3600})}))[
            "batch"
        ]
        reader = await doors.reader(number)

        async def batch(*people: uuid.UUID) -> str | None:
            statement = f"select door.a{number}_points($1, null, $2, $3)"
            return (await refused(reader.fetchval(statement, listed(people), CLIENT, PURPOSE)))[0]

        assert await batch(A, B, A, NOBODY) == "CW007"
        assert await batch(A, A, A) == "CW006"
        assert await batch(A, A, B) is None
        assert await batch(NOBODY) == "CW007"
        reader.terminate()

    doors.run(script)


def test_changed_limits_count_what_was_used_before(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        number = (await doors.opened({"moved": limited(perSubject={"max": 5, "seconds": 3600})}))["moved"]
        reader = await doors.reader(number)
        for _ in range(2):
            await point(reader, number, A)
        reader.terminate()
        assert (await doors.opened({"moved": limited(once=True)}))["moved"] == number
        reader = await doors.reader(number)
        assert (await refused(point(reader, number, A)))[0] == "CW006"
        assert await point(reader, number, B)
        reader.terminate()

    doors.run(script)


def test_a_strict_read_that_is_rolled_back_has_counted(doors: Doors) -> None:
    """The allowance goes with the ticket: no ticket without a committed count."""

    async def script(doors: Doors) -> None:
        serve = {"refreshSeconds": 5, "auditDurability": "Strict"}
        number = (await doors.opened({"strictly": limited(once=True)}, serve=serve))["strictly"]
        reader = await doors.reader(number)
        transaction = reader.transaction()
        await transaction.start()
        (lost,) = await ask(reader, number, A)
        await transaction.rollback()
        assert (await refused(take(reader, number, lost)))[0] == "CW011"
        (ticket,) = await ask(reader, number, A)
        transaction = reader.transaction()
        await transaction.start()
        assert (await take(reader, number, ticket))[0]
        await transaction.rollback()
        assert (await refused(ask(reader, number, A)))[0] == "CW006"
        reader.terminate()

    doors.run(script)


def test_an_answer_says_until_when_it_may_be_kept(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        numbers = await doors.opened({"kept": limited(dataLifeDays=30), "free": limited()})
        reader = await doors.reader(numbers["kept"])
        for answer in (await point(reader, numbers["kept"], A), await page(reader, numbers["kept"], most=2)):
            until = datetime.fromisoformat(json.loads(answer or "")["dataUntil"])
            left = until - datetime.now(UTC)
            assert timedelta(days=30) - timedelta(hours=1, minutes=1) < left <= timedelta(days=30)
            assert (until.minute, until.second) == (0, 0), "so that an answer can be the same as the one before"
        reader.terminate()
        reader = await doors.reader(numbers["free"])
        assert "dataUntil" not in json.loads(await point(reader, numbers["free"], A) or "")
        reader.terminate()

    doors.run(script)


class Counter:
    """The rule in the fewest words: what was asked and not refused is counted, for the agreement and for each person."""

    def __init__(self, requests: int, each: int) -> None:
        self.left, self.each, self.of = requests, each, Counts[uuid.UUID]()

    def asks(self, people: list[uuid.UUID]) -> str | None:
        """Return the state of a refusal, or count."""
        if len(people) > self.left:
            return "CW007"
        if any(self.of[who] + people.count(who) > self.each for who in people):
            return "CW006"
        self.left -= len(people)
        self.of.update(people)
        return None

    def turns(self, page: list[uuid.UUID], most: int) -> list[uuid.UUID] | None:
        """Return whom a page over these people gives, or None if it is refused."""
        if self.left < 1:
            return None
        self.left -= 1
        given = [who for who in page if self.of[who] < self.each][:most]
        self.of.update(given)
        return given


@pytest.mark.parametrize("seed", range(3))
def test_random_readers_are_refused_exactly_when_the_oracle_says(doors: Doors, seed: int) -> None:
    chance, oracle = random.Random(seed), Counter(requests=30, each=4)
    everybody = sorted(subject(f"P{n}") for n in range(1, 201))
    known = [*everybody[:6], NOBODY]

    async def script(doors: Doors) -> None:
        name = f"random-{seed}"
        each, requests = {"max": oracle.each, "seconds": 86400}, {"max": oracle.left, "seconds": 86400}
        number = (await doors.opened({name: limited(requests=requests, perSubject=each)}))[name]
        readers = [await doors.reader(number) for _ in range(3)]
        for _ in range(120):
            reader, people = chance.choice(readers), chance.choices(known, k=chance.choice((1, 1, 1, 2, 5)))
            if chance.random() < 0.2:
                state, answer = await tried(page(reader, number, most=3))
                wanted = oracle.turns(everybody, 3)
                assert state == ("CW007" if wanted is None else None)
                assert [i["subject"] for i in json.loads(answer or '{"items": []}')["items"]] == [str(who) for who in wanted or []]
            elif len(people) == 1:
                assert (await refused(point(reader, number, people[0])))[0] == oracle.asks(people)
            else:
                statement = f"select door.a{number}_points($1, null, $2, $3)"
                assert (await refused(reader.fetchval(statement, listed(people), CLIENT, PURPOSE)))[0] == oracle.asks(people)
        assert oracle.left == 0, "the sample never came to the end of the allowance"
        for reader in readers:
            reader.terminate()

    doors.run(script)


async def tried(asked: Awaitable[str]) -> tuple[str | None, str | None]:
    """Return the state of a refusal, or the answer."""
    answer: list[str] = []

    async def keep() -> None:
        answer.append(await asked)

    state, _ = await refused(keep())
    return state, answer[0] if answer else None


def test_windows_that_have_ended_are_cleared_away_and_once_is_kept(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        numbers = await doors.opened({"short": limited(requests={"max": 1, "seconds": 1}), "ever": limited(once=True)})
        for number in numbers.values():
            reader = await doors.reader(number)
            await point(reader, number, B)
            reader.terminate()
        root = await doors.store.superuser("department")
        left = "select count(*) from agreement.allowance where agreement = $1"
        async with asyncio.timeout(HANG):
            while await root.fetchval(left, numbers["short"]):
                await root.execute("select audit.tidy()")
                await asyncio.sleep(0.05)
        assert await root.fetchval(left, numbers["ever"]) == 1
        await root.close()

    doors.run(script)
