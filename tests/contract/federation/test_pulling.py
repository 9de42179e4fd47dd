"""What another site answers, whole or broken, in front of a real store: nothing but a true page counts as having heard of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest

from commonweal_api.plan import FeedPeer
from commonweal_runtime.exceptions import FeedError
from commonweal_runtime.federation.pulling import Puller
from commonweal_runtime.federation.sealing import FeedKey, Question
from support.data_api import DEPARTMENT, SECTOR_KEY, person_product
from support.federation import SiteStore, person
from support.loopback import Loopback
from support.postgres import StoreServer

KEY = FeedKey(SECTOR_KEY, DEPARTMENT)
EPOCH = str(uuid.uuid4())
Answer = Callable[[Question], tuple[int, bytes]]


class OtherSite(Loopback):
    """An HTTP server that answers as a test says."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: (500, b"")
        super().__init__(lambda _, headers: self.answer(KEY.question(headers["Authorization"].removeprefix("Bearer "))))


@pytest.fixture(scope="module")
def other() -> Iterator[OtherSite]:
    """The site `west`, as the test wants it."""
    with OtherSite() as site:
        yield site


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """The store of the site `east`."""
    with StoreServer() as server:
        spec = person_product(SimpleNamespace(port=5432))  # type: ignore[arg-type]

        async def make() -> None:
            site = await SiteStore.make("east", server, ["west"], [person(1)], spec)
            await site.agree("help", 5)
            await site.root.close()

        asyncio.run(make())
        yield server


def page(**over: Any) -> dict[str, Any]:
    """Return a page with one objection; members given as None are left out."""
    told = {
        "seq": 1, "origin": "west", "epoch": EPOCH, "number": 1, "kind": "Objected", "subject": str(person(1)), "agreement": "help", "product": "people",
        "incarnation": 9, "shown": None, "at": "2026-01-01T00:00:00+00:00", "stamp": "2026-01-01T00:00:05+00:00", "until": None, "by": "subject", "detail": None,
    }  # fmt: skip
    whole = {
        "site": "west",
        "epoch": EPOCH,
        "now": datetime.now(UTC).isoformat(),
        "more": False,
        "agreements": {},
        "entries": [told],
        **over,
    }
    return {k: v for k, v in whole.items() if v is not None}


def sealed(**over: Any) -> Answer:
    return lambda question: (200, KEY.seal(question, orjson.dumps(page(**over))))


def off_by(difference: timedelta) -> Answer:
    """Answer by a clock that is off when it is asked: this file may have been read long before."""
    return lambda question: (200, KEY.seal(question, orjson.dumps(page(now=(datetime.now(UTC) + difference).isoformat()))))


def entry(**over: Any) -> list[dict[str, Any]]:
    return [{**page()["entries"][0], **over}]


def pulled(store: StoreServer, other: OtherSite) -> tuple[bool | str, bool, int]:
    """Pull once; return whether there is more, or why it failed; whether west counts as heard; and how many entries are there."""

    async def go() -> tuple[bool | str, bool, int]:
        root = await store.superuser("department")
        peer = FeedPeer(name="west", url=other.url)
        async with aiohttp.ClientSession() as session:
            try:
                result: bool | str = await Puller(root, session, "east", peer, KEY).pull()
            except FeedError as error:
                result = str(error)
        heard = not await root.fetchval("select feed.silent()")
        count = await root.fetchval("select count(*) from feed.entry")
        await root.close()
        return result, heard, count

    return asyncio.run(go())


BROKEN: dict[str, tuple[Answer, str]] = {
    "an error": (lambda _: (503, b""), "answers 503"),
    "a redirect": (lambda _: (302, b""), "answers 302"),
    "nothing": (lambda _: (200, b""), "was not made by a site"),
    "an unsealed page": (lambda _: (200, orjson.dumps(page())), "was not made by a site"),
    "the answer to another question": (
        lambda q: (200, KEY.seal(Question(q.asker, q.asked, q.epoch, q.after, q.seen), orjson.dumps(page(entries=[])))),
        "was not made by a site",
    ),
    "no JSON": (lambda q: (200, KEY.seal(q, b"{")), "not understood"),
    "another form": (sealed(agreements=None), "not understood"),
    "no time": (sealed(now="soon"), "not understood"),
    "a clock that is late": (off_by(timedelta(minutes=-5)), "clocks"),
    "a clock that is early": (off_by(timedelta(minutes=5)), "clocks"),
    "another site's page": (sealed(site="north"), "CW470"),
    "a number missing": (sealed(entries=entry(seq=2)), "CW472"),
    "no person": (sealed(entries=entry(subject="somebody")), "cannot be taken: 22P02"),
    "no time of an entry": (sealed(entries=entry(stamp=None)), "cannot be taken: 23502"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_true_page_changes_nothing_and_is_not_heard(store: StoreServer, other: OtherSite, what: str) -> None:
    other.answer, why = BROKEN[what]
    result, heard, count = pulled(store, other)
    assert isinstance(result, str)
    assert why in result
    assert (heard, count) == (False, 0)


def test_a_site_that_is_not_there_is_not_heard(store: StoreServer) -> None:
    with OtherSite() as gone:
        pass
    result, heard, _ = pulled(store, gone)
    assert "does not answer" in str(result)
    assert not heard


def test_a_true_page_is_taken_and_heard_and_the_next_question_names_where_it_ended(store: StoreServer, other: OtherSite) -> None:
    asked: list[Question] = []

    def answer(question: Question) -> tuple[int, bytes]:
        asked.append(question)
        return sealed(**({} if question.after == 0 else {"entries": []}))(question)

    other.answer = answer
    assert pulled(store, other) == (False, True, 1)
    assert pulled(store, other) == (False, True, 1)
    assert [(q.asker, q.asked, q.after) for q in asked] == [("east", "west", 0), ("east", "west", 1)]
    assert (asked[1].epoch, datetime.fromisoformat(asked[1].seen)) == (EPOCH, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))


def test_a_kind_of_a_later_release_waits_and_stops_nothing(store: StoreServer, other: OtherSite) -> None:
    other.answer = lambda q: sealed(entries=entry(seq=q.after + 1, number=q.after + 1, kind="Foreseen"))(q)
    result, heard, _ = pulled(store, other)
    assert (result, heard) == (False, True)


def test_what_was_revoked_there_has_the_plan_carried_out_anew_once(store: StoreServer, other: OtherSite) -> None:
    other.answer = sealed(entries=[], ended=[{"nonce": "told", "until": None}])

    async def go() -> int:
        root, heard = await store.superuser("department"), list[int]()
        async with aiohttp.ClientSession() as session:
            puller = Puller(root, session, "east", FeedPeer(name="west", url=other.url), KEY, lambda: heard.append(1))
            for _ in range(2):
                await puller.pull()
        assert await root.fetchval("select why from agreement.nonce where nonce = 'told'") == "Revoked"
        await root.close()
        return len(heard)

    assert asyncio.run(go()) == 1
