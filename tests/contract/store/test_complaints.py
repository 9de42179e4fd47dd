"""What the store itself holds of complaints: the department's own term, what is overdue, and whose a complaint is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from commonweal_api.plan import ComplaintCount
from commonweal_runtime.keeper.complaints import OpenComplaints
from support.data_api import subject
from support.doors import Doors
from support.people import ADVISER, CHILD, People, people

ME, NOW = subject("P40"), subject("P41")
ANSWER = '{"en": "We have looked."}'


async def complain(told: People, who: Any = ME, actor: Any = None, agreement: str | None = None) -> Any:
    return await told.call("complain", actor or who, who, None, agreement, None, "It is wrong.")


async def answered(told: People, complaint: str) -> str:
    return str(await told.api.fetchval("select registrar.answer_complaint('registry/desk', $1, 'Upheld', $2)", complaint, ANSWER))


async def nothing_open(told: People) -> None:
    for row in await told.root.fetch("select id from consent.complaints where state = 'Open'"):
        await answered(told, row["id"])


def test_the_term_is_the_departments_and_what_is_late_is_counted_until_it_is_answered(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            await nothing_open(told)
            told_of: list[None] = []
            watch = OpenComplaints(told.doors.store.superuser, lambda: told_of.append(None))
            await watch.look(told.root)
            assert (watch.count, told_of) == (None, [])
            await doors.carry_out(told.wanted.model_copy(update={"complaint_days": 7}))
            made = await complain(told)
            due, said = await told.root.fetchrow("select due, made from consent.complaint where id = $1", made["id"])
            assert due - said == timedelta(days=7)
            await watch.look(told.root)
            assert (watch.count, len(told_of)) == (ComplaintCount(open=1), 1)
            await told.root.execute("set session_replication_role = 'replica'")
            await told.root.execute("update consent.complaint set due = '2026-01-02', made = '2026-01-01' where id = $1", made["id"])
            await told.root.execute("set session_replication_role = 'origin'")
            await watch.look(told.root)
            assert watch.count is not None
            assert (watch.count.open, watch.count.overdue, str(watch.count.since)) == (1, 1, "2026-01-02 00:00:00+00:00")
            await answered(told, made["id"])
            await watch.look(told.root)
            assert (watch.count, len(told_of)) == (None, 3)

    doors.run(script)


def test_the_keeper_counts_and_asks_again_what_was_refused(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            await nothing_open(told)
            await complain(told)
            heard, refusals = asyncio.Event(), [asyncpg.LockNotAvailableError("busy")]

            class Busy:
                async def fetchrow(self, statement: str) -> Any:
                    if refusals:
                        raise refusals.pop()
                    return await told.root.fetchrow(statement)

                def terminate(self) -> None:
                    return None

            async def connect() -> Any:
                return Busy()

            watch = OpenComplaints(connect, heard.set, pause=0.01)
            task = asyncio.create_task(watch.run())
            async with asyncio.timeout(20):
                await heard.wait()
            task.cancel()
            assert (watch.count, refusals) == (ComplaintCount(open=1), [])

    doors.run(script)


def test_nothing_of_it_is_changed_or_erased(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            made = await complain(told, subject("P42"))
            await answered(told, made["id"])
            for table in ("complaint", "complaint_answer"):
                for statement in (
                    f"delete from consent.{table}",
                    f"truncate consent.{table} cascade",
                    f"update consent.{table} set said = ''",
                ):
                    with pytest.raises(asyncpg.RaiseError, match="append-only"):
                        await told.root.execute(statement)
            for login in (told.person, told.api):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await login.fetch("select * from consent.complaint")

    doors.run(script)


def test_who_becomes_another_id_keeps_their_complaints(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            former = subject("P43")
            made = await complain(told, former)
            await told.root.execute(
                "insert into consent.renamed (former, now, product) values ($1, $2, 'p') on conflict do nothing", former, NOW
            )
            try:
                assert [c["id"] for c in (await told.call("complaints", NOW, NOW, 2**62, 10))["items"]] == [made["id"]]
                assert [c["id"] for c in (await told.call("export", NOW, NOW))["complaints"]] == [made["id"]]
                assert f'"subject": "{NOW}"' in await answered(told, made["id"])
            finally:
                await told.root.execute("delete from consent.renamed")

    doors.run(script)


def test_an_agreement_need_not_list_the_type_of_who_complains_of_it(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            await told.delegate("Adviser", ADVISER, "Object", "yes")
            assert await told.state("object", ADVISER, CHILD, "yes", True) == "CW403"
            assert (await complain(told, CHILD, ADVISER, "yes"))["indicatedBy"] == f"Adviser:{ADVISER}"
            assert await told.state("complain", ADVISER, CHILD, None, "task", None, "x") == "CW403"
            assert await told.state("complain", ADVISER, CHILD, None, None, None, "x") == "CW403"

    doors.run(script)
