"""DecisionLog: decisions, rewards and sums in PostgreSQL. Every promise of «exactly once» is kept here, by transactions."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import asyncpg
import numpy as np

from commonweal_runtime.models.learning import PHI, Array, Row, Space, Sums
from commonweal_runtime.store.passwords import AWAY

STORE_ERRORS = AWAY
_SETUP_LOCK = 0x636F6D6D6F6E  # any number that no one else locks


@dataclass(frozen=True)
class Decided:
    """One decision as it is logged. `phi` and `offered` are None for a baseline answer, which knows nothing of the person."""

    event: str
    request: bytes
    subjects: Mapping[str, str]
    actions: Sequence[str]
    probabilities: Sequence[float]
    pick: int
    phi: bytes | None
    offered: bytes | None
    sums: str
    rows: int
    withheld: Sequence[str]
    baseline: bool

    @property
    def action(self) -> str:
        """The action that was chosen."""
        return self.actions[self.pick]

    @property
    def propensity(self) -> float:
        """Probability with which it was to be chosen."""
        return self.probabilities[self.pick]


class ModelRef(NamedTuple):
    """Where a model's decisions lie: the numbers of its service and of its feature space."""

    service: int
    space: int


class TrainingExample(NamedTuple):
    """A row with its number in the order of learning."""

    number: int
    row: Row


class Joined(NamedTuple):
    """What became of a reward: outcome is Joined, Duplicate, Conflict or Unknown; `example` is set when it is to be learnt."""

    outcome: str
    late: bool
    learnt: bool
    example: TrainingExample | None


class State(NamedTuple):
    """Sums, and the number of the last example in them."""

    sums: Sums
    lesson: int


class Forgotten(NamedTuple):
    """How many decisions no longer name the person, how many rows were taken out, and the sums without them."""

    decisions: int
    unlearned: int
    state: State


class TrainingExamples(NamedTuple):
    """What was learnt after some example: all of it up to `upto`. `forgot` is the number at which rows were last taken out."""

    upto: int
    forgot: int
    examples: list[TrainingExample]


_INSERT = """
WITH made AS (
    INSERT INTO learning.decision (service, space, event, request, subjects, actions, probabilities, pick, phi, offered, sums, rows, withheld, baseline,
                                   caller)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (service, event) DO NOTHING RETURNING 1
) SELECT (SELECT count(*) FROM made) AS made, lesson FROM learning.space WHERE id = $2
"""
_FIND = """
SELECT event, request, subjects, actions, probabilities, pick, phi, offered, sums, rows, withheld, baseline
FROM learning.decision WHERE service = $1 AND event = $2
"""
_SINCE = """
SELECT lesson, actions[pick + 1] AS action, phi, reward, probabilities[pick + 1] AS propensity
FROM learning.decision WHERE space = $1 AND lesson > $2 ORDER BY lesson
"""
_OF_SUBJECT = """
SELECT event, space, lesson, actions[pick + 1] AS action, phi, reward, probabilities[pick + 1] AS propensity
FROM learning.decision WHERE service = $1 AND NOT baseline AND subjects @> $2 ORDER BY event FOR UPDATE
"""
_FORGET_ELSEWHERE = """
DELETE FROM learning.snapshot n USING learning.space s WHERE n.space = s.id AND s.service = $1 AND s.id <> $2
"""
_ERASE = """
UPDATE learning.decision SET subjects = '{}', phi = NULL, offered = NULL, lesson = NULL WHERE service = $1 AND event = ANY($2)
"""
_ACTIVATE = """
WITH old AS (SELECT activated FROM learning.decision WHERE service = $1 AND event = $2 AND coalesce(caller, $3) = $3 FOR UPDATE)
UPDATE learning.decision d SET activated = coalesce(d.activated, clock_timestamp()) FROM old
WHERE d.service = $1 AND d.event = $2 RETURNING old.activated IS NULL AS first
"""
# The join takes the event from the row, so it is not made of an event of somebody else's.
_REWARD = """
SELECT j.* FROM learning.decision d, LATERAL learning.join_reward(d.service, d.event, $3, $4, $5) j
WHERE d.service = $1 AND d.event = $2 AND coalesce(d.caller, $6) = $6
"""
_COUNTS = """
SELECT count(*) AS decisions, count(*) FILTER (WHERE baseline) AS baseline, count(activated) AS activated, count(reward) AS rewarded,
       count(*) FILTER (WHERE late) AS late, count(lesson) AS learned, avg(reward) AS "meanReward"
FROM learning.decision WHERE service = $1
"""
_SAVE = """
INSERT INTO learning.snapshot (space, lesson, sums, digest) VALUES ($1, $2, $3, $4)
ON CONFLICT (space) DO UPDATE SET lesson = excluded.lesson, sums = excluded.sums, digest = excluded.digest, at = now()
WHERE learning.snapshot.lesson <= excluded.lesson
"""


class DecisionLog:
    """Reads and writes the log. Its methods raise asyncpg's errors and OSError when the store is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def set_up(self) -> None:
        """Make the schema if it is not there; safe when several processes start at once."""
        async with self._pool.acquire() as c, c.transaction():
            await c.execute("SELECT pg_advisory_xact_lock($1)", _SETUP_LOCK)
            await c.execute(files("commonweal_runtime.models").joinpath("schema.sql").read_text())

    async def reachable(self) -> bool:
        """Return whether the store answers within a second."""
        try:
            await self._pool.fetchval("SELECT 1", timeout=1.0)
        except STORE_ERRORS:
            return False
        return True

    async def register(self, uid: str, name: str, space: Space) -> ModelRef:
        """Return where the model's decisions lie; a new uid or a changed feature space begins empty."""
        async with self._pool.acquire() as c, c.transaction():
            service = await c.fetchval(
                "INSERT INTO learning.service (uid, name) VALUES ($1, $2) ON CONFLICT (uid) DO UPDATE SET name = excluded.name RETURNING id",
                uid,
                name,
            )
            number = await c.fetchval(
                """INSERT INTO learning.space (service, digest, definition) VALUES ($1, $2, $3)
                ON CONFLICT (service, digest) DO UPDATE SET digest = excluded.digest RETURNING id""",
                service,
                space.digest(),
                json.dumps(space.wire()),
            )
        return ModelRef(service, number)

    async def find(self, ref: ModelRef, event: str) -> Decided | None:
        """Return the decision on an event, or None."""
        r = await self._pool.fetchrow(_FIND, ref.service, event)
        return Decided(**(dict(r) | {"subjects": json.loads(r["subjects"])})) if r else None

    async def append(self, ref: ModelRef, d: Decided, caller: str) -> tuple[bool, int]:
        """Log a decision, durably, which is its caller's from then on. Return whether it is the first on its event, and the number of the latest example that anyone has learnt."""
        values = (json.dumps(d.subjects), d.actions, d.probabilities, d.pick, d.phi, d.offered, d.sums, d.rows, d.withheld, d.baseline)
        r = await self._pool.fetchrow(_INSERT, *ref, d.event, d.request, *values, caller)
        return bool(r["made"]), r["lesson"]

    async def activate(self, ref: ModelRef, event: str, caller: str) -> bool | None:
        """Note that a decision was shown. Return True the first time, False again, None when the caller has no such decision."""
        r = await self._pool.fetchrow(_ACTIVATE, ref.service, event, caller)
        return r["first"] if r else None

    async def reward(self, ref: ModelRef, space: Space, event: str, value: float, wait: int, *, caller: str) -> Joined:
        """Join a reward to a decision of the caller's and number the example, in one transaction."""
        r = await self._pool.fetchrow(_REWARD, ref.service, event, value, ref.space, wait, caller)
        if r is None:
            return Joined("Unknown", late=False, learnt=False, example=None)
        learnt = r["lesson"] is not None
        return Joined(r["outcome"], bool(r["late"]), learnt, _example(space, r) if learnt and r["outcome"] == "Joined" else None)

    async def since(self, ref: ModelRef, space: Space, lesson: int) -> TrainingExamples:
        """Return all examples after that one, in order. An example is committed before the next one begins, so none is missed."""
        async with self._pool.acquire() as c, c.transaction(isolation="repeatable_read", readonly=True):
            head = await c.fetchrow("SELECT lesson, forgot FROM learning.space WHERE id = $1", ref.space)
            rows = await c.fetch(_SINCE, ref.space, lesson)
        return TrainingExamples(head["lesson"], head["forgot"], [_example(space, r) for r in rows])

    async def forget(self, ref: ModelRef, subjects: Mapping[str, str], known: State) -> Forgotten:
        """Take out what was learnt from a person and erase who they were, in one transaction.

        `known` may lag behind and is brought up to date; it must be the caller's to change. Rewards wait for the short time that this takes.
        """
        sums, space = known.sums, known.sums.space
        async with self._pool.acquire() as c, c.transaction():
            found = {r["event"]: r for s in subjects.items() for r in await c.fetch(_OF_SUBJECT, ref.service, json.dumps(dict([s])))}
            lesson = await c.fetchval("SELECT lesson FROM learning.space WHERE id = $1 FOR UPDATE", ref.space)
            for r in await c.fetch(_SINCE, ref.space, known.lesson):
                sums.add(_example(space, r).row)
            learnt = [_example(space, r).row for r in found.values() if r["lesson"] is not None and r["space"] == ref.space]
            for row in learnt:
                sums.add(row, -1)
            data = await asyncio.to_thread(sums.dump)
            await c.execute("UPDATE learning.space SET lesson = $2, forgot = $2 WHERE id = $1", ref.space, lesson + 1)
            await c.execute(_SAVE, ref.space, lesson + 1, data, sums.digest())
            await c.execute(_FORGET_ELSEWHERE, *ref)
            await c.execute(_ERASE, ref.service, list(found))
        return Forgotten(len(found), len(learnt), State(sums, lesson + 1))

    async def load(self, ref: ModelRef, space: Space) -> State:
        """Return the sums as last saved, empty if never. Raises ValueError when they are damaged; the log can then rebuild them."""
        r = await self._pool.fetchrow("SELECT lesson, sums, digest FROM learning.snapshot WHERE space = $1", ref.space)
        if r is None:
            return State(Sums(space), 0)
        try:
            sums = Sums.load(r["sums"])
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError("the saved sums cannot be read") from error
        if sums.space != space or sums.digest() != r["digest"]:
            raise ValueError("the saved sums do not match their digest")
        return State(sums, r["lesson"])

    async def save(self, ref: ModelRef, lesson: int, sums: bytes, digest: str) -> None:
        """Keep the sums as they are after an example; older ones never replace newer ones."""
        await self._pool.execute(_SAVE, ref.space, lesson, sums, digest)

    async def counts(self, ref: ModelRef) -> dict[str, Any]:
        """Return how many decisions there are, by what became of them, and the mean reward (None before the first)."""
        return dict(await self._pool.fetchrow(_COUNTS, ref.service))


def packed(phi: Array) -> bytes:
    """Return grid values as 16-bit numerators: exact, for no phi is longer than 1."""
    return np.asarray(phi / PHI, dtype="<i2").tobytes()


def unpacked(data: bytes) -> Array:
    """Return what `packed` packed."""
    return np.frombuffer(data, dtype="<i2").astype(np.float64) * PHI


def _example(space: Space, r: Mapping[str, Any]) -> TrainingExample:
    return TrainingExample(r["lesson"], Row.of(space, r["action"], unpacked(r["phi"]), r["reward"], r["propensity"]))
