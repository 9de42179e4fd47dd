"""Several sites of one department for tests: what a site's store knows, and links that a test can cut."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from commonweal_api.data_product import DataProductSpec
from commonweal_api.pairwise import pairwise
from commonweal_runtime.store.products import create, shape_of
from commonweal_runtime.store.schema import migrate
from support.data_api import SECTOR_KEY
from support.postgres import StoreServer

PRODUCT, SHOWN = (
    "people",
    {"product": "people", "consumer": "tax", "definitions": {"area": "x"}, "purposes": [{"key": "tax/serve", "text": "t"}]},
)
STALE = "30 seconds"


class SiteStore:
    """One site's store without a keeper: a product with people, agreements, and what is said and taken by SQL."""

    def __init__(self, name: str, server: StoreServer, root: Any) -> None:
        self.name, self.server, self.root = name, server, root

    @classmethod
    async def make(cls, name: str, server: StoreServer, others: list[str], people: list[uuid.UUID], spec: dict[str, Any]) -> SiteStore:
        """Return the site with its product filled and the other sites known."""
        root = await server.superuser("department")
        await migrate(root)
        wanted = DataProductSpec.model_validate(spec)
        for statement in create("people", "p-1", shape_of(wanted)):
            await root.execute(statement)
        await root.execute(
            "insert into agreement.product (uid, name, relation, spec, unfilled, contract) values ('p-1', $1, 'people', '{}', '{}', 'c')",
            PRODUCT,
        )
        await root.executemany("insert into product.people (subject, \"fullName\") values ($1, 'Somebody')", [(p,) for p in people])
        site = cls(name, server, root)
        await site.arrange(others)
        return site

    async def arrange(self, others: list[str], stale: str = STALE) -> None:
        """Name the other sites."""
        peers = json.dumps([{"name": n, "url": "http://127.0.0.1:1"} for n in others])
        await self.root.execute(f"select feed.arrange($1, $2::text::jsonb, interval '{stale}')", self.name, peers)

    async def agree(self, name: str, number: int, shown: dict[str, Any] | None = None) -> None:
        """Put an agreement in force, under this site's own number and contract hash; `shown` is what people are told."""
        contract = f"{self.name}-{number}-{uuid.uuid4().hex[:6]}"
        content = json.dumps({**(shown or SHOWN), "name": name, "number": number})
        await self.root.execute(
            "insert into agreement.contract (hash, number, content) values ($1, $2, $3::text::jsonb)", contract, number, content
        )
        await self.root.execute(
            "insert into agreement.register (number, uid, name, product, in_force, contract) values ($1, $2, $3, 'p-1', true, $4) "
            "on conflict (number) do update set contract = excluded.contract, in_force = true",
            number,
            f"a-{self.name}-{number}",
            name,
            contract,
        )

    async def say(self, kind: str, who: uuid.UUID, agreement: str, through: Any = None) -> None:
        """Record what a person says here, in the kind that fits what they said before; nothing when it changes nothing."""
        await (through or self.root).execute(
            "insert into consent.event (subject, agreement, kind, contract) select $2, number, k, contract from agreement.register, "
            "lateral feed.fitting($1, $2, number) k where name = $3 and in_force and k is not null",
            kind,
            who,
            agreement,
        )

    async def page(self, after: int = 0, most: int = 500, epoch: str = "", seen: str = "") -> dict[str, Any]:
        """Return a page of this site's list."""
        page: dict[str, Any] = json.loads(await self.root.fetchval("select feed.page($1, $2, $3, $4)", epoch, after, seen, most))
        return page

    async def take(self, page: dict[str, Any], after: int = 0) -> int:
        """Take a page of another site; return how many entries changed something here."""
        row = await self.root.fetchrow(
            "select taken, applied from feed.take($1, $2, clock_timestamp(), $3)", page["site"], after, json.dumps(page)
        )
        applied: int = row["applied"]
        return applied

    async def hear(self, other: SiteStore, most: int = 500) -> int:
        """Read the other site's list to its end; return how many entries changed something here."""
        applied = 0
        while True:
            row = await self.root.fetchrow("select epoch::text, taken, seen from feed.peer where name = $1", other.name)
            page = await other.page(row["taken"], most, row["epoch"] or "", row["seen"].isoformat() if row["seen"] else "")
            if page["epoch"] != row["epoch"] and row["taken"]:
                page = await other.page(0, most)
                applied += await self.take(page)
            else:
                applied += await self.take(page, row["taken"])
            await self.root.execute("select feed.settle(500)")
            if not page["more"]:
                return applied

    async def standing(self, agreement: str) -> dict[uuid.UUID, tuple[bool, bool]]:
        """Return, for each person, whether their row is open to the agreement by consent, and whether they object."""
        number = await self.root.fetchval("select number from agreement.register where name = $1 and in_force", agreement)
        rows = await self.root.fetch(
            "select subject, $1 = any (_consent) as given, $1 = any (_objection) as objected from product.people", number
        )
        return {r["subject"]: (r["given"], r["objected"]) for r in rows}

    async def heard(self) -> bool:
        """Return whether every other site was heard lately enough."""
        return not await self.root.fetchval("select feed.silent()")


async def exchange(*sites: SiteStore) -> None:
    """Let every site hear every other one until nothing is new."""
    for _ in range(2):
        for site in sites:
            for other in sites:
                if other is not site:
                    await site.hear(other)


class Link:
    """A TCP relay on loopback that a test cuts and heals: cut, it refuses and drops what is open. Its port stays the same.

    Silenced, what is open stays open and carries nothing, as when a machine is gone; what is opened afterwards is well.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port, self._target = port, target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.heal()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def heal(self) -> None:
        """Let connections through."""
        self._do(self._listen())

    def cut(self) -> None:
        """Refuse connections and drop those that are open."""
        self._do(self._close())

    def silence(self) -> None:
        """Carry nothing more on the connections that are open now, in either direction, and tell neither end."""
        self._do(self._mute())

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _mute(self) -> None:
        self._silent |= self._open

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if sink not in self._silent:
                    sink.write(data)
                    await sink.drain()
        except OSError:
            pass
        finally:
            if sink not in self._silent:
                sink.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there}
        try:
            await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        finally:
            for end in (writer, there):
                end.transport.abort()
                self._open.discard(end)
                self._silent.discard(end)


def person(n: int) -> uuid.UUID:
    """Return the department's id of a made-up person."""
    return pairwise(SECTOR_KEY, f"P{n}")


NAMES = ["east", "north", "west"]
PEOPLE = [person(n) for n in range(1, 41)]
Run = Callable[[Callable[[SiteStore, SiteStore, SiteStore], Awaitable[None]]], None]
