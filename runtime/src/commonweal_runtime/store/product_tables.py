# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""The products of a plan as tables: made, changed and dropped. What a change takes away closes the agreements on it first."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import AgreementPlan, Outcome, ProductPlan
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import MappingInvalidError, PlanRefusedError, TableBusyError
from commonweal_runtime.store import answers
from commonweal_runtime.store.agreements import Served
from commonweal_runtime.store.failures import Work, failure_of
from commonweal_runtime.store.live.foreign import is_live, kept_shape, removal
from commonweal_runtime.store.names import literal, relation_of, table
from commonweal_runtime.store.products import Shape, change, contract_of, create, shape_of, unfilled_after
from commonweal_runtime.store.words import misfit

CHANNEL = "commonweal_catalogue"
_PATIENCE = 2.0

Close = Callable[[int, str | None], Awaitable[None]]


class TableLocks:
    """The locks of products' tables, and whether something had to be left out because one was held.

    They serialise what needs an exclusive lock on a product's table with the merge of a load; so such a statement never waits inside
    PostgreSQL, where every reader would queue behind it. Nothing waits longer than two seconds for one.
    """

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.unfinished = False

    def lock(self, uid: str) -> asyncio.Lock:
        """Return the lock of one product's table."""
        return self._locks[uid]

    @asynccontextmanager
    async def held(self, uid: str) -> AsyncIterator[None]:
        """Hold a table's lock, or set `unfinished` and raise TableBusyError."""
        lock = self._locks[uid]
        try:
            async with asyncio.timeout(_PATIENCE):
                await lock.acquire()
        except TimeoutError:
            self.unfinished = True
            raise TableBusyError from None
        try:
            yield
        except asyncpg.LockNotAvailableError:
            self.unfinished = True
            raise
        finally:
            lock.release()


async def served_product(connection: Any, name: str) -> Served | None:
    """Return the product of that name as it lies in the store now."""
    row = await connection.fetchrow(
        "select uid, name, relation, spec::text, unfilled, key_type from agreement.product where name = $1", name
    )
    if row is None:
        return None
    return Served(
        row["uid"], row["name"], row["relation"], DataProductSpec.model_validate_json(row["spec"]), tuple(row["unfilled"]), row["key_type"]
    )


def outcome_of(planned: ProductPlan | AgreementPlan, reason: Reason, detail: str = "", *, ready: bool, **more: Any) -> Outcome:
    """Return what became of an entry of the plan; `more` are further members of Outcome."""
    return Outcome(uid=planned.uid, generation=planned.generation, ready=ready, reason=reason, message=detail, **more)


class ProductTables:
    """The product half of a plan, on the connection of whoever carries it out. `close` closes one agreement by its number."""

    def __init__(self, connection: Any, tables: TableLocks, close: Close) -> None:
        self._db, self._tables, self._close = connection, tables, close

    async def drop_absent(self, wanted: set[str]) -> None:
        """Drop each product whose uid is not wanted, after the agreements on it are closed."""
        for row in await self._db.fetch("select uid, relation from agreement.product"):
            if row["uid"] not in wanted:
                await self._drop(row["uid"], row["relation"])

    async def _drop(self, uid: str, relation: str) -> None:
        for entry in await self._db.fetch("select number from agreement.register where product = $1 and opened is not null", uid):
            await self._close(entry["number"], uid)
        try:
            async with self._tables.held(uid), self._db.transaction():
                for statement in [*answers.removal(relation), *removal(relation)]:
                    await self._db.execute(statement)
                await self._db.execute(f"drop table {table(relation)}")
                await self._db.execute(f"delete from agreement.product where uid = {literal(uid)}")
                await self._db.execute(f"notify {CHANNEL}")
        except (TableBusyError, asyncpg.LockNotAvailableError):
            return

    async def reconcile(self, product: ProductPlan) -> Outcome:
        """Make or change one product's table, and say what came of it."""
        contract = contract_of(product)
        try:
            await self._shape(product, contract)
        except (PlanRefusedError, TableBusyError, asyncpg.PostgresError) as error:
            return outcome_of(product, *failure_of(error, Work.PRODUCT), ready=False)
        loaded = await self._db.fetchval("select loaded_at is not null from agreement.product where uid = $1", product.uid)
        reason = Reason.SERVING if loaded else Reason.LOAD_PENDING
        return outcome_of(product, reason, "", ready=loaded, contract=contract)

    async def _shape(self, product: ProductPlan, contract: str) -> None:
        shape_of(product.spec)  # refuses before anything is touched
        was = await served_product(self._db, product.name)
        if was is None:
            await self._make(product, contract)
        elif was.uid != product.uid:
            raise TableBusyError  # an earlier product of this name is still there
        elif was.spec != product.spec:
            await self._reshape(was, product, contract)

    async def _make(self, product: ProductPlan, contract: str) -> None:
        relation, shape = relation_of(product.name, product.uid), shape_of(product.spec)
        async with self._db.transaction():
            for statement in create(relation, product.uid, kept_shape(product.spec)):
                await self._db.execute(statement)
            await self._db.execute(
                "insert into agreement.product (uid, name, relation, spec, unfilled, contract) values ($1, $2, $3, $4::text::jsonb, $5, $6)",
                product.uid,
                product.name,
                relation,
                _wire(product),
                sorted(c.field for c in shape.columns),
                contract,
            )
            await self._keep_answers(relation, product.uid, shape)
            await self._db.execute(f"notify {CHANNEL}")

    async def _reshape(self, was: Served, product: ProductPlan, contract: str) -> None:
        """Change a product's table. Agreements on columns that go are closed first; those on columns that come wait for the next load."""
        old, new = was.shape, shape_of(product.spec)
        statements = change(was.relation, kept_shape(was.spec), kept_shape(product.spec))
        anew = _connected_anew(was.spec, product.spec)
        unfilled = sorted(c.field for c in new.columns) if anew else unfilled_after(list(was.unfilled), old, new)
        gone = {c.field for c in old.columns} if anew else {c.field for c in set(old.columns) - set(new.columns)}
        if is_live(was.spec) and not is_live(product.spec):
            statements += removal(was.relation)
        await self._close_readers(was.uid, gone)
        async with self._tables.held(was.uid), self._db.transaction():
            for statement in [*answers.removal(was.relation), *statements]:
                await self._db.execute(statement)
            await self._keep_answers(was.relation, was.uid, new)
            if was.spec.quality != product.spec.quality:  # checks that are new, or not the same, have not passed
                await self._db.execute("update agreement.gate set passed_until = '-infinity' where product = $1", was.uid)
                await self._db.execute("delete from agreement.quality where product = $1", was.uid)
            await self._db.execute(
                "update agreement.product set spec = $2::text::jsonb, unfilled = $3, contract = $4, "
                "loaded_at = case when $5 then null else loaded_at end, key_type = case when $5 then null else key_type end where uid = $1",
                was.uid,
                _wire(product),
                unfilled,
                contract,
                anew,
            )
            await self._db.execute(f"notify {CHANNEL}")

    async def _keep_answers(self, relation: str, uid: str, shape: Shape) -> None:
        """Put in place what keeps the answers, and close their gate if they are other ones than before."""
        for statement in answers.statements(relation, uid, shape):
            await self._db.execute(statement)
        for column, statement in answers.checks(relation, shape):
            try:
                await self._db.execute(statement)
            except asyncpg.PostgresError as error:
                where = f"spec.answers {column.field}.expression"
                raise MappingInvalidError(
                    f"{where}: fits no row, for {misfit(error.sqlstate)}; compare values of the same type, and ask for yes or no."
                ) from None
        await self._db.execute(
            "insert into agreement.gate as g (product, asked) values ($1, $2) on conflict (product) do update set asked = excluded.asked, "
            "answered_on = null where g.asked is distinct from excluded.asked",
            uid,
            answers.asked(shape),
        )

    async def _close_readers(self, uid: str, gone: set[str]) -> None:
        """Close the agreements on a product that list one of the fields that go."""
        if not gone:
            return
        for row in await self._db.fetch(
            "select number, spec -> 'fields' as f from agreement.register where product = $1 and in_force", uid
        ):
            if gone & set(json.loads(row["f"])):
                await self._close(row["number"], uid)


def _connected_anew(old: DataProductSpec, new: DataProductSpec) -> bool:
    """Return whether nothing may be read before the source is looked at again: the product becomes Live or Replica, or what is read Live changes."""
    if is_live(old) != is_live(new):
        return True
    return is_live(new) and (old.source, old.subject, old.fields) != (new.source, new.subject, new.fields)


def _wire(product: ProductPlan) -> str:
    return json.dumps(product.spec.wire(), sort_keys=True)
