"""The store under attack: agreements of several kinds, and the logins that attack it."""

from __future__ import annotations

import uuid
from typing import Any

from support.data_api import agreement, login, person_product, plan, subject
from support.doors import CLIENT, PURPOSE, Doors

YES, NO, NOBODY = subject("P2"), subject("P3"), uuid.UUID(int=7)
STRICT = {"refreshSeconds": 5, "auditDurability": "Strict"}
READ = f"null, '{CLIENT}', '{PURPOSE}'"


class Target:
    """A consent agreement without limits, one with them, and one on a Strict product; even people have said yes to all."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        specs = {
            "own": agreement(fields=["fullName", "birthYear", "area"]),
            "few": agreement("LegalObligation", limits={"maxRows": 100, "requests": {"max": 5, "seconds": 3600}}),
            "once": agreement("LegalObligation", limits={"maxRows": 100, "once": True}),
            "strict": agreement(product="secret", fields=["fullName"]),
            "hidden": agreement(
                "LegalObligation", transparency={"visibility": "Suppressed", "reason": "An investigation that a notice would defeat."}
            ),
        }
        products = {"people": person_product(doors.heritage), "secret": person_product(doors.heritage, serve=STRICT)}
        self.plan = plan(products, specs)
        self.numbers: dict[str, int] = {}
        doors.run(self._prepare)

    async def _prepare(self, doors: Doors) -> None:
        report = await doors.carry_out(self.plan)
        self.numbers = {name: outcome.number or 0 for name, outcome in report.agreements.items()}
        person = await login(doors.store, "person")
        for n in range(2, 61, 2):
            for name in ("own", "strict"):
                await person.execute("select person.give($1, $1, $2, 'Given')", subject(f"P{n}"), name)
        await person.close()

    def attack(self, run: Any, name: str = "own") -> Any:
        """Return what `run(connection, number)` gets out of an agreement's login."""

        async def script(doors: Doors) -> Any:
            connection = await doors.reader(self.numbers[name])
            try:
                return await run(connection, self.numbers[name])
            finally:
                connection.terminate()

        return self.doors.run(script)

    def truth(self, sql: str, *args: Any) -> Any:
        """Return one value as the superuser sees it, or do something as the superuser."""

        async def script(doors: Doors) -> Any:
            root = await doors.store.superuser("department")
            try:
                return await root.fetchval(sql, *args)
            finally:
                await root.close()

        return self.doors.run(script)

    def rewind(self) -> None:
        """Give every allowance back."""
        self.truth("delete from agreement.allowance")
