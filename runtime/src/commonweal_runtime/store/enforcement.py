# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Carries a plan out against PostgreSQL. Whatever fails closes only itself, and says why in a registered reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.department import COMPLAINT_DAYS
from commonweal_api.plan import AgreementPlan, Outcome, StorePlan
from commonweal_api.reasons import Reason
from commonweal_api.rights import RIGHTS
from commonweal_runtime.exceptions import AgreementClosedError, PlanRefusedError, TableBusyError
from commonweal_runtime.store.agreements import (
    CompiledAgreement,
    PublisherContext,
    Served,
    cleanup_sql,
    compile_agreement,
    widens,
)
from commonweal_runtime.store.closing import CROSSED, shut
from commonweal_runtime.store.failures import Work, failure_of
from commonweal_runtime.store.logins import verifier_of
from commonweal_runtime.store.matching import MatchingRules
from commonweal_runtime.store.names import literal, login_of
from commonweal_runtime.store.preconditions import preconditions_of
from commonweal_runtime.store.product_tables import CHANNEL, ProductTables, TableLocks, outcome_of, served_product
from commonweal_runtime.store.schema import SERVICES, migrate
from commonweal_runtime.store.signed_terms import Before, SignedTerms, bounded
from commonweal_runtime.store.versions import resolve
from commonweal_runtime.store.what_if import WhatIfCounter

_LAST = 32767
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
    spec: dict[str, Any]


class Enforcement:
    """The keeper's hand on the database: one connection as superuser, one plan at a time.

    Products are half of `product_tables`. When a load or another closing is in the way, the rest is left: then `unfinished` is set, and
    `apply` has to be called again. `admits` says whether an agreement may be open with these terms; it is asked last of all before one opens.
    """

    def __init__(self, connection: Any, database_key: bytes, admits: Callable[[str, ConsentPolicySpec], bool] = lambda *_: True) -> None:
        self._db, self._key, self._admits = connection, database_key, admits
        self._tables = TableLocks()
        self._products = ProductTables(connection, self._tables, self._close)
        self._matching = MatchingRules(connection, self._tables)
        self._what_if = WhatIfCounter(connection)
        self._signed = SignedTerms(connection)
        self._one = asyncio.Lock()

    async def prepare(self) -> None:
        """Bring schema and service logins to this release."""
        await migrate(self._db)
        await self._signed.keep_before()
        await self._db.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
        for role in SERVICES:
            await self._db.execute(f"alter role {role} password {literal(verifier_of(self._key, role))}")
        for row in await self._db.fetch("select number from agreement.register where in_force"):
            await self._admit(login_of(row["number"]))
        await self._state_rights()

    async def _admit(self, login: str) -> None:
        """Give a login the password that the data API derives, and no settings of its own making."""
        await self._db.execute(f"alter role {login} password {literal(verifier_of(self._key, login))}; alter role {login} reset all")

    async def _state_rights(self) -> None:
        """Tell the store what each basis leaves to the person; a matrix that has not changed writes nothing."""
        for basis, r in RIGHTS.items():
            await self._db.execute(
                "insert into agreement.rights as r (basis, consent, objection, erasure, portability, words, words_cy) values ($1, $2, $3, $4, $5, $6, $7) "
                "on conflict (basis) do update set consent = excluded.consent, objection = excluded.objection, erasure = excluded.erasure, "
                "portability = excluded.portability, words = excluded.words, words_cy = excluded.words_cy where r is distinct from excluded",
                str(basis),
                r.grant,
                r.objection,
                str(r.erasure),
                r.portability,
                r.words,
                r.welsh,
            )

    def table_lock(self, uid: str) -> asyncio.Lock:
        """Return the lock of one product's table, for the merge of a load."""
        return self._tables.lock(uid)

    @property
    def unfinished(self) -> bool:
        """Whether the last `apply` left something out because a load or another closing was in the way."""
        return self._tables.unfinished

    async def apply(self, plan: StorePlan) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
        """Carry out `plan` and return the outcomes of products and of agreements. What it leaves out is closed first.

        Doing it again changes nothing.
        """
        async with self._one:
            self._tables.unfinished = False
            await self._signed.end(plan)
            before = await self._signed.before()
            faults = await self._signed.faults(plan, before, datetime.now(UTC))
            wanted = {a.uid for a in plan.agreements}
            await self._close_absent(wanted - set(faults))  # before products change: no field means something else under old signatures
            await self._signed.forget_before(wanted)
            await self._name_department(plan)
            await self._products.drop_absent({p.uid for p in plan.products})
            products = {p.name: await self._products.reconcile(p) for p in plan.products}
            await self._matching.apply(plan)
            agreements = {a.name: await self._enforce(a, plan, faults.get(a.uid), before.get(a.uid)) for a in plan.agreements}
            return products, agreements

    # closing

    async def _close_absent(self, wanted: set[str]) -> None:
        for row in await self._db.fetch(
            "select number, uid, product from agreement.register where in_force or opened is not null order by number"
        ):
            if row["uid"] not in wanted:
                await self._close(row["number"], row["product"])

    async def _close(self, number: int, product: str | None) -> None:
        """Close one agreement: at once, then remove what is left of it if the product's table is free, else the next time."""
        try:
            await shut(self._db, number)
            await self._clear(number, product)
        except (TableBusyError, *CROSSED):
            self._tables.unfinished = True

    async def _clear(self, number: int, product: str | None) -> None:
        async with self._tables.held(product or ""):
            relation = await self._db.fetchval("select relation from agreement.product where uid = $1", product)
            await self._run([*cleanup_sql(number, relation), f"update agreement.register set opened = null where number = {number}"])

    async def _run(self, statements: list[str]) -> None:
        async with self._db.transaction():
            for statement in statements:
                await self._db.execute(statement)

    async def _name_department(self, plan: StorePlan) -> None:
        columns = ("name", "display_name", "contact", "registrars", "signing", "complaint_days", "display_name_cy", "models")
        values, new = ", ".join(columns), ", ".join(f"excluded.{c}" for c in columns)
        await self._db.execute(
            f"insert into agreement.department as d ({values}) values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8::text::jsonb) on conflict (one) do update set ({values}) = ({new}) "
            f"where ({', '.join(f'd.{c}' for c in columns)}) is distinct from ({new})",
            plan.department,
            plan.display_name,
            plan.contact,
            plan.registrars,
            json.dumps(plan.signing.wire()) if plan.signing else None,
            plan.complaint_days or COMPLAINT_DAYS,
            plan.display_name_cy,
            json.dumps([m.wire() for m in plan.models or ()]),
        )

    # agreements

    async def _enforce(self, wanted: AgreementPlan, plan: StorePlan, fault: AgreementClosedError | None, before: Before | None) -> Outcome:
        """Open one agreement as the plan says it, or leave it closed and say why."""
        entry: Entry | None = None
        agreement = bounded(wanted, before)
        try:
            entry = await self._entry(agreement)
            await self._name_consumer(entry.number, agreement)
            if fault is not None:
                raise fault
            product = await self._product_of(agreement, plan)
            preconditions = preconditions_of(agreement.spec, product, fed=bool(plan.peers))
            publisher = PublisherContext(plan.department, plan.display_name, plan.contact, preconditions)
            compiled = compile_agreement(entry.number, agreement, product, publisher)
            if agreement.dry_run:
                return await self._dry_run(entry, agreement, product, compiled)
            if entry.product not in (None, product.uid):
                entry = await self._move(entry, product)
            await self._signed.opens(entry.number, agreement)
            await self._open(entry, agreement, product, compiled)
        except (AgreementClosedError, PlanRefusedError, TableBusyError, asyncpg.PostgresError) as error:
            if entry is not None and (entry.in_force or entry.opened):
                await self._close(entry.number, entry.product)
            return outcome_of(agreement, *failure_of(error, Work.AGREEMENT), ready=False, number=entry.number if entry else None)
        change = self._what_if.last_change(agreement.uid, compiled)
        lapses = before.until if before is not None and agreement.spec.nonce is None else None
        return outcome_of(
            agreement, Reason.ENFORCED, ready=True, number=entry.number, contract=compiled.contract, what_if=change, lapses=lapses
        )

    async def _dry_run(self, entry: Entry, agreement: AgreementPlan, product: Served, compiled: CompiledAgreement) -> Outcome:
        """Say what would open, and open nothing: what was in force is closed first."""
        if entry.in_force or entry.opened:
            await self._close(entry.number, entry.product)
        what_if = await self._what_if.of_dry_run(agreement.uid, compiled, product, entry.terms)
        return outcome_of(agreement, Reason.DRY_RUN, ready=False, number=entry.number, contract=compiled.contract, what_if=what_if)

    async def _move(self, entry: Entry, product: Served) -> Entry:
        """Bring an agreement to another product table. Rows there that came before it learn first what people said under it: an objector stays hidden."""
        await shut(self._db, entry.number)
        await self._clear(entry.number, entry.product)
        async with self._tables.held(product.uid), self._db.transaction():
            await self._db.execute("update agreement.register set product = $2 where number = $1", entry.number, product.uid)
            await self._db.execute("select consent.carry($1)", entry.number)
        return replace(entry, product=product.uid, in_force=False, opened=None)

    async def _product_of(self, agreement: AgreementPlan, plan: StorePlan) -> Served:
        name = resolve(plan, agreement.spec, datetime.now(UTC))
        planned = next((p for p in plan.products if p.name == name), None)
        served = await served_product(self._db, name)
        if planned is None:
            raise AgreementClosedError(Reason.PRODUCT_NOT_READY, f"The store does not hold «{name}» yet.")
        if served is None or served.uid != planned.uid or served.spec != planned.spec:
            raise AgreementClosedError(Reason.PRODUCT_NOT_READY, f"The store refuses the product «{name}».")
        return served

    async def _entry(self, agreement: AgreementPlan) -> Entry:
        """Return the agreement's row of the register; a new agreement gets a number that was never given before."""
        select = "select number, uid, product, in_force, opened, terms::text, spec::text from agreement.register where uid = $1"
        row = await self._db.fetchrow(select, agreement.uid)
        if row is None:
            number = await self._db.fetchval("select coalesce(max(number), 0)::int + 1 from agreement.register")
            if number > _LAST:
                raise PlanRefusedError(
                    f"All {_LAST} agreement numbers of this store have been given; move its products to a new department."
                )
            await self._db.execute(
                "insert into agreement.register (number, uid, name) values ($1, $2, $3)", number, agreement.uid, agreement.name
            )
            row = await self._db.fetchrow(select, agreement.uid)
        return Entry(
            row["number"], row["uid"], row["product"], row["in_force"], row["opened"], json.loads(row["terms"]), json.loads(row["spec"])
        )

    async def _name_consumer(self, number: int, agreement: AgreementPlan) -> None:
        """Keep what people are told the consumer is called. It is no part of the terms: what is open stays so."""
        statement = (
            "update agreement.register set consumer_name = $2, consumer_name_cy = $3 "
            "where number = $1 and (consumer_name, consumer_name_cy) is distinct from ($2, $3)"
        )
        await self._db.execute(statement, number, agreement.consumer_name, agreement.consumer_name_cy)

    async def _open(self, entry: Entry, agreement: AgreementPlan, product: Served, compiled: CompiledAgreement) -> None:
        if entry.in_force and entry.opened == compiled.digest:
            return
        # The list of what may be open may have closed it before the plan came.
        if (entry.in_force or entry.opened) and entry.spec != agreement.spec.wire():
            await self._what_if.of_change(agreement.uid, compiled, product, entry.terms)
        if entry.terms and widens(entry.terms, compiled.terms):
            await shut(self._db, entry.number)  # before the consents end: they may be many
            await self._db.execute("select consent.invalidate($1, $2)", entry.number, compiled.contract)
        async with self._tables.held(product.uid), self._db.transaction():
            for statement in compiled.statements:
                await self._db.execute(statement)
            await self._admit(login_of(entry.number))
            await self._record(entry, agreement, product, compiled)
            await self._db.execute(f"notify {CHANNEL}")
            # Closed meanwhile: who closed it waits for this row, and finds it as it was.
            if not self._admits(agreement.uid, agreement.spec):
                raise AgreementClosedError(Reason.STORE_PENDING, "")

    async def _record(self, entry: Entry, agreement: AgreementPlan, product: Served, compiled: CompiledAgreement) -> None:
        await self._db.execute(
            "insert into agreement.contract (hash, number, content) values ($1, $2, $3::text::jsonb) on conflict (hash) do nothing",
            compiled.contract,
            entry.number,
            json.dumps(compiled.content),
        )
        await self._db.execute(
            "update agreement.register set name = $2, product = $3, in_force = true, opened = $4, contract = $5, terms = $6::text::jsonb, "
            "spec = $7::text::jsonb where number = $1",
            entry.number,
            agreement.name,
            product.uid,
            compiled.digest,
            compiled.contract,
            json.dumps(compiled.terms),
            json.dumps(agreement.spec.wire()),
        )
