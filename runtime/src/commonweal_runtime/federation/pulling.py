"""Reads what other sites of the department were told by people, and takes it over into this site's store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import orjson

from commonweal_api.plan import FeedPeer, StorePlan
from commonweal_runtime.certificates import is_secured, outside
from commonweal_runtime.exceptions import FeedError, UnsealError
from commonweal_runtime.federation.sealing import FeedKey, Question

LONGEST_PAUSE = 1.0
SHORTEST_PAUSE = 0.05
REQUEST_SECONDS = 5.0
LONGEST_ANSWER = 4 * 2**20
CLOCKS_APART = timedelta(seconds=5)  # feed.doubt(): more, and «the latest holds» would no longer be true
_SETTLE = 500
_MEMBERS = {"site", "epoch", "now", "more", "agreements", "entries"}
_NEWS = """select exists (select from jsonb_array_elements($1::text::jsonb) x
  where not exists (select from agreement.nonce n where n.nonce = x ->> 'nonce' and n.ended_at is not null))"""
_LOST = ("08", "57")  # classes of SQLSTATE: the connection, or the own store itself, has gone

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Link:
    """What is between this site and another one, and how long it may be silent."""

    site: str
    peer: FeedPeer
    stale_seconds: int

    @property
    def pause(self) -> float:
        """Seconds between two questions: ten chances before the link counts as cut."""
        return max(SHORTEST_PAUSE, min(LONGEST_PAUSE, self.stale_seconds / 10))


class Feed:
    """Follows the other sites of the department, one task each. `connect` gives a superuser's connection to the store.

    `ended` is called after another site has told of an agreement that a party revoked there: the plan has to be carried out again.
    """

    def __init__(self, connect: Connect, sector_key: bytes, ended: Callable[[], None] = lambda: None) -> None:
        self._connect, self._sector_key, self._ended = connect, sector_key, ended
        self._wanted: tuple[frozenset[_Link], FeedKey] | None = None
        self._arranged: tuple[str, frozenset[_Link]] | None = None
        self._news = asyncio.Event()

    async def follow(self, plan: StorePlan) -> None:
        """Follow the sites that `plan` names from now on.

        Called before the plan is carried out: when this returns, the store knows whom it has to have heard, so no agreement by consent opens before.
        """
        links = frozenset(_Link(plan.site, peer, plan.max_staleness_seconds or 0) for peer in plan.peers if peer.name != plan.site)
        if self._arranged == (plan.site, links):
            return
        await self._arrange(plan.site, links)
        self._arranged = plan.site, links
        self._wanted = links, FeedKey(self._sector_key, plan.department)
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled. Nothing that another site does or leaves undone ends it; a lost connection to the own store does."""
        tasks: dict[_Link, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                self._news.clear()
                if self._wanted is None:
                    continue
                links, key = self._wanted
                for link in set(tasks) - links:
                    tasks.pop(link).cancel()
                for link in links - set(tasks):
                    tasks[link] = group.create_task(self._keep_hearing(link, key))

    async def _arrange(self, site: str, links: frozenset[_Link]) -> None:
        peers = sorted(({"name": x.peer.name, "url": x.peer.url} for x in links), key=lambda p: p["name"])
        stale = timedelta(seconds=max((x.stale_seconds for x in links), default=0))
        connection = await self._connect()
        try:
            await connection.execute("select feed.arrange($1, $2::text::jsonb, $3)", site, orjson.dumps(peers).decode(), stale)
        finally:
            connection.terminate()

    async def _keep_hearing(self, link: _Link, key: FeedKey) -> None:
        connection = await self._connect()
        told = ""
        try:
            await connection.execute("set lock_timeout = '5s'")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)) as session:
                puller = Puller(connection, session, link.site, link.peer, key, self._ended)
                while True:
                    try:
                        more = await puller.pull()
                        told = _tell(link, told, "")
                    except FeedError as error:
                        more = False
                        told = _tell(link, told, str(error))
                    if not more:
                        await asyncio.sleep(link.pause)
        finally:
            connection.terminate()


class Puller:
    """Reads one other site's list through one connection to the own store."""

    def __init__(
        self,
        connection: Any,
        session: aiohttp.ClientSession,
        site: str,
        peer: FeedPeer,
        key: FeedKey,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._session, self._site, self._peer, self._key, self._ended = connection, session, site, peer, key, ended

    async def pull(self) -> bool:
        """Read one page and take it over, all of it or nothing; return whether there is more to read at once. Raises FeedError."""
        row = await self._db.fetchrow(
            "select epoch::text, taken, seen, clock_timestamp() as asked from feed.peer where name = $1", self._peer.name
        )
        if row is None:
            raise FeedError("the plan does not name it any more")
        seen = row["seen"].isoformat() if row["seen"] else ""
        page = await self._ask(Question(self._site, self._peer.name, row["epoch"] or "", row["taken"], seen), row["asked"])
        if page["epoch"] != row["epoch"] and row["taken"]:
            page = await self._ask(Question(self._site, self._peer.name, "", 0, ""), row["asked"])
            return await self._take(page, 0, row["asked"])
        return await self._take(page, row["taken"], row["asked"])

    async def _ask(self, question: Question, asked: datetime) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key.token(question)}"}
        url = f"{self._peer.url.rstrip('/')}/v1/feed?after={question.after}"
        if not is_secured(url):
            raise FeedError("its address is not https: correct spec.consentFeed.sites of the Department")
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False, ssl=outside().context) as answer:
                if answer.status != 200:
                    raise FeedError(f"it answers {answer.status}")
                sealed = await answer.content.read(LONGEST_ANSWER)
                while chunk := await answer.content.read(LONGEST_ANSWER - len(sealed)):
                    sealed += chunk
            page = _page(self._key.unseal(question, sealed))
            told = datetime.fromisoformat(page["now"])
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FeedError(f"it does not answer: {type(error).__name__}") from None
        except UnsealError as error:
            raise FeedError(str(error)) from None
        except (ValueError, TypeError) as error:
            raise FeedError(f"its page is not understood: {type(error).__name__}") from None
        await self._compare_clocks(told, asked)
        return page

    async def _compare_clocks(self, there: datetime, asked: datetime) -> None:
        answered: datetime = await self._db.fetchval("select clock_timestamp()")
        if not asked - CLOCKS_APART <= there <= answered + CLOCKS_APART:
            raise FeedError(f"the two stores' clocks are more than {CLOCKS_APART.seconds} s apart: set them")

    async def _take(self, page: dict[str, Any], after: int, asked: datetime) -> bool:
        """Take a page over; what another transaction is in the way of is tried again."""
        try:
            ended = page.get("ended")
            news = bool(ended) and await self._db.fetchval(_NEWS, orjson.dumps(ended).decode())
            row = await self._db.fetchrow(
                "select taken, applied from feed.take($1, $2, $3, $4)", self._peer.name, after, asked, orjson.dumps(page).decode()
            )
            if news:
                self._ended()
            settled = await self._db.fetchval("select feed.settle($1)", _SETTLE)
        except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError):
            raise FeedError("a load is under way here") from None
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_LOST):
                raise
            raise FeedError(f"its page cannot be taken: {error.sqlstate}") from None
        if row["taken"]:
            log.info("feed: %d entries of %s, %d changed something", row["taken"], self._peer.name, row["applied"])
        return bool(page["more"]) or settled == _SETTLE


def _page(text: bytes) -> dict[str, Any]:
    """Return a page; ValueError unless it has the form of one. What its entries say is judged by the store."""
    page = orjson.loads(text)
    if not isinstance(page, dict) or not set(page) >= _MEMBERS:
        raise ValueError("members are missing")
    return page


def _tell(link: _Link, before: str, now: str) -> str:
    """Log a link's state when it changes, and return it."""
    if now and now != before:
        log.warning("feed: site %s is not heard: %s", link.peer.name, now)
    elif before and not now:
        log.info("feed: site %s is heard again", link.peer.name)
    return now
