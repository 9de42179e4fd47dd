"""Who says one thing after the other in a loop is held back; what closes is taken for ever. From attack l: tables that only grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from support.data_api import subject
from support.doors import Doors
from support.people import people

MOST = 100
UNTIL = datetime.now(UTC) + timedelta(days=30)


def test_a_consent_is_given_a_hundred_times_a_day_and_withdrawn_always(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P30")
            for _ in range(MOST // 2):
                await told.call("give", who, who, "yes", "Given")
                await told.call("give", who, who, "yes", "Withdrawn")
                await told.call("give", who, who, "yes", "Given")
            assert await told.state("give", who, who, "yes", "Given") == "CW015"
            answer = await told.call("give", who, who, "yes", "Withdrawn")
            assert answer["consent"]["state"] == "Withdrawn"
            assert await told.state("give", who, who, "yes", "Given") == "CW015"
            other = subject("P31")
            await told.call("give", other, other, "yes", "Given")
            count = "select count(*) from consent.event where subject = $1"
            before = await told.root.fetchval(count, who)
            for _ in range(3):
                assert await told.state("give", who, who, "yes", "Given") == "CW015"
                await told.call("give", who, who, "yes", "Withdrawn")
            assert await told.root.fetchval(count, who) == before

    doors.run(script)


def test_an_objection_is_lifted_a_hundred_times_a_day_and_made_always(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P32")
            for _ in range(MOST):
                await told.call("object", who, who, "task", True)
                await told.call("object", who, who, "task", False)
            await told.call("object", who, who, "task", True)
            assert await told.state("object", who, who, "task", False) == "CW015"
            assert (await told.call("object", who, who, "task", True))["objected"]["state"] == "Objected"

    doors.run(script)


def test_delegations_are_made_a_hundred_times_a_day_and_ended_always(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who, delegate = subject("P33"), subject("P34")
            made: list[Any] = []
            for _ in range(MOST):
                made.append(await told.call("delegate", who, who, delegate, "Adviser", "See", None, None, UNTIL))
                if len(made) < MOST:
                    await told.call("end_delegation", who, who, made[-1]["id"])
            assert await told.state("delegate", who, who, delegate, "Adviser", "See", None, None, UNTIL) == "CW015"
            assert (await told.call("end_delegation", who, who, made[-1]["id"]))["endedAt"]

    doors.run(script)


def test_what_another_site_tells_is_not_held_back(doors: Doors) -> None:
    """The keeper and the feed write under other logins; a site that tells a day's words at once must not be stopped half-way."""

    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who, number = subject("P35"), told.numbers["yes"]
            insert = "insert into consent.event (subject, agreement, kind, contract, indicated_by) values ($1, $2, $3, 'x', 'subject')"
            await told.root.execute(insert, who, number, "Given")
            for _ in range(MOST + 5):
                await told.root.execute(insert, who, number, "Renewed")

    doors.run(script)
