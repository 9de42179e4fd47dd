"""People who act for others: by whom it is made, what it covers, and how it ends."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.doors import Doors, refused
from support.people import ADVISER, ALL_ACTS, CHILD, PARENT, STRANGER, people, read
from support.waiting import HANG

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL


def test_a_delegate_does_what_is_listed_and_the_event_says_who_it_was(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            assert await told.state("give", PARENT, CHILD, "yes", "Given") == "CW403"
            made = await told.delegate("Parent", PARENT)
            shown = await told.call("give", PARENT, CHILD, "yes", "Given")
            assert shown["consent"]["state"] == "Given"
            assert await read(told, "yes", CHILD)
            by = "select indicated_by from consent.event where subject = $1 order by seq desc limit 1"
            assert await told.root.fetchval(by, CHILD) == f"Parent:{PARENT}"
            assert await told.state("object", PARENT, CHILD, "task", True) == "CW403", "the agreement lists advisers only"
            await told.delegate("Adviser", ADVISER, "Object")
            assert (await told.call("object", ADVISER, CHILD, "task", True))["objected"]["state"] == "Objected"
            assert await told.root.fetchval(by, CHILD) == f"Adviser:{ADVISER}"
            assert await told.state("give", ADVISER, CHILD, "yes", "Withdrawn") == "CW403"
            assert await told.state("uses", ADVISER, CHILD, 2**62, 10) == "CW403"
            assert [i["agreement"] for i in (await told.call("consents", PARENT, CHILD))["items"]]
            assert (await told.call("export", PARENT, CHILD))["subject"] == str(CHILD)
            assert await told.state("erase", PARENT, CHILD, "people") == "CW403"
            assert await told.state("end_delegation", CHILD, CHILD, made) == "CW409", "a parent's is the registrar's to end"
            await told.api.fetchval("select registrar.end_delegation('registry/desk', $1)", made)
            assert await told.state("give", PARENT, CHILD, "yes", "Withdrawn") == "CW403"
            assert (await told.call("give", CHILD, CHILD, "yes", "Withdrawn"))["consent"]["state"] == "Withdrawn"
            await told.call("object", CHILD, CHILD, "task", False)

    doors.run(script)


def test_a_scope_limits_what_a_delegate_sees_and_decides(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            await read(told, "treaty", CHILD)
            await told.call("give", CHILD, CHILD, "yes", "Given")
            await read(told, "yes", CHILD)
            await told.delegate("Attorney", ADVISER, ALL_ACTS, "yes")
            assert {i["agreement"] for i in (await told.call("consents", ADVISER, CHILD))["items"]} == {"yes"}
            assert {i["agreement"] for i in (await told.call("uses", ADVISER, CHILD, 2**62, 100))["items"]} == {"yes"}
            assert {i["agreement"] for i in (await told.call("uses", CHILD, CHILD, 2**62, 100))["items"]} > {"yes"}
            assert await told.state("export", ADVISER, CHILD) == "CW403", "everything is more than the scope"
            assert await told.state("delegations", ADVISER, CHILD) == "CW403"

    doors.run(script)


def test_the_subject_or_the_delegate_ends_it_at_any_time_and_time_does(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            for actor in (CHILD, ADVISER):
                made = await told.delegate("Adviser", ADVISER, "See")
                assert await told.state("uses", ADVISER, CHILD, 2**62, 1) is None
                assert await told.state("end_delegation", STRANGER, STRANGER, made) == "CW404"
                assert await told.state("end_delegation", STRANGER, CHILD, made) == "CW404"
                ended = await told.call("end_delegation", actor, actor, made)
                assert ended["endedBy"] == ("subject" if actor == CHILD else "delegate")
                assert await told.state("uses", ADVISER, CHILD, 2**62, 1) == "CW403"
            await told.delegate("Adviser", ADVISER, "See", days=1 / 86400)
            async with asyncio.timeout(HANG):
                while await told.state("uses", ADVISER, CHILD, 2**62, 1) is None:
                    await asyncio.sleep(0.02)
            shown = await told.call("delegations", CHILD, CHILD)
            assert all(not d["inForce"] for d in shown["items"])
            held = await told.call("delegations", ADVISER, ADVISER)
            assert {d["subject"] for d in held["items"]} == {str(CHILD)}

    doors.run(script)


SOON = timedelta(days=3)
WRONG: dict[str, dict[str, Any]] = {
    "to oneself": {"delegate": CHILD},
    "no type": {"type": "Friend"},
    "a parent made by the person": {"type": "Parent"},
    "no act": {"acts": ""},
    "unknown act": {"acts": "See,Erase"},
    "act twice": {"acts": "See,See"},
    "unknown agreement": {"agreements": "yes,nothing"},
    "no agreement": {"agreements": ""},
    "no end": {"ends": None},
    "an end that never comes": {"ends": "infinity"},
    "an end in the past": {"ends": -SOON},
    "too long": {"ends": timedelta(days=367)},
    "far beginning": {"begins": timedelta(days=400), "ends": timedelta(days=402)},
    "ends before it begins": {"begins": 2 * SOON, "ends": SOON},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_delegation_that_cannot_be_is_refused_in_words(doors: Doors, case: str) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            terms = {"delegate": ADVISER, "type": "Adviser", "acts": "See", "agreements": None, "begins": None, "ends": SOON, **WRONG[case]}
            times = []
            for name in ("begins", "ends"):
                value = terms[name]
                times.append((datetime.now(UTC) + value).isoformat() if isinstance(value, timedelta) else value)
            statement = "select person.delegate($1, $1, $2, $3, $4, $5, $6::text::timestamptz, $7::text::timestamptz)"
            state, message = await refused(
                told.person.execute(statement, CHILD, terms["delegate"], terms["type"], terms["acts"], terms["agreements"], *times)
            )
            assert state == "CW400"
            assert message.split(":")[0] in {"delegate", "type", "acts", "agreements", "until"}

    doors.run(script)


def test_only_registrars_of_the_department_record_parents(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            record = "select registrar.delegate($1, $2, $3, $4, 'See', null, null, $5)"
            ends = datetime.now(UTC) + timedelta(days=5000)
            for client in ("registry/app", "tax/desk", "desk", "", None, "registry/desk "):
                state, _ = await refused(told.api.execute(record, client, CHILD, PARENT, "Parent", ends))
                assert state == "CW403", client
                assert (await refused(told.api.execute("select registrar.delegations($1, $2)", client, CHILD)))[0] == "CW403"
            assert (await refused(told.api.execute(record, "registry/desk", CHILD, PARENT, "Adviser", ends)))[0] == "CW400"
            assert (await refused(told.api.execute(record, "registry/desk", CHILD, PARENT, "Attorney", ends)))[0] == "CW400", (
                "five years at most"
            )
            assert (await refused(told.api.execute(record, "registry/desk", CHILD, PARENT, "Parent", ends)))[0] is None
            told_of = json.loads(await told.api.fetchval("select registrar.delegations('registry/desk', $1)", CHILD))
            assert told_of["items"][0]["madeBy"] == "registry/desk"
            unknown = told.api.execute("select registrar.end_delegation('registry/desk', $1)", uuid.uuid4())
            assert (await refused(unknown))[0] == "CW404"

    doors.run(script)


def test_delegations_are_append_only_and_travel_once(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            made = await told.delegate("Adviser", ADVISER, "See")
            for sql in ("delete from consent.delegation", "update consent.delegation set acts = '{See}'", "truncate consent.delegation"):
                assert (await refused(told.root.execute(sql)))[0] == "P0001"
            row = await told.root.fetchval("select to_jsonb(d)::text from consent.delegation d where delegation = $1", made)
            moved = json.dumps({**json.loads(row), "delegation": str(uuid.uuid4()), "delegate": str(STRANGER)})
            for _ in range(2):
                await told.root.execute("select consent.carry_delegation($1::text::jsonb)", moved)
            assert await told.state("uses", STRANGER, CHILD, 2**62, 1) is None
            assert await told.root.fetchval("select count(*) from consent.delegation where delegate = $1 and event = 'Made'", STRANGER) == 1

    doors.run(script)
