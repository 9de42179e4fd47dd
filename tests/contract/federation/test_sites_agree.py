"""The feed's functions in three real stores: whatever order word travels in, all sites end alike, and a no is never lost."""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from support.federation import PEOPLE, SHOWN, Run, SiteStore, exchange
from support.postgres import StoreServer
from support.waiting import until

KINDS = ["Given", "Withdrawn", "Objected", "ObjectionLifted"]
WIDER = {**SHOWN, "definitions": {"area": "x", "score": "y"}}


def entry(n: int, kind: str, who: uuid.UUID, at: datetime, site: str = "south", **over: Any) -> dict[str, Any]:
    """Return an entry as a site would tell it."""
    stamp = at if kind in {"Given", "ObjectionLifted"} else at + timedelta(seconds=5)
    told = {
        "seq": n, "origin": site, "epoch": EPOCHS[site], "number": n, "kind": kind, "subject": str(who), "agreement": "help", "product": "people",
        "incarnation": 9, "shown": None, "at": at.isoformat(), "stamp": stamp.isoformat(), "until": None, "by": "subject",
    }  # fmt: skip
    return {**told, **over}


EPOCHS = {name: str(uuid.uuid4()) for name in ("south", "far")}


def page(entries: list[dict[str, Any]], site: str = "south") -> dict[str, Any]:
    """Return a page of a made-up site."""
    now = datetime.now(UTC).isoformat()
    return {"site": site, "epoch": EPOCHS[site], "now": now, "more": False, "agreements": {"help": 9}, "entries": entries}


async def shown_at(site: SiteStore) -> str:
    """Return the hash of what people are shown of `help` here."""
    text: str = await site.root.fetchval("select feed.shown(contract) from agreement.register where name = 'help' and in_force")
    return text


def test_what_is_said_at_one_site_holds_at_the_others_and_is_taken_once(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        a, b = PEOPLE[:2]
        await east.say("Given", a, "help")
        await east.say("Objected", b, "help")
        await exchange(east, north, west)
        for site in (east, north, west):
            assert await site.standing("help") == {p: (p == a, p == b) for p in PEOPLE}
            assert await site.root.fetchval("select count(*) from feed.entry") == 2
            assert await site.root.fetchval("select count(*) from consent.event") == 2
        await west.say("Withdrawn", a, "help")
        await exchange(east, north, west)
        assert await east.standing("help") == {p: (False, p == b) for p in PEOPLE}
        assert await east.root.fetchval("select count(*) from consent.event") == 3
        kinds = await north.root.fetch("select kind, indicated_by from consent.event order by seq")
        assert [tuple(k) for k in kinds] == [("Given", "subject"), ("Objected", "subject"), ("Withdrawn", "subject")]

    run(script)


def test_a_yes_after_a_known_no_holds_at_once_and_everywhere(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        who = PEOPLE[0]
        await east.say("Given", who, "help")
        await east.say("Withdrawn", who, "help")
        await west.hear(east)
        await west.say("Given", who, "help")
        await exchange(east, north, west)
        for site in (east, north, west):
            assert (await site.standing("help"))[who] == (True, False)

    run(script)


def test_of_a_yes_and_a_no_at_nearly_the_same_time_the_no_holds(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        first, second = PEOPLE[:2]
        for who, yes, no in ((first, east, west), (second, west, east)):
            await no.say("Withdrawn", who, "help")
            await yes.say("Given", who, "help")
        await exchange(east, north, west)
        for site in (east, north, west):
            assert [(await site.standing("help"))[who][0] for who in (first, second)] == [False, False]

    run(script)


def test_random_acts_and_random_exchanges_end_alike_at_all_sites(run: Run) -> None:
    dice = random.Random(4)

    async def script(*sites: SiteStore) -> None:
        for _ in range(400):
            if dice.random() < 0.6:
                await dice.choice(sites).say(dice.choice(KINDS), dice.choice(PEOPLE), "help")
            else:
                one, other = dice.sample(sites, 2)
                await one.hear(other, most=dice.choice([1, 3, 500]))
        await exchange(*sites)
        standings = [await site.standing("help") for site in sites]
        assert standings[0] == standings[1] == standings[2]
        assert set(standings[0].values()) == {(True, True), (True, False), (False, True), (False, False)}
        named = [{tuple(r) for r in await s.root.fetch("select origin, epoch, number from feed.entry")} for s in sites]
        assert named[0] == named[1] == named[2]
        for site in sites:
            assert await site.root.fetchval("select count(*) = max(seq) from feed.entry"), "numbers have no gap"

    run(script)


def test_the_latest_holds_whatever_order_two_sites_are_heard_in(run: Run) -> None:
    dice = random.Random(5)

    async def script(*sites: SiteStore) -> None:
        base, shown = datetime.now(UTC) - timedelta(hours=2), await shown_at(sites[0])
        acts = {
            name: [
                entry(n, dice.choice(KINDS), dice.choice(PEOPLE[:12]), base + timedelta(seconds=dice.uniform(0, 600)), name, shown=shown)
                for n in range(1, 121)
            ]
            for name in EPOCHS
        }
        for site in sites:
            await site.arrange([*EPOCHS])
            told = dict.fromkeys(EPOCHS, 0)
            while unheard := [name for name in EPOCHS if told[name] < 120]:
                name, some = dice.choice(unheard), dice.choice([1, 7, 120])
                await site.take(page(acts[name][told[name] : told[name] + some], name), told[name])
                told[name] = min(120, told[name] + some)
        standings = [await site.standing("help") for site in sites]
        assert standings[0] == standings[1] == standings[2] == expected([*acts["south"], *acts["far"]])

    run(script)


def expected(entries: list[dict[str, Any]]) -> dict[uuid.UUID, tuple[bool, bool]]:
    """Return what holds by the rule: per person and matter, the entry with the greatest stamp."""
    last: dict[tuple[str, bool], tuple[str, str]] = {}
    for e in entries:
        key = e["subject"], e["kind"].startswith("Obj")
        last[key] = max(last.get(key, ("", "")), (e["stamp"], e["kind"]))
    return {p: (last.get((str(p), False), ("", ""))[1] == "Given", last.get((str(p), True), ("", ""))[1] == "Objected") for p in PEOPLE}


def test_a_page_with_a_number_missing_changes_nothing(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        for who in PEOPLE[:3]:
            await east.say("Objected", who, "help")
        told = await east.page()
        del told["entries"][1]
        with pytest.raises(asyncpg.PostgresError) as refused:
            await west.take(told)
        assert refused.value.sqlstate == "CW472"
        with pytest.raises(asyncpg.PostgresError) as refused:
            await west.take(await east.page(after=1), 1)
        assert refused.value.sqlstate == "CW471"
        assert await west.root.fetchval("select count(*) from feed.entry") == 0
        assert not await west.heard()
        assert await west.hear(east) == 3

    run(script)


def test_an_act_that_commits_late_is_told_with_a_later_number(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        slow = await east.server.superuser("department")
        held = slow.transaction()
        await held.start()
        await east.say("Objected", PEOPLE[0], "help", through=slow)
        await east.say("Objected", PEOPLE[1], "help")
        assert await west.hear(east) == 1
        assert await west.hear(east) == 0
        await held.commit()
        await slow.close()
        assert await west.hear(east) == 1
        assert (await west.standing("help"))[PEOPLE[0]] == (False, True)

    run(script)


def test_word_for_an_agreement_that_is_not_here_yet_is_kept_until_it_is(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        await east.agree("late", 17)
        await east.say("Given", PEOPLE[0], "late")
        await east.say("Objected", PEOPLE[1], "late")
        assert await west.hear(east) == 0
        await west.agree("late", 3)
        await west.hear(east)
        standing = await west.standing("late")
        assert (standing[PEOPLE[0]], standing[PEOPLE[1]]) == ((True, False), (False, True))
        assert await west.root.fetchval("select count(*) from feed.entry where waiting") == 0

    run(script)


def test_a_yes_to_other_terms_opens_nothing_while_a_no_closes(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        a, b = PEOPLE[:2]
        await west.say("Given", b, "help")
        await east.hear(west)
        await east.agree("help", 5, WIDER)
        await east.say("Given", a, "help")
        await east.say("Withdrawn", b, "help")
        await west.hear(east)
        assert [(await west.standing("help"))[who][0] for who in (a, b)] == [False, False]
        await west.agree("help", 7, WIDER)
        await west.hear(east)
        assert [(await west.standing("help"))[who][0] for who in (a, b)] == [True, False]

    run(script)


def test_a_yes_to_an_agreement_that_its_own_site_has_no_more_never_opens(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        await east.agree("passing", 11)
        await east.say("Given", PEOPLE[0], "passing")
        await west.hear(east)
        await east.root.execute("update agreement.register set in_force = false where name = 'passing'")
        await east.agree("passing", 12)  # another agreement of the same name and terms
        await west.hear(east)
        await west.agree("passing", 3)
        await west.hear(east)
        assert (await west.standing("passing"))[PEOPLE[0]] == (False, False)

    run(script)


async def forget(site: SiteStore, kind: str) -> None:
    """Take a store back to the time before its first entry of that kind, as a restored backup would."""
    await site.root.execute(
        f"set session_replication_role = replica; delete from feed.entry where seq >= (select min(seq) from feed.entry where kind = '{kind}'); "
        f"delete from consent.event where kind = '{kind}'; update feed.self set history = 0; update consent.state set consent = 'Given'; "
        "update product.people set _consent = '{5}' where subject in (select subject from consent.state); "
        "update feed.peer set taken = 0, epoch = null; set session_replication_role = origin"
    )


def test_a_store_that_came_back_older_learns_its_own_acts_again(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        await east.say("Given", PEOPLE[0], "help")
        await exchange(east, north, west)
        await east.say("Withdrawn", PEOPLE[0], "help")
        await exchange(east, north, west)
        await forget(east, "Withdrawn")
        await east.say("Objected", PEOPLE[1], "help")  # another act now bears the lost one's number
        await exchange(east, north, west)
        for site in (east, north, west):
            standing = await site.standing("help")
            assert (standing[PEOPLE[0]], standing[PEOPLE[1]]) == ((False, False), (False, True))

    run(script)


def test_what_was_said_before_there_were_other_sites_is_told_first_and_in_order(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        await east.root.execute("truncate feed.self")
        for who in PEOPLE[:7]:
            await east.say("Given", who, "help")
            await east.say("Objected", who, "help")
        await east.root.execute(
            "select consent.make_delegation($1, $2, 'Adviser', 'See', null, null, now() + interval '1 day', 'subject')", *PEOPLE[:2]
        )
        await east.arrange(["west"])
        await east.say("Withdrawn", PEOPLE[0], "help")
        assert await west.hear(east, most=4) == 16
        kinds = [r[0] for r in await west.root.fetch("select kind from feed.entry order by seq")]
        assert kinds == ["Given", "Objected"] * 7 + ["Delegation", "Withdrawn"]
        assert await west.standing("help") == await east.standing("help")
        assert await west.hear(east) == 0

    run(script)


def test_silence_is_told_by_the_stores_own_clock_and_ends_with_the_next_word(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        assert not await east.heard()
        await east.hear(north)
        assert not await east.heard(), "one site is not all sites"
        await east.hear(west)
        assert await east.heard()
        await east.arrange(["north", "west"], "0.3 seconds")
        await until(east.heard, wanted=False)
        await east.hear(north)
        await east.hear(west)
        assert await east.heard()
        await east.arrange([])
        assert await east.heard(), "a department of one site waits for nobody"
        assert await east.root.fetchval("select feed.page('', 0, '', 10)") is None

    run(script)


def test_hearing_nothing_new_writes_nothing(run: Run) -> None:
    async def script(east: SiteStore, _: SiteStore, west: SiteStore) -> None:
        await east.say("Given", PEOPLE[0], "help")
        await west.hear(east)
        await west.hear(east)
        look = "select string_agg(t, ' ') from (select xmin::text || ctid::text as t from feed.self union all select xmin::text || ctid::text from feed.peer "
        look += "union all select xmin::text || ctid::text from feed.heard union all select xmin::text || ctid::text from feed.entry) x"
        before = [await site.root.fetchval(look) for site in (east, west)]
        for _n in range(5):
            assert await west.hear(east) == 0
        assert [await site.root.fetchval(look) for site in (east, west)] == before

    run(script)


def test_the_login_of_the_feed_may_ask_for_pages_and_nothing_else(run: Run, servers: list[StoreServer]) -> None:
    async def script(east: SiteStore, *_: SiteStore) -> None:
        assert json.loads(await east.root.fetchval("select feed.page('', 0, '', 10)"))["site"] == "east"
        await east.root.execute("set role feed")
        assert await east.root.fetchval("select feed.site()") == "east"
        for statement in (
            "select * from feed.entry",
            "select * from consent.event",
            "select feed.settle(1)",
            "select * from product.people",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await east.root.execute(statement)
        await east.root.execute("reset role")

    run(script)


def test_delegations_and_erasures_travel_and_are_made_once(run: Run) -> None:
    async def script(east: SiteStore, north: SiteStore, west: SiteStore) -> None:
        a, b, gone = PEOPLE[:3]
        await west.say("Given", gone, "help")
        await exchange(east, north, west)
        made = await east.root.fetchval(
            "select consent.make_delegation($1, $2, 'Adviser', 'See', null, null, clock_timestamp() + interval '1 day', 'subject')", a, b
        )
        assert await east.root.fetchval("select consent.erase($1, 'p-1', 'subject')", gone) == 1
        await exchange(east, north, west)
        await north.root.execute("select consent.finish_delegation($1, 'delegate')", made)
        await exchange(east, north, west)
        for site in (east, north, west):
            rows = await site.root.fetch("select delegation, event from consent.delegation order by seq")
            assert [tuple(r) for r in rows] == [(made, "Made"), (made, "Ended")]
            assert await site.root.fetchval("select array_agg(subject) from consent.erased") == [gone]
            assert gone not in await site.standing("help")
            assert await site.root.fetchval("select consent from consent.state where subject = $1", gone) == "Withdrawn"
            assert await site.root.fetchval("select count(*) from feed.entry where waiting") == 0
        told = [await site.root.fetchval("select count(*) from feed.entry") for site in (east, north, west)]
        await exchange(east, north, west)
        assert [await site.root.fetchval("select count(*) from feed.entry") for site in (east, north, west)] == told, "nothing goes round"

    run(script)
