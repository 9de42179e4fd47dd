"""Reading through an agreement's door by its own login, and carrying out plans, for tests of the store alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from commonweal_api.plan import StorePlan, StoreReport, digest_of
from support.data_api import Exchange, keeping, login, person_product, plan
from support.postgres import HeritageServer, StoreServer

CLIENT, PURPOSE = "tax/app", "tax/serve"
FIRST = UUID(int=0)


class Doors:
    """One store whose keeper runs only while a plan is carried out: what holds afterwards, holds without it."""

    def __init__(self, store: StoreServer, heritage: HeritageServer) -> None:
        self.store, self.heritage = store, heritage
        self.exchange = Exchange(store.directory / "exchange")

    async def carry_out(self, wanted: StorePlan) -> StoreReport:
        """Have a keeper carry out a plan until every outcome is ready, dry runs excepted."""
        self.exchange.put(wanted)
        dry = [a for a in wanted.agreements if a.dry_run]
        async with keeping(self.store, self.exchange):
            if not dry:
                return await self.exchange.settled(wanted)
            digest = digest_of(wanted)

            def foreseen(report: StoreReport) -> StoreReport | None:
                return report if report.plan == digest and all(report.agreements[a.name].what_if is not None for a in dry) else None

            return await self.exchange.when(foreseen)

    async def opened(self, agreements: Mapping[str, dict[str, Any]], **product: Any) -> dict[str, int]:
        """Carry out a plan of the product `people` and these agreements; return the number of each."""
        report = await self.carry_out(plan({"people": person_product(self.heritage, **product)}, agreements))
        return {name: outcome.number or 0 for name, outcome in report.agreements.items()}

    async def reader(self, number: int) -> Any:
        """Return a connection of an agreement's login."""
        return await login(self.store, f"agr_{number}")

    def run(self, script: Callable[[Doors], Awaitable[Any]]) -> Any:
        """Run a script and return what it returns."""

        async def go() -> Any:
            return await script(self)

        return asyncio.run(go())


async def point(reader: Any, number: int, who: UUID, fields: str | None = None) -> str | None:
    """Read one person through the door of one transaction."""
    answer: str | None = await reader.fetchval(f"select door.a{number}_point($1, $2, $3, $4)", who, fields, CLIENT, PURPOSE)
    return answer


async def page(reader: Any, number: int, after: UUID = FIRST, most: int = 100) -> str:
    """Read a page through the door of one transaction."""
    answer: str = await reader.fetchval(f"select door.a{number}_page($1, $2, null, $3, $4)", after, most, CLIENT, PURPOSE)
    return answer


def listed(people: Sequence[UUID]) -> str:
    """Return people as the door's functions for several take them."""
    return "{" + ",".join(map(str, people)) + "}"


async def ask(reader: Any, number: int, *people: UUID, fields: str | None = None) -> list[str]:
    """Return a ticket of a Strict product for each person."""
    text = await reader.fetchval(f"select door.a{number}_ask($1, $2, $3, $4)", listed(people), fields, CLIENT, PURPOSE)
    return (text or "").splitlines()


async def take(reader: Any, number: int, *tickets: str) -> list[str]:
    """Return what the tickets give; empty is absent or denied."""
    text: str = await reader.fetchval(f"select door.a{number}_take($1)", "\n".join(tickets))
    return text.split("\n")


async def refused(asked: Awaitable[Any]) -> tuple[str | None, str]:
    """Return SQLSTATE and message of a refusal; a state of None says that there was none."""
    try:
        await asked
    except asyncpg.PostgresError as error:
        return error.sqlstate, str(error)
    return None, ""
