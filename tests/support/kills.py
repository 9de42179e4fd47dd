"""A department under load whose processes are killed at chosen steps of giving, withdrawing and reading; it remembers every answer that was given."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from support.data_api import DataApi, Issuer, KeeperProcess, subject
from support.postgres import StoreServer

LATEST_KILL = 0.004  # after the step, in seconds: as long as a request takes here
AGAIN = 0.02
STEPS = ("give sent", "give answered", "withdraw sent", "withdraw answered", "read sent", "read answered")


def kill_all(pid: int) -> None:
    """Kill a process and all that it has started, at once, as a container's end would."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            found += [int(child) for task in Path(f"/proc/{one}/task").iterdir() for child in (task / "children").read_text().split()]
    for one in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


class Load:
    """People who change their minds and services that read, against one data API. `answered` and `said` are what must not be lost."""

    def __init__(self, url: str, issuer: Issuer, seed: int) -> None:
        self._url, self._issuer, self.chance = url, issuer, random.Random(seed)
        self._tokens: dict[str, str] = {}
        self.answered: Counter[tuple[str, UUID]] = Counter()  # reads that gave a record, by client and person
        self.said: list[tuple[str, str]] = []  # receipts of decisions that were answered, with what was decided
        self.stale: list[str] = []
        self.failed = 0
        self.steps: Counter[str] = Counter()
        self._strikes: dict[str, Callable[[], None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def strike_at(self, step: str, strike: Callable[[], None]) -> asyncio.Event:
        """Let `strike` happen shortly after the next such step; the event is set when it has."""
        done = asyncio.Event()

        def go() -> None:
            strike()
            done.set()

        self._strikes[step] = go
        return done

    def _step(self, name: str) -> None:
        self.steps[name] += 1
        strike = self._strikes.pop(name, None)
        if strike is not None:
            asyncio.get_running_loop().call_later(self.chance.uniform(0, LATEST_KILL), strike)

    @asynccontextmanager
    async def running(self, people: int) -> AsyncIterator[None]:
        """Ask and decide while the block runs."""
        sent = aiohttp.TraceConfig()

        async def on_sent(_: Any, context: Any, __: Any) -> None:
            self._step(f"{context.trace_request_ctx} sent")

        sent.on_request_headers_sent.append(on_sent)
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(trace_configs=[sent], timeout=timeout) as self._session:
            tasks = [asyncio.create_task(self._decides(subject(f"P{n}"), *KINDS[n % len(KINDS)])) for n in range(1, people + 1)]
            tasks += [asyncio.create_task(self._reads("tax", "people", 100 + n)) for n in range(3)]
            try:
                yield
                ended = [t for t in tasks if t.done()]
                assert not ended, ended
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, kind: str, method: str, path: str, token: str, **more: Any) -> tuple[int, dict[str, Any]] | None:
        """Return status and body, or None when the connection broke; then nobody knows what became of the request."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        try:
            async with self._session.request(method, self._url + path, headers=headers, trace_request_ctx=kind, **more) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.failed += 1
            await asyncio.sleep(AGAIN)  # the process is away
            return None
        if answer.status == 503:
            self.failed += 1
            await asyncio.sleep(AGAIN)
        self._step(f"{kind} answered")
        return answer.status, body

    async def _read(self, consumer: str, product: str, who: UUID) -> bool | None:
        """Return whether the person's record was given; None when nobody knows."""
        token = self._token(consumer, lambda: self._issuer.client(consumer, "app"))
        told = await self._ask("read", "GET", f"/v1/{product}/subjects/{who}", token, headers={"Purpose": f"{consumer}/serve"})
        if told is None or told[0] not in {200, 404, 503}:
            assert told is None, told
            return None
        if told[0] == 200:
            self.answered[f"{consumer}/app", who] += 1
        return told[0] == 200

    async def _decide(self, who: UUID, agreement: str, *, given: bool) -> bool:
        """Return whether the decision was answered."""
        token = self._token(str(who), lambda: self._issuer.person(who))
        state = "Given" if given else "Withdrawn"
        told = await self._ask("give" if given else "withdraw", "PUT", f"/me/consents/{agreement}", token, json={"state": state})
        if told is None or told[0] != 200:
            assert told is None or told[0] == 503, told
            return False
        self.said.append((told[1]["receipt"], state))
        return True

    def _token(self, key: str, make: Callable[[], str]) -> str:
        if key not in self._tokens:
            self._tokens[key] = make()
        return self._tokens[key]

    async def _decides(self, who: UUID, agreement: str, consumer: str, product: str) -> None:
        """Give and withdraw; while it is withdrawn, by an answer, nobody may read."""
        while True:
            if await self._decide(who, agreement, given=True):
                await self._read(consumer, product, who)
            if await self._decide(who, agreement, given=False):
                seen = await asyncio.gather(*(self._read(consumer, product, who) for _ in range(2)))
                self.stale += [f"{agreement} of {who}" for given in seen if given]

    async def _reads(self, consumer: str, product: str, first: int) -> None:
        while True:
            await self._read(consumer, product, subject(f"P{first + self.chance.randrange(50)}"))


KINDS = (("yes", "health", "people"), ("strict-yes", "clinic", "secret"))


class Mortal:
    """The processes of a department, each of which can be killed and started again."""

    def __init__(self, store: StoreServer, keeper: KeeperProcess, api: DataApi) -> None:
        self._store, self._keeper, self._api = store, keeper, api

    def kill(self, victim: str) -> None:
        """End a process as no process can prevent."""
        if victim == "postgres":
            kill_all(int((self._store.data / "postmaster.pid").read_text().split()[0]))
            return
        process = (self._keeper if victim == "keeper" else self._api).process
        assert process is not None
        kill_all(process.pid)

    def restart(self, victim: str) -> None:
        """Start what was killed, and what ended with it, as a pod's restart policy would."""
        if victim == "postgres":
            self._store.stop()
            self._store.start()
        if victim == "data API":
            self._api.__exit__(None, None, None)
            self._api.__enter__()
        else:
            self._keeper.__exit__(None, None, None)
            self._keeper.__enter__()
