"""What a person may say, see, take along and have counted, by the roles that the data API logs in as."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.data_api import subject
from support.doors import Doors, page, point, refused
from support.people import REASON, STRANGER, people, read
from support.waiting import until

# states


def test_each_word_becomes_the_event_that_fits_and_only_given_and_renewed_permit(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who, kinds = subject("P20"), "select kind from consent.event where subject = $1 order by seq"
            for word, shown in (
                ("RequestDeferred", "RequestDeferred"), ("Withdrawn", "Refused"), ("Withdrawn", "Refused"), ("Given", "Given"), ("Given", "Given"),
                ("Withdrawn", "Withdrawn"), ("Refused", "Withdrawn"), ("Given", "Given"), ("Refused", "Withdrawn"),
            ):  # fmt: skip
                answer = await told.call("give", who, who, "yes", word)
                assert answer["consent"]["state"] == shown, word
                assert (await read(told, "yes", who) is not None) == (shown == "Given")
            said = [r["kind"] for r in await told.root.fetch(kinds, who)]
            assert said == ["RequestDeferred", "Refused", "Given", "Renewed", "Withdrawn", "Given", "Withdrawn"]
            assert await told.state("give", who, who, "yes", "Expired") == "CW400"
            assert await told.state("give", who, who, "yes", None) == "CW400"
            assert await told.state("give", who, who, "task", "Given") == "CW409"
            assert await told.state("give", who, who, "nothing", "Given") == "CW404"

    doors.run(script)


STATES = ("Requested", "RequestDeferred", "Refused", "Given", "Renewed", "Expired", "Withdrawn", "Revoked", "Invalidated", "Unknown")
OPEN = {"Given", "Renewed"}
CLOSING = {"Renewed", "Expired", "Withdrawn", "Revoked", "Invalidated"}


def makes_sense(before: str | None, after: str) -> bool:
    """Return whether one state may follow another: the rule in words, once more."""
    given = before in OPEN
    if after in CLOSING:
        return given
    if after in {"Given", "Requested"}:
        return not given and before != after
    if after == "Unknown":
        return before not in {None, "Unknown"}
    return before in {None, "Requested", "Unknown", *(["RequestDeferred"] if after == "Refused" else [])}


@pytest.mark.parametrize("before", [None, *STATES])
def test_a_transition_that_makes_no_sense_is_refused(doors: Doors, before: str | None) -> None:
    """Against the rule in words: what ends a yes follows a yes; a yes is renewed, not given again; and only open states show the person."""

    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            number, insert = told.numbers["yes"], "insert into consent.event (subject, agreement, kind, contract) values ($1, $2, $3, 'x')"
            count = "select count(*) from consent.event where subject = $1"
            for after in STATES:
                who = subject("P21")
                transaction = told.root.transaction()
                await transaction.start()
                await told.root.execute(
                    "update consent.state set consent = $3, valid_until = '2026-01-01' where subject = $1 and agreement = $2",
                    who,
                    number,
                    before,
                )
                if before is not None:
                    await told.root.execute(
                        "insert into consent.state (subject, agreement, consent, valid_until) values ($1, $2, $3, '2026-01-01') on conflict (subject, agreement) do nothing",
                        who,
                        number,
                        before,
                    )
                events = await told.root.fetchval(count, who)
                state, _ = await refused(told.root.execute(insert, who, number, after))
                sensible = makes_sense(before, after)
                if after in {"Expired", "Invalidated"}:  # the store's own words: passed over, for the person was faster
                    assert state is None
                    assert await told.root.fetchval(count, who) - events == int(sensible), after
                else:
                    assert state == (None if sensible else "CW409"), after
                await transaction.rollback()

    doors.run(script)


# uses


def test_delayed_uses_appear_after_their_days_and_suppressed_ones_never(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P30")
            for name in ("closed", "late", "treaty", "closed"):
                assert await read(told, name, who)
            reader = await doors.reader(told.numbers["closed"])
            await page(reader, told.numbers["closed"])
            reader.terminate()
            shown = await told.call("uses", who, who, 2**62, 100)
            assert [u["agreement"] for u in shown["items"]] == ["treaty"]
            assert (await told.call("uses", who, who, 2**62, 1))["next"] is not None
            await told.root.execute("alter table audit.use disable trigger user")
            await told.root.execute("update audit.use set at = at - interval '7 days' where agreement = $1", told.numbers["late"])
            await told.root.execute("alter table audit.use enable trigger user")
            shown = await told.call("uses", who, who, 2**62, 100)
            assert [(u["agreement"], u["basis"]) for u in shown["items"]] == [("treaty", "Contract"), ("late", "VitalInterests")]
            exported = json.dumps(await told.call("export", who, who))
            assert REASON in exported, "that the agreement exists, and why it hides its uses, is no secret"
            ids = {r["id"] for r in await told.root.fetch("select id from audit.use where agreement = $1", told.numbers["closed"])}
            assert not ids & {int(u["id"]) for u in json.loads(exported)["uses"]}
            shows = "select audit.shown_to($1, u) from audit.use u where u.agreement = $2 and ($1 = u.subject or $1 = any (u.subjects))"
            assert {r[0] for r in await told.root.fetch(shows, who, told.numbers["closed"])} == {False}
            assert {r[0] for r in await told.root.fetch(shows, who, told.numbers["treaty"])} == {True}

    doors.run(script)


def test_pages_of_uses_are_full_whatever_is_left_out(doors: Doors) -> None:
    """A page that came out short would tell that something was suppressed in between."""

    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P31")
            for n in range(12):
                await read(told, "treaty" if n % 3 == 0 else "closed", who)
            before, pages = 2**62, []
            while True:
                got = await told.call("uses", who, who, before, 2)
                pages.append(len(got["items"]))
                if got["next"] is None:
                    break
                before = int(got["next"])
            assert pages == [2, 2, 0]

    doors.run(script)


def test_everybody_can_count_the_uses_that_nobody_is_shown(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:

            async def counted() -> dict[str, Any]:
                await told.root.execute("select audit.tidy()")
                document = json.loads(await told.api.fetchval("select audit.transparency()"))
                return {a["agreement"]: a for a in document["agreements"] if a["inForce"]}

            before = await counted()
            await read(told, "closed", subject("P32"))
            await read(told, "closed", uuid.UUID(int=1))
            async with told.root.transaction():
                late = await doors.reader(told.numbers["treaty"])
                transaction = late.transaction()
                await transaction.start()
                await point(late, told.numbers["treaty"], subject("P32"))
                await read(told, "treaty", subject("P33"))
                held = await counted()
                await transaction.commit()
                late.terminate()
            after = await counted()
            assert after["closed"]["uses"] - before["closed"]["uses"] == 2
            assert after["closed"]["given"] - before["closed"]["given"] == 1
            assert (after["closed"]["visibility"], after["closed"]["reason"]) == ("Suppressed", REASON)
            assert held["treaty"]["uses"] <= after["treaty"]["uses"]
            assert after["treaty"]["uses"] - before["treaty"]["uses"] == 2, "one that commits late is counted once all the same"
            truth = await told.root.fetchval("select count(*) from audit.use where agreement = $1", told.numbers["closed"])
            assert after["closed"]["uses"] == truth

    doors.run(script)


# export


def test_an_export_holds_every_record_under_its_name_and_marks_what_is_portable(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P40")
            await told.call("give", who, who, "yes", "Given")
            document = await told.call("export", who, who)
            (product,) = document["products"]
            (record,) = product["records"]
            assert record["income"] == 60
            assert set(record) == {"fullName", "born", "birthYear", "postcode", "area", "score", "income", "active", "seen"}
            assert product["portableFields"] == ["area", "fullName", "score"], "those of the bases Consent and Contract"
            assert product["owner"]["complaints"] == "https://example.test/complain"
            assert [e["kind"] for e in document["events"]] == ["Given"]
            assert {a["agreement"] for a in document["agreements"]} == set(told.numbers)
            assert (await told.call("export", STRANGER, STRANGER))["events"] == []

    doors.run(script)


def test_a_consumer_that_calls_itself_something_else_is_told_so_and_nothing_is_opened_again(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who, opened = subject("P70"), "select opened, contract, xmin::text from agreement.register where name = 'yes'"
            before = await told.root.fetchrow(opened)
            assert {i["consumerName"] for i in (await told.call("consents", who, who))["items"]} == {None}
            await doors.carry_out(told.named("The Tax Authority"))
            assert all(i["consumerName"] == {"en": "The Tax Authority"} for i in (await told.call("consents", who, who))["items"])
            assert await read(told, "treaty", who)
            use = (await told.call("uses", who, who, 2**62, 1))["items"][0]
            assert (use["title"], use["consumerName"]) == ({"en": "People"}, {"en": "The Tax Authority"})
            after = await told.root.fetchrow(opened)
            assert (after["opened"], after["contract"]) == (before["opened"], before["contract"])
            await doors.carry_out(told.named("The Tax Authority"))
            assert (await told.root.fetchrow(opened))["xmin"] == after["xmin"], "what has not changed is not written"

    doors.run(script)


def test_a_look_at_ones_own_values_is_in_no_public_count(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with people(doors) as told:
            who = subject("P71")

            async def counted() -> int:
                await told.root.execute("select audit.count_uses()")
                return int(
                    await told.root.fetchval("select coalesce(sum(uses), 0) from audit.total where agreement = $1", told.numbers["task"])
                )

            before = await counted()
            assert (await told.call("preview", who, who, "task"))["records"]
            assert await counted() == before
            assert await read(told, "task", who)
            await until(lambda: _changed(counted, before))
            assert await counted() == before + 1

    doors.run(script)


async def _changed(counted: Callable[[], Awaitable[int]], before: int) -> bool:
    return await counted() != before
