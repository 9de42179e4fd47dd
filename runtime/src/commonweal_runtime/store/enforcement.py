# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Carries a plan out against PostgreSQL. Whatever fails closes only itself, and says why in a registered reason."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import AgreementPlan, Outcome, ProductPlan, StorePlan
from commonweal_api.reasons import Reason, entry_of
from commonweal_runtime.store.agreements import ClosedError, Opening, Served, clearing, compile_opening, shutting, widens
from commonweal_runtime.store.logins import verifier_of
from commonweal_runtime.store.names import RefusedError, literal, login_of, relation_of, table
from commonweal_runtime.store.products import change, contract_of, create, shape_of, unfilled_after
from commonweal_runtime.store.schema import SERVICES, migrate

CHANNEL = "commonweal_catalogue"
_LAST = 32767
_PATIENCE = 2.0
_LOCK_TIMEOUT = "5s"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the register of agreements."""

    number: int
    uid: str
    product: str | None
    in_force: bool
    opened: str | None
    terms: dict[str, dict[str, str]]


class BusyError(Exception):
    """A load is changing the product's table; the plan is carried out again right after it."""


async def served_product(connection: Any, name: str) -> Served | None:
    """Return the product of that name as it lies in the store now."""
    row = await connection.fetchrow("select uid, name, relation, spec::text, unfilled from agreement.product where name = $1", name)
    if row is None:
        return None
    return Served(row["uid"], row["name"], row["relation"], DataProductSpec.model_validate_json(row["spec"]), tuple(row["unfilled"]))


def message_of(reason: Reason, detail: str = "") -> str:
    """Return the registered sentence and remedy of a reason around a detail."""
    return entry_of(reason).text(detail)


class Enforcement:
    """The keeper's hand on the database: one connection as superuser, one plan at a time.

    `table_lock` serialises what needs an exclusive lock on a product's table with the merge of a load; so such a statement never waits inside
    PostgreSQL, where every reader would queue behind it. Nothing here waits longer than `_PATIENCE` for it: closing comes before it, and the
    rest is left: then `unfinished` is set, and `apply` has to be called again.
    """

    def __init__(self, connection: Any, database_key: bytes) -> None:
        self._db, self._key = connection, database_key
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._one = asyncio.Lock()
        self.unfinished = False

    async def prepare(self) -> None:
        """Bring schema and service logins to this release."""
        await migrate(self._db)
        await self._db.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
        for role in SERVICES:
            await self._db.execute(f"alter role {role} password {literal(verifier_of(self._key, role))}")

    def table_lock(self, uid: str) -> asyncio.Lock:
        """Return the lock of one product's table, for the merge of a load."""
        return self._locks[uid]

    async def apply(self, plan: StorePlan) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
        """Carry out `plan` and return the outcomes of products and of agreements. What it leaves out is closed first.

        Doing it again changes nothing.
        """
        async with self._one:
            self.unfinished = False
            await self._close_absent({a.uid for a in plan.agreements})
            await self._name_department(plan)
            await self._drop_absent({p.uid for p in plan.products})
            products = {p.name: await self._shelve(p) for p in plan.products}
            agreements = {a.name: await self._enforce(a, plan) for a in plan.agreements}
            return products, agreements

    @asynccontextmanager
    async def _table(self, uid: str) -> AsyncIterator[None]:
        lock = self._locks[uid]
        try:
            async with asyncio.timeout(_PATIENCE):
                await lock.acquire()
        except TimeoutError:
            self.unfinished = True
            raise BusyError from None
        try:
            yield
        except asyncpg.LockNotAvailableError:
            self.unfinished = True
            raise
        finally:
            lock.release()

    # closing

    async def _close_absent(self, wanted: set[str]) -> None:
        for row in await self._db.fetch(
            "select number, uid, product from agreement.register where in_force or opened is not null order by number"
        ):
            if row["uid"] not in wanted:
                await self._close(row["number"], row["product"])

    async def _close(self, number: int, product: str | None) -> None:
        """Close one agreement: at once, then remove what is left of it if the product's table is free, else the next time."""
        await self._shut(number)
        try:
            async with self._table(product or ""):
                relation = await self._db.fetchval("select relation from agreement.product where uid = $1", product)
                await self._run([*clearing(number, relation), f"update agreement.register set opened = null where number = {number}"])
        except (BusyError, asyncpg.LockNotAvailableError):
            return

    async def _shut(self, number: int) -> None:
        off = f"update agreement.register set in_force = false where number = {number}"
        await self._run([*shutting(number), off, f"notify {CHANNEL}"])
        # after the commit, so that nobody comes back in
        await self._db.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", login_of(number))

    async def _run(self, statements: list[str]) -> None:
        async with self._db.transaction():
            for statement in statements:
                await self._db.execute(statement)

    # products

    async def _name_department(self, plan: StorePlan) -> None:
        await self._db.execute(
            "insert into agreement.department (name, display_name, contact) values ($1, $2, $3) on conflict (one) do update set name = excluded.name, "
            "display_name = excluded.display_name, contact = excluded.contact "
            "where (department.name, department.display_name, department.contact) is distinct from (excluded.name, excluded.display_name, excluded.contact)",
            plan.department,
            plan.display_name,
            plan.contact,
        )

    async def _drop_absent(self, wanted: set[str]) -> None:
        for row in await self._db.fetch("select uid, relation from agreement.product"):
            if row["uid"] not in wanted:
                for entry in await self._db.fetch(
                    "select number from agreement.register where product = $1 and opened is not null", row["uid"]
                ):
                    await self._close(entry["number"], row["uid"])
                try:
                    async with self._table(row["uid"]):
                        gone = f"delete from agreement.product where uid = {literal(row['uid'])}"
                        await self._run([f"drop table {table(row['relation'])}", gone, f"notify {CHANNEL}"])
                except (BusyError, asyncpg.LockNotAvailableError):
                    continue

    async def _shelve(self, product: ProductPlan) -> Outcome:
        """Make or change one product's table."""
        contract = contract_of(product)
        try:
            await self._shape(product, contract)
        except RefusedError as refused:
            return self._product_outcome(product, Reason.STORE_REFUSED, str(refused), ready=False)
        except (BusyError, asyncpg.LockNotAvailableError):
            return self._product_outcome(product, Reason.LOAD_PENDING, "A load of the product as it was is under way.", ready=False)
        except asyncpg.PostgresError as error:
            return self._product_outcome(product, Reason.STORE_REFUSED, f"PostgreSQL answered {error.sqlstate}.", ready=False)
        loaded = await self._db.fetchval("select loaded_at is not null from agreement.product where uid = $1", product.uid)
        reason = Reason.SERVING if loaded else Reason.LOAD_PENDING
        return self._product_outcome(product, reason, "", ready=loaded, contract=contract)

    def _product_outcome(self, product: ProductPlan, reason: Reason, detail: str, *, ready: bool, contract: str | None = None) -> Outcome:
        return Outcome(
            uid=product.uid,
            generation=product.generation,
            ready=ready,
            reason=reason,
            message=message_of(reason, detail),
            contract=contract,
        )

    async def _shape(self, product: ProductPlan, contract: str) -> None:
        shape = shape_of(product.spec)  # refuses before anything is touched
        was = await served_product(self._db, product.name)
        wire = json.dumps(product.spec.wire(), sort_keys=True)
        if was is not None and was.uid != product.uid:
            raise BusyError  # an earlier product of this name is still there
        if was is None:
            relation = relation_of(product.name, product.uid)
            async with self._db.transaction():
                for statement in create(relation, product.uid, shape):
                    await self._db.execute(statement)
                await self._db.execute(
                    "insert into agreement.product (uid, name, relation, spec, unfilled, contract) values ($1, $2, $3, $4::text::jsonb, $5, $6)",
                    product.uid,
                    product.name,
                    relation,
                    wire,
                    sorted(c.field for c in shape.columns),
                    contract,
                )
                await self._db.execute(f"notify {CHANNEL}")
        elif was.spec != product.spec:
            await self._reshape(was, product, wire, contract)

    async def _reshape(self, was: Served, product: ProductPlan, wire: str, contract: str) -> None:
        """Change a product's table. Agreements on columns that go are closed first; those on columns that come wait for the next load."""
        old, new = was.shape, shape_of(product.spec)
        statements = change(was.relation, old, new)
        gone = {c.field for c in set(old.columns) - set(new.columns)}
        if gone:
            for row in await self._db.fetch(
                "select number, spec -> 'fields' as f from agreement.register where product = $1 and in_force", was.uid
            ):
                if gone & set(json.loads(row["f"])):
                    await self._close(row["number"], was.uid)
        async with self._table(was.uid), self._db.transaction():
            for statement in statements:
                await self._db.execute(statement)
            await self._db.execute(
                "update agreement.product set spec = $2::text::jsonb, unfilled = $3, contract = $4 where uid = $1",
                was.uid,
                wire,
                unfilled_after(list(was.unfilled), old, new),
                contract,
            )
            await self._db.execute(f"notify {CHANNEL}")

    # agreements

    async def _enforce(self, agreement: AgreementPlan, plan: StorePlan) -> Outcome:
        """Open one agreement as the plan says it, or leave it closed and say why."""
        entry: Entry | None = None
        try:
            entry = await self._entry(agreement)
            product = await self._product_of(agreement, plan)
            opening = compile_opening(entry.number, agreement, product)
            await self._open(entry, agreement, product, opening)
        except (ClosedError, RefusedError, BusyError, asyncpg.PostgresError) as error:
            if entry is not None and (entry.in_force or entry.opened):
                await self._close(entry.number, entry.product)
            return self._closed(agreement, entry, error)
        return Outcome(
            uid=agreement.uid,
            generation=agreement.generation,
            ready=True,
            reason=Reason.ENFORCED,
            message=message_of(Reason.ENFORCED),
            number=entry.number,
            contract=opening.contract,
        )

    def _closed(self, agreement: AgreementPlan, entry: Entry | None, error: Exception) -> Outcome:
        if isinstance(error, ClosedError):
            reason, detail = error.reason, error.detail
        elif isinstance(error, (BusyError, asyncpg.LockNotAvailableError)):
            reason, detail = Reason.PRODUCT_NOT_READY, "The product is being loaded; the agreement opens right after."
        elif isinstance(error, asyncpg.PostgresError):
            reason, detail = Reason.STORE_REFUSED, f"PostgreSQL answered {error.sqlstate}."  # its text can hold data
        else:
            reason, detail = Reason.STORE_REFUSED, str(error)
        return Outcome(
            uid=agreement.uid,
            generation=agreement.generation,
            ready=False,
            reason=reason,
            message=message_of(reason, detail),
            number=entry.number if entry else None,
        )

    async def _product_of(self, agreement: AgreementPlan, plan: StorePlan) -> Served:
        name = agreement.spec.product.name
        planned = next((p for p in plan.products if p.name == name), None)
        served = await served_product(self._db, name)
        if planned is None:
            raise ClosedError(Reason.PRODUCT_NOT_FOUND, f"There is no product «{name}» here.")
        if served is None or served.uid != planned.uid or served.spec != planned.spec:
            raise ClosedError(Reason.PRODUCT_NOT_READY, f"The store refuses the product «{name}».")
        return served

    async def _entry(self, agreement: AgreementPlan) -> Entry:
        """Return the agreement's row of the register; a new agreement gets a number that was never given before."""
        select = "select number, uid, product, in_force, opened, terms::text from agreement.register where uid = $1"
        row = await self._db.fetchrow(select, agreement.uid)
        if row is None:
            number = await self._db.fetchval("select coalesce(max(number), 0)::int + 1 from agreement.register")
            if number > _LAST:
                raise RefusedError(f"All {_LAST} agreement numbers of this store have been given; move its products to a new department.")
            await self._db.execute(
                "insert into agreement.register (number, uid, name) values ($1, $2, $3)", number, agreement.uid, agreement.name
            )
            row = await self._db.fetchrow(select, agreement.uid)
        return Entry(row["number"], row["uid"], row["product"], row["in_force"], row["opened"], json.loads(row["terms"]))

    async def _open(self, entry: Entry, agreement: AgreementPlan, product: Served, opening: Opening) -> None:
        if entry.in_force and entry.opened == opening.digest:
            return
        if entry.terms and widens(entry.terms, opening.terms):
            await self._shut(entry.number)  # before the consents end: they may be many
            await self._db.execute("select consent.invalidate($1, $2)", entry.number, opening.contract)
        async with self._table(product.uid), self._db.transaction():
            for statement in opening.statements:
                await self._db.execute(statement)
            login = login_of(entry.number)
            await self._db.execute(f"alter role {login} password {literal(verifier_of(self._key, login))}")
            await self._record(entry, agreement, product, opening)
            await self._db.execute(f"notify {CHANNEL}")

    async def _record(self, entry: Entry, agreement: AgreementPlan, product: Served, opening: Opening) -> None:
        await self._db.execute(
            "insert into agreement.contract (hash, number, content) values ($1, $2, $3::text::jsonb) on conflict (hash) do nothing",
            opening.contract,
            entry.number,
            json.dumps(opening.content),
        )
        await self._db.execute(
            "update agreement.register set name = $2, product = $3, in_force = true, opened = $4, contract = $5, terms = $6::text::jsonb, "
            "spec = $7::text::jsonb where number = $1",
            entry.number,
            agreement.name,
            product.uid,
            opening.digest,
            opening.contract,
            json.dumps(opening.terms),
            json.dumps(agreement.spec.wire()),
        )
