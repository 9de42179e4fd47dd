"""A department's people, their delegates and its registrar, with the logins that the data API uses for them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from commonweal_api.plan import StorePlan
from support.data_api import agreement, login, person_product, plan, subject
from support.doors import Doors, refused

CHILD, PARENT, ADVISER, STRANGER = subject("P10"), subject("P11"), subject("P12"), subject("P13")
REASON = "An investigation that a notice would defeat."
ALL_ACTS = "See,Consent,Object,Export"


@dataclass
class People:
    """The roles `person` and `api`, and a superuser."""

    doors: Doors
    wanted: StorePlan
    numbers: dict[str, int]
    person: Any
    api: Any
    root: Any

    async def call(self, function: str, *args: object) -> Any:
        """Call a function of schema `person` and return its JSON."""
        places = ", ".join(f"${n}" for n in range(1, len(args) + 1))
        return json.loads(await self.person.fetchval(f"select person.{function}({places})", *args))

    async def state(self, function: str, *args: object) -> str | None:
        """Return the SQLSTATE with which a call is refused."""
        return (await refused(self.call(function, *args)))[0]

    async def delegate(self, type_: str, delegate: UUID, acts: str = ALL_ACTS, agreements: str | None = None, days: float = 30) -> UUID:
        """Have CHILD, or the registrar for a parent, make a delegation; return its id."""
        ends = datetime.now(UTC) + timedelta(days=days)
        if type_ == "Parent":
            text = await self.api.fetchval(
                "select registrar.delegate('registry/desk', $1, $2, $3, $4, $5, null, $6)", CHILD, delegate, type_, acts, agreements, ends
            )
            return UUID(json.loads(text)["id"])
        return UUID((await self.call("delegate", CHILD, CHILD, delegate, type_, acts, agreements, None, ends))["id"])

    def named(self, consumer: str) -> StorePlan:
        """Return the plan with the consumers called so."""
        return self.wanted.model_copy(
            update={"agreements": [a.model_copy(update={"consumer_name": consumer}) for a in self.wanted.agreements]}
        )

    async def end_all(self) -> None:
        """End every delegation, as a registrar could."""
        for row in await self.root.fetch("select delegation from consent.delegations where ended_at is null"):
            await self.root.execute("select consent.finish_delegation($1, 'test')", row["delegation"])


def _agreements() -> dict[str, Any]:
    listed = agreement("Consent", fields=["fullName", "area"])
    listed["subjects"]["delegation"] = ["Parent", "Attorney"]
    task = agreement("PublicTask", consumer="health")
    task["subjects"]["delegation"] = ["Adviser"]
    hidden = {"visibility": "Suppressed", "reason": REASON}
    late = {"visibility": "Delayed", "delayDays": 7, "reason": REASON}
    return {
        "yes": listed,
        "task": task,
        "closed": agreement("LegalObligation", transparency=hidden, fields=["fullName", "income"]),
        "late": agreement("VitalInterests", transparency=late),
        "treaty": agreement("Contract", fields=["score"]),
    }


@asynccontextmanager
async def people(doors: Doors) -> AsyncIterator[People]:
    """Carry out the plan and log in."""
    products = {
        "people": person_product(doors.heritage, owner={"steward": "mailto:a@example.test", "complaints": "https://example.test/complain"})
    }
    wanted = plan(products, _agreements()).model_copy(update={"registrars": ["desk"]})
    report = await doors.carry_out(wanted)
    numbers = {name: outcome.number or 0 for name, outcome in report.agreements.items()}
    connections = [await login(doors.store, "person"), await login(doors.store, "api"), await doors.store.superuser("department")]
    told = People(doors, wanted, numbers, *connections)
    try:
        await told.end_all()
        yield told
    finally:
        for connection in connections:
            connection.terminate()


async def read(told: People, name: str, who: UUID) -> str | None:
    reader = await told.doors.reader(told.numbers[name])
    purpose = "health" if name == "task" else "tax"
    statement = f"select door.a{told.numbers[name]}_point($1, null, $2, $3)"
    try:
        answer: str | None = await reader.fetchval(statement, who, f"{purpose}/app", f"{purpose}/serve")
        return answer
    finally:
        reader.terminate()
