"""Reads through an agreement's door. Point reads that arrive while others are under way go to the store together: one commit for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.catalogue import Agreement
from commonweal_runtime.data_api.connections import ConnectionPools
from commonweal_runtime.exceptions import ProblemError, StoreUnreachableError
from commonweal_runtime.store.doors import MOST_TOGETHER
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.problems import Terms, problem_of

# Statements of one agreement under way at once. Where each waits for the disk, one: the reads that come meanwhile share the next flush. Where none
# waits, two: one, three and four were slower in pairs (0.93, 0.97 and 0.85 of it). Where a read is committed before its answer is taken, two as
# well: one commits while the other takes.
IN_FLIGHT = {"Durable": 1, "Deferred": 2, "Strict": 2}
# What the store answers when an agreement has been closed since the catalogue was read.
_CLOSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidPasswordError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.AdminShutdownError,
)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Who asks for what: equal requests can share a statement.

    `caller` is whom a model runtime answers; with `values` it has to be a client of the agreement itself. `permit` is the caller's own read under
    another agreement, without which nothing is given.
    """

    agreement: Agreement
    client: str
    purpose: str
    fields: str | None
    caller: str | None = None
    values: bool = False
    permit: ReadRequest | None = None


@dataclass(slots=True)
class _Queue:
    """Point reads of one agreement that wait, by request."""

    in_flight: int
    waiting: dict[ReadRequest, list[tuple[UUID, asyncio.Future[str | None]]]] = field(default_factory=dict)
    workers: set[asyncio.Task[Any]] = field(default_factory=set)


class Reader:
    """Asks the store and turns its refusals into Problems; never its text, which can hold data."""

    def __init__(self, pools: ConnectionPools, closed: Callable[[Agreement], Awaitable[ProblemError]]) -> None:
        self._pools, self._closed = pools, closed
        self._queues: dict[int, _Queue] = {}

    async def point(self, read: ReadRequest, subject: UUID) -> str | None:
        """Return one subject's JSON, or None if it is absent or denied, be it to a caller whose own read is asked for."""
        if read.permit is not None and await self.point(read.permit, subject) is None:
            return None
        if read.agreement.counted:  # a statement that the limit refuses is refused as a whole: each read has its own
            return await self._one(read, subject)
        queue = self._queue(read.agreement)
        if len(queue.workers) < queue.in_flight and not queue.waiting:
            return await self._alone(queue, read, subject)
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        queue.waiting.setdefault(read, []).append((subject, future))
        self._start(queue)
        return await future

    async def page(self, read: ReadRequest, after: UUID, limit: int) -> str | None:
        """Return the JSON of up to `limit` records after a subject."""
        operation = "askpage" if read.agreement.strict else "page"
        found = await self._through(read, operation, after, limit)
        return found if not read.agreement.strict or found is None else await self._take(read, found) or None

    def _queue(self, agreement: Agreement) -> _Queue:
        queue = self._queues.setdefault(agreement.number, _Queue(0))
        queue.in_flight = IN_FLIGHT[agreement.durability]
        return queue

    async def _alone(self, queue: _Queue, read: ReadRequest, subject: UUID) -> str | None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no running task")
        queue.workers.add(task)
        try:
            return await self._one(read, subject)
        finally:
            self._ended(queue, task)

    def _start(self, queue: _Queue) -> None:
        if queue.waiting and len(queue.workers) < queue.in_flight:
            worker = asyncio.create_task(self._drain(queue))
            queue.workers.add(worker)
            worker.add_done_callback(lambda ended: self._ended(queue, ended))

    def _ended(self, queue: _Queue, worker: asyncio.Task[Any]) -> None:
        """Make room, and look again: a read that came after the worker's last look, but before its end, found no room and waits."""
        queue.workers.discard(worker)
        self._start(queue)

    async def _drain(self, queue: _Queue) -> None:
        while queue.waiting:
            read = next(iter(queue.waiting))
            reads = queue.waiting.pop(read)
            reads, later = reads[:MOST_TOGETHER], reads[MOST_TOGETHER:]
            if later:
                queue.waiting[read] = later
            await self._together(read, reads)

    async def _together(self, read: ReadRequest, reads: list[tuple[UUID, asyncio.Future[str | None]]]) -> None:
        try:
            answers = await self._several(read, [subject for subject, _ in reads])
        except BaseException as error:
            for _, future in reads:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else problems.store_unavailable())
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(reads, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _several(self, read: ReadRequest, subjects: list[UUID]) -> list[str | None]:
        if len(subjects) == 1:
            return [await self._one(read, subjects[0])]
        listed = "{" + ",".join(map(str, subjects)) + "}"
        if read.agreement.strict:
            text = await self._take(read, await self._through(read, "ask", listed))
        else:
            text = await self._through(read, "points", listed)
        return [line or None for line in (text or "").split("\n")]

    async def _one(self, read: ReadRequest, subject: UUID) -> str | None:
        if read.agreement.strict:
            return await self._take(read, await self._through(read, "ask", f"{{{subject}}}")) or None
        return await self._through(read, "point", subject)

    async def _take(self, read: ReadRequest, tickets: str | None) -> str | None:
        """Return what was asked for: the read is committed by now, so no answer can leave without its record."""
        number = read.agreement.number
        return await self._ask(read.agreement, f"select door.a{number}_take($1)", tickets)

    async def _through(self, read: ReadRequest, operation: str, *what: object) -> str | None:
        """Return the answer of one operation of the door, for this client, purpose and fields."""
        who = (read.fields, read.client, read.purpose, *([] if read.caller is None else [read.caller, read.values]))
        places = ", ".join(f"${n + 1}" for n in range(len(what) + len(who)))
        statement = f"select door.a{read.agreement.number}_{operation}({places})"
        return await self._ask(read.agreement, statement, *what, *who)

    async def _ask(self, agreement: Agreement, statement: str, *args: object) -> str | None:
        try:
            return await self._pools.call(login_of(agreement.number), statement, *args)
        except StoreUnreachableError:
            raise problems.store_unavailable() from None
        except asyncpg.PostgresError as error:
            raise await self._refusal(agreement, error) from None

    async def _refusal(self, agreement: Agreement, error: asyncpg.PostgresError) -> ProblemError:
        if isinstance(error, _CLOSED):
            return await self._closed(agreement)
        return problem_of(error, Terms(agreement.name, tuple(agreement.purposes), tuple(agreement.fields)))
