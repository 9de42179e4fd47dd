"""Reads through an agreement's door. Point reads that arrive while others are under way go to the store together: one commit for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_runtime.data_api import refusals
from commonweal_runtime.data_api.catalogue import Agreement
from commonweal_runtime.data_api.lanes import Lanes, UnreachableError
from commonweal_runtime.problems import Problem
from commonweal_runtime.store.doors import MOST_TOGETHER
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.problems import Terms, problem_of

# Statements of one agreement under way at once. Where each waits for the disk, one: the reads that come meanwhile share the next flush. Where none
# waits, two: one, three and four were slower in pairs (0.93, 0.97 and 0.85 of it). Where a question is committed before its answer is taken, two as
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
class Question:
    """Who asks for what: reads with the same question can share a statement."""

    agreement: Agreement
    client: str
    purpose: str
    fields: str | None


@dataclass(slots=True)
class _Queue:
    """Point reads of one agreement that wait, by question."""

    in_flight: int
    waiting: dict[Question, list[tuple[UUID, asyncio.Future[str | None]]]] = field(default_factory=dict)
    workers: set[asyncio.Task[Any]] = field(default_factory=set)


class Reader:
    """Asks the store and turns its refusals into Problems; never its text, which can hold data."""

    def __init__(self, lanes: Lanes, closed: Callable[[Agreement], Awaitable[Problem]]) -> None:
        self._lanes, self._closed = lanes, closed
        self._queues: dict[int, _Queue] = {}

    async def point(self, question: Question, subject: UUID) -> str | None:
        """Return one subject's JSON, or None if it is absent or denied."""
        if question.agreement.counted:  # a statement that the limit refuses is refused as a whole: each read has its own
            return await self._one(question, subject)
        queue = self._queue(question.agreement)
        if len(queue.workers) < queue.in_flight and not queue.waiting:
            return await self._alone(queue, question, subject)
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        queue.waiting.setdefault(question, []).append((subject, future))
        self._start(queue)
        return await future

    async def page(self, question: Question, after: UUID, limit: int) -> str | None:
        """Return the JSON of up to `limit` records after a subject."""
        operation = "askpage" if question.agreement.strict else "page"
        found = await self._through(question, operation, after, limit)
        return found if not question.agreement.strict or found is None else await self._take(question, found) or None

    def _queue(self, agreement: Agreement) -> _Queue:
        queue = self._queues.setdefault(agreement.number, _Queue(0))
        queue.in_flight = IN_FLIGHT[agreement.durability]
        return queue

    async def _alone(self, queue: _Queue, question: Question, subject: UUID) -> str | None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("no running task")
        queue.workers.add(task)
        try:
            return await self._one(question, subject)
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
            question = next(iter(queue.waiting))
            reads = queue.waiting.pop(question)
            reads, later = reads[:MOST_TOGETHER], reads[MOST_TOGETHER:]
            if later:
                queue.waiting[question] = later
            await self._together(question, reads)

    async def _together(self, question: Question, reads: list[tuple[UUID, asyncio.Future[str | None]]]) -> None:
        try:
            answers = await self._several(question, [subject for subject, _ in reads])
        except BaseException as error:
            for _, future in reads:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else refusals.store_unavailable())
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(reads, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _several(self, question: Question, subjects: list[UUID]) -> list[str | None]:
        if len(subjects) == 1:
            return [await self._one(question, subjects[0])]
        listed = "{" + ",".join(map(str, subjects)) + "}"
        if question.agreement.strict:
            text = await self._take(question, await self._through(question, "ask", listed))
        else:
            text = await self._through(question, "points", listed)
        return [line or None for line in (text or "").split("\n")]

    async def _one(self, question: Question, subject: UUID) -> str | None:
        if question.agreement.strict:
            return await self._take(question, await self._through(question, "ask", f"{{{subject}}}")) or None
        return await self._through(question, "point", subject)

    async def _take(self, question: Question, tickets: str | None) -> str | None:
        """Return what was asked for: the question is committed by now, so no answer can leave without its record."""
        number = question.agreement.number
        return await self._ask(question.agreement, f"select door.a{number}_take($1)", tickets)

    async def _through(self, q: Question, operation: str, *what: object) -> str | None:
        """Return the answer of one operation of the door, for this client, purpose and fields."""
        places = ", ".join(f"${n + 1}" for n in range(len(what) + 3))
        statement = f"select door.a{q.agreement.number}_{operation}({places})"
        return await self._ask(q.agreement, statement, *what, q.fields, q.client, q.purpose)

    async def _ask(self, agreement: Agreement, statement: str, *args: object) -> str | None:
        try:
            return await self._lanes.call(login_of(agreement.number), statement, *args)
        except UnreachableError:
            raise refusals.store_unavailable() from None
        except asyncpg.PostgresError as error:
            raise await self._refusal(agreement, error) from None

    async def _refusal(self, agreement: Agreement, error: asyncpg.PostgresError) -> Problem:
        if isinstance(error, _CLOSED):
            return await self._closed(agreement)
        return problem_of(error, Terms(agreement.name, tuple(agreement.purposes), tuple(agreement.fields)))
