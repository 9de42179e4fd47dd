"""A store made before the first release is recognised by its ledger and goes on as one that was made today; any other is refused and left as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from commonweal_runtime.audit.verify import verify
from commonweal_runtime.exceptions import StoreSchemaError
from commonweal_runtime.migration.tables import digests
from commonweal_runtime.store import schema
from commonweal_runtime.store.schema import BASE, migrate, migrations
from support.audit import KEYS, Ledger
from support.catalogue import differences, schema_of
from support.data_api import keeping, login
from support.doors import Doors, point
from support.founded import CHILD, ERASED, GIVEN, OBJECTED, PARENT, RENEWED, WITHDRAWN, plan_then, restore
from support.postgres import HeritageServer, StoreServer
from support.waiting import until_none

LEDGER = "commonweal.migration"
UNSEALED = """select (select count(*) from audit.use u where audit.sealed_in(u.tx) is null) + (select count(*) from consent.event e
  where audit.sealed_in(e.tx) is null)"""


@pytest.fixture(scope="module")
def fresh() -> Iterator[dict[str, str]]:
    """The schema of a store that this release installs."""
    with StoreServer() as server:
        yield asyncio.run(_with(server, _installed))


@pytest.fixture(scope="module")
def base_line() -> dict[str, str]:
    """The schema of the base line alone."""

    async def script(root: Any) -> dict[str, str]:
        assert await migrate(root) == 1
        return await schema_of(root)

    with StoreServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: migrations()[:1])
        return asyncio.run(_with(server, script))


@pytest.fixture
def founded() -> Iterator[StoreServer]:
    """A store as e0dec75 left it."""
    with StoreServer() as server:
        restore(server)
        yield server


async def _with(server: StoreServer, script: Callable[[Any], Awaitable[Any]]) -> Any:
    root = await server.superuser("department")
    try:
        return await script(root)
    finally:
        await root.close()


async def _installed(root: Any) -> dict[str, str]:
    assert await migrate(root) == len(migrations())
    assert await migrate(root) == 0
    return await schema_of(root)


# columns that migrations have added, and filled, since
LATER = ["consumer_name", "words", "said", "complaint_days", "consumer_name_cy", "words_cy", "display_name_cy", "models", "matching"]


async def _rows(root: Any) -> dict[str, str]:
    """Return all rows of every table but the ledger and without later columns; of uses, of what is sealed of them: a new column leaves the bytes of old rows."""
    uses = await root.fetchval("select string_agg(encode(audit.use_bytes(u), 'hex'), ' ' order by u.id) from audit.use u")
    rows = "select coalesce(string_agg(r, ' ' order by r), '') from (select (to_jsonb(t) - $1::text[])::text as r from {} t) x"
    return {table: await root.fetchval(rows.format(table), LATER) for table in await digests(root) if table != LEDGER} | {"audit.use": uses}


async def _ledger(root: Any) -> list[tuple[int, str]]:
    return [tuple(row) for row in await root.fetch(f"select version, digest from {LEDGER} order by version")]


def test_an_adopted_stores_schema_is_that_of_a_fresh_one_and_its_data_are_untouched(founded: StoreServer, fresh: dict[str, str]) -> None:
    async def script(root: Any) -> None:
        assert len(await _ledger(root)) == 28
        before = await _rows(root)
        assert await root.fetchval("select count(*) from audit.use") > 5
        assert await migrate(root) == len(migrations()) - 1, "all but the base line, which it is already"
        after = await _rows(root)
        assert {table: after[table] for table in before} == before
        in_force = await root.fetchval("select count(*) from agreement.register where in_force")
        assert (
            await root.fetchval("select count(*) from agreement.signed_before where until < now() + interval '181 days'") == in_force == 3
        )
        assert differences(await schema_of(root), fresh) == {}
        assert await migrate(root) == 0

    asyncio.run(_with(founded, script))


def test_a_store_of_that_time_differs_in_its_ledger_only(founded: StoreServer, base_line: dict[str, str]) -> None:
    """What the trail of 28 files made, object by object, is what the base line makes."""

    async def script(root: Any) -> None:
        assert {name.partition(" ")[0] for name in differences(await schema_of(root), base_line)} == {"ledger"}

    asyncio.run(_with(founded, script))


def test_an_adopted_store_serves_on(founded: StoreServer, heritage: HeritageServer) -> None:
    """Numbers, consents, erasures, delegations, uses and the sealed chain are those of before, and go on."""

    async def script(doors: Doors) -> None:
        root = await founded.superuser("department")
        numbers = {r["name"]: r["number"] for r in await root.fetch("select name, number from agreement.register")}
        said, used = await root.fetchval("select max(seq) from consent.event"), await root.fetchval("select max(id) from audit.use")
        report = await doors.carry_out(plan_then(heritage))
        assert {name: outcome.number for name, outcome in report.agreements.items()} == numbers
        assert await root.fetchval("select max(seq) from consent.event") == said, "no word ended or was said again"
        yes = await doors.reader(numbers["yes"])
        shown = {who: await point(yes, numbers["yes"], who) is not None for who in (GIVEN, RENEWED, CHILD, WITHDRAWN, OBJECTED, ERASED)}
        assert shown == {GIVEN: True, RENEWED: True, CHILD: True, WITHDRAWN: False, OBJECTED: False, ERASED: False}
        person = await login(founded, "person")
        assert json.loads(await person.fetchval("select person.erase($1, $1, 'people')", ERASED))["state"] == "Erased"
        uses = json.loads(await person.fetchval("select person.uses($1, $1, $2, 100)", GIVEN, used + 1))["items"]
        assert {use["agreement"] for use in uses} == {"yes", "seldom", "task"}
        child = json.loads(await person.fetchval("select person.consents($1, $2)", PARENT, CHILD))["items"]
        assert next(item for item in child if item["agreement"] == "yes")["consent"]["state"] == "Given"
        await person.execute("select person.give($1, $2, 'yes', 'Withdrawn')", PARENT, CHILD)
        assert await point(yes, numbers["yes"], CHILD) is None
        async with keeping(founded, doors.exchange):
            await until_none(root, UNSEALED)
        await root.execute("update agreement.department set registrars = '{auditor}'")
        outcome = verify(await Ledger(root).lines(), KEYS)
        assert outcome.holds, list(outcome.findings)
        for connection in (root, yes, person):
            await connection.close()

    Doors(founded, heritage).run(script)


class Dying:
    """A connection whose server process ends before its statement number `left`; `wanted` counts those that were asked for."""

    def __init__(self, inner: Any, killer: Any, left: int) -> None:
        self._inner, self._killer, self._left = inner, killer, left
        self.wanted = 0

    def transaction(self) -> Any:
        return self._inner.transaction()

    async def execute(self, *arguments: Any) -> Any:
        await self._one_more()
        return await self._inner.execute(*arguments)

    async def fetch(self, *arguments: Any) -> Any:
        await self._one_more()
        return await self._inner.fetch(*arguments)

    async def _one_more(self) -> None:
        if self.wanted == self._left:
            await self._killer.execute("select pg_terminate_backend($1, 5000)", self._inner.get_server_pid())
        self.wanted += 1


def test_an_adoption_that_is_killed_at_any_statement_has_changed_nothing(
    founded: StoreServer, fresh: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = migrations()[-1][0] + 1
    wanted = [*migrations(), (last, "create table audit.later (n int); alter table audit.later owner to cw_owner")]
    monkeypatch.setattr(schema, "migrations", lambda: wanted)

    async def script(root: Any) -> None:
        before, rows, step = await schema_of(root), await _rows(root), 0
        while True:
            inner = await founded.superuser("department")
            dying = Dying(inner, root, step)
            try:
                await migrate(dying)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                assert (await schema_of(root), await _rows(root)) == (before, rows), f"statement {step}"
                step += 1
            else:
                await inner.close()
                break
        assert step == dying.wanted == 5 + 2 * (len(wanted) - 1), (
            "lock, ledger's table, reading; old entries gone, base line; each migration after it, and its entry"
        )
        after = differences(await schema_of(root), fresh)
        assert set(after) == {"relation audit.later", "column audit.later.n", f"ledger {last}"}

    asyncio.run(_with(founded, script))


REFUSED = {
    "the trail was not at its end": (f"delete from {LEDGER} where version = 70", "Run that commit's keeper on it once"),
    "a file of the trail was another": (f"update {LEDGER} set digest = 'x' where version = 3", "before the first release"),
    "the trail went on": (f"insert into {LEDGER} (version, digest) values (71, 'x')", "before the first release"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_ledger_of_that_time_that_is_not_known_is_refused_and_left(founded: StoreServer, what: str) -> None:
    change, told = REFUSED[what]

    async def script(root: Any) -> None:
        await root.execute(change)
        await _refused(root, told)

    asyncio.run(_with(founded, script))


def test_a_ledger_of_another_release_is_refused_and_left(store: StoreServer) -> None:
    async def script(root: Any) -> None:
        await migrate(root)
        await root.execute(f"insert into {LEDGER} (version, digest) values ({BASE + 400}, 'x')")
        await _refused(root, "made by a newer release; run that one")
        await root.execute(f"delete from {LEDGER} where version = {BASE + 400}; update {LEDGER} set digest = 'x' where version = {BASE}")
        await _refused(root, f"Version {BASE} of the store's schema is not the one that was applied")

    asyncio.run(_with(store, script))


async def _refused(root: Any, told: str) -> None:
    before, rows, ledger = await schema_of(root), await _rows(root), await _ledger(root)
    with pytest.raises(StoreSchemaError, match=told) as error:
        await migrate(root)
    assert str(error.value).endswith("Nothing was changed.")
    assert (await schema_of(root), await _rows(root), await _ledger(root)) == (before, rows, ledger)


def test_migrations_after_the_base_line_are_applied_once_and_in_order(store: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    later = [(BASE + 1, "create table public.one (n int)"), (BASE + 2, "alter table public.one add column m int")]

    async def script(root: Any) -> None:
        await root.execute("drop schema if exists commonweal cascade")
        known = migrations()
        monkeypatch.setattr(schema, "migrations", lambda: [(BASE, "select 1"), *later[:1]])
        assert await migrate(root) == 2
        monkeypatch.setattr(schema, "migrations", lambda: [(BASE, "select 1"), *later])
        assert (await migrate(root), await migrate(root)) == (1, 0)
        assert [version for version, _ in await _ledger(root)] == [BASE, BASE + 1, BASE + 2]
        assert known[0][0] == BASE

    asyncio.run(_with(store, script))
