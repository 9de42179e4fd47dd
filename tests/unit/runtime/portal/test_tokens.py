"""Tokens of many departments: one person's pages never ask the issuer for more at once than it gives, and no person waits for another."""

from __future__ import annotations

import asyncio
from typing import Any

from commonweal_runtime.portal.issuer import Tokens
from commonweal_runtime.portal.visits import Session

DEPARTMENTS = [f"body-{n}" for n in range(97)]


class Gate:
    """An issuer that answers once it is opened, and counts who waits."""

    def __init__(self) -> None:
        self.open, self.under_way, self.most, self.asked = asyncio.Event(), dict[str, int](), 0, 0

    async def exchange(self, session: Session, department: str) -> tuple[str, float]:
        self.asked += 1
        self.under_way[session.sid] = self.under_way.get(session.sid, 0) + 1
        self.most = max(self.most, self.under_way[session.sid])
        await self.open.wait()
        self.under_way[session.sid] -= 1
        return f"{session.sid} at {department}", 600.0


def session(name: str) -> Session:
    return Session(token=name, id_token="", sid=name, name=name, started=0, seen=0)


async def _asked() -> tuple[Gate, dict[str, int], list[str], list[str]]:
    gate: Any = Gate()
    tokens = Tokens(gate, lambda: 0.0)
    ada, ben = session("ada"), session("ben")
    waiting = asyncio.gather(*(tokens.of(one, name) for one in (ada, ben) for name in DEPARTMENTS))
    for _ in range(5):
        await asyncio.sleep(0)
    at_once = dict(gate.under_way)
    gate.open.set()
    found = await waiting
    again = [await tokens.of(ada, name) for name in DEPARTMENTS]
    return gate, at_once, found, again


def test_a_hundred_bodies_are_asked_for_a_few_at_a_time_and_each_person_has_turns_of_their_own() -> None:
    gate, at_once, found, again = asyncio.run(_asked())
    assert at_once == {"ada": Tokens.AT_ONCE, "ben": Tokens.AT_ONCE}
    assert gate.most == Tokens.AT_ONCE
    assert found == [f"{name} at {department}" for name in ("ada", "ben") for department in DEPARTMENTS]
    assert again == found[: len(DEPARTMENTS)]
    assert gate.asked == 2 * len(DEPARTMENTS)
