"""The committed SQL of one agreement does what it is shown for: it opens the agreed fields of those who consented, and nothing once it is closed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from commonweal_runtime.store.logins import verifier_of
from commonweal_runtime.store.names import literal, login_of
from commonweal_runtime.store.schema import migrate
from support import promise
from support.data_api import DATABASE_KEY, login
from support.doors import refused
from support.postgres import StoreServer

GOLDEN = Path(__file__).parents[2] / "golden" / "store" / "agreement.sql"
YES, NO = UUID(int=1), UUID(int=2)
TABLE = f'product."{promise.product().relation}"'
NUMBER = promise.NUMBER
READ = f"select door.a{NUMBER}_point($1, null, $2, $3)"


def part(what: str) -> str:
    """Return the statements under one heading of the file."""
    return GOLDEN.read_text().partition(f"-- {what}.\n")[2].partition("\n-- ")[0]


async def prepared(root: Any) -> None:
    """Lay down a store with the product's table, two people and their words."""
    await migrate(root)
    await root.execute(part(promise.MADE))
    await root.execute(
        "insert into agreement.product (uid, name, relation, spec, unfilled, contract) values ('uid-of-companies', 'companies', $1, '{}', '{}', 'c')",
        promise.product().relation,
    )
    await root.execute(
        "insert into agreement.gate (product, answered_on, passed_until) values ('uid-of-companies', 'infinity', 'infinity');"
        f"insert into agreement.register (number, uid, name, product, in_force) values ({NUMBER}, 'uid-of-the-agreement', 'a', 'uid-of-companies', true)"
    )
    await root.executemany(
        f'insert into {TABLE} (subject, "companyName", status, trading) values ($1, $2, $3, true)',
        [(YES, "A", "Active"), (NO, "B", "Active")],
    )
    await root.execute(f"insert into consent.event (subject, agreement, kind, contract) values ($1, {NUMBER}, 'Given', 'c')", YES)


def test_the_committed_sql_opens_exactly_what_was_agreed_and_closes_it(store: StoreServer) -> None:
    async def script() -> None:
        root = await store.superuser("department")
        await prepared(root)
        await root.execute(part(promise.OPENED))
        await root.execute(f"alter role {login_of(NUMBER)} password {literal(verifier_of(DATABASE_KEY, login_of(NUMBER)))}")
        reader = await login(store, login_of(NUMBER))
        given = json.loads(await reader.fetchval(READ, YES, promise.CLIENT, promise.PURPOSE))
        assert given["record"] == {"companyName": "A", "trading": True}
        assert await reader.fetchval(READ, NO, promise.CLIENT, promise.PURPOSE) is None
        assert await root.fetchval("select count(*) from audit.use") == 2
        assert (await refused(reader.fetchval(READ, YES, promise.CLIENT, "another/purpose")))[0] == "CW001"
        assert (await refused(reader.fetchval(f"select * from {TABLE}")))[0] == "42501"
        await root.execute(part(promise.SHUT))
        assert (await refused(reader.fetchval(READ, YES, promise.CLIENT, promise.PURPOSE)))[0] in {"42883", "42501"}
        await reader.close()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await login(store, login_of(NUMBER))
        for _ in range(2):
            await root.execute(part(promise.CLEARED))
        assert await root.fetchval("select count(*) from pg_roles where rolname ~ '^agr_'") == 0
        assert await root.fetchval("select count(*) from pg_policy where polname ~ '^a[0-9]'") == 0
        await root.close()

    asyncio.run(script())
