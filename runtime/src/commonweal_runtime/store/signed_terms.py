"""What the store itself knows of signatures: which nonces are over, and what was signed in the form of earlier releases.

The operator checks who has signed. This holds against what it cannot see: an agreement that is made again with old signatures, a revocation that was taken
out again, a version of a product that ended since the plan was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from commonweal_api.agreement_signatures import agreement_hash
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.meaning import Meaning, differences, meaning_of
from commonweal_api.plan import AgreementPlan, StorePlan
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import AgreementClosedError
from commonweal_runtime.store.versions import resolve

_BEFORE = """select b.number, r.name, r.spec::text, p.spec::text as product from agreement.signed_before b join agreement.register r using (number)
left join agreement.product p on p.uid = r.product where b.signed is null"""


@dataclass(frozen=True, slots=True)
class Before:
    """An agreement that was signed in the form of an earlier release: what was signed, what its fields meant, and when it is over."""

    signed: str | None
    meaning: Meaning | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store has kept about a nonce: the uid of its agreement, the hash that was signed, and whether it is over."""

    uid: str | None
    signed: str | None
    ended: str | None


def fault_of(
    agreement: AgreementPlan, plan: StorePlan, kept: Kept | None, before: Before | None, now: datetime
) -> AgreementClosedError | None:
    """Return why an agreement must stay closed whatever the plan says, or None. A dry run opens nothing, and needs no signatures."""
    if agreement.dry_run:
        return None
    meaning = _meaning(agreement.spec, plan, now)
    if agreement.spec.nonce is None:
        return _before(agreement, plan.department, before, meaning, now)
    if kept is not None and kept.ended:
        return AgreementClosedError(Reason.NONCE_ENDED, f"spec.nonce: {agreement.spec.nonce}, {kept.ended}.")
    if kept is not None and (kept.uid, kept.signed) != (agreement.uid, agreement.signed):
        return AgreementClosedError(Reason.NONCE_USED, f"spec.nonce: {agreement.spec.nonce}.")
    if agreement.signed is None or meaning is None:
        return None
    if agreement_hash(plan.department, agreement.name, agreement.spec, meaning) != agreement.signed:
        return AgreementClosedError(Reason.MEANING_CHANGED, f"What was signed is {agreement.signed}.")
    return None


def bounded(agreement: AgreementPlan, before: Before | None) -> AgreementPlan:
    """Return the agreement with the term that the store holds it to: one of an earlier release ends with its last term."""
    if agreement.spec.nonce is not None or before is None or before.until >= agreement.spec.validity.until:
        return agreement
    validity = agreement.spec.validity.model_copy(update={"until": before.until})
    return agreement.model_copy(update={"spec": agreement.spec.model_copy(update={"validity": validity})})


def _before(
    agreement: AgreementPlan, department: str, before: Before | None, meaning: Meaning | None, now: datetime
) -> AgreementClosedError | None:
    if before is None or before.meaning is None or before.signed != agreement_hash(department, agreement.name, agreement.spec):
        return AgreementClosedError(Reason.LAPSED, "spec.nonce: missing.")
    if now >= before.until:
        return AgreementClosedError(Reason.LAPSED, f"It held until {before.until.isoformat()}.")
    if meaning is not None and meaning != before.meaning:
        return AgreementClosedError(Reason.MEANING_CHANGED, " ".join(differences(before.meaning, meaning)))
    return None


def _meaning(spec: ConsentPolicySpec, plan: StorePlan, now: datetime) -> Meaning | None:
    """Return what the fields mean in the version that would be opened; None when there is none, which is said elsewhere."""
    try:
        name = resolve(plan, spec, now)
    except AgreementClosedError:
        return None
    product = next((p.spec for p in plan.products if p.name == name), None)
    return meaning_of(spec.fields, product, product) if product is not None else None


class SignedTerms:
    """The store's tables of nonces and of what was signed before there were any."""

    def __init__(self, connection: Any) -> None:
        self._db = connection

    async def keep_before(self) -> None:
        """Fill in what agreements of earlier releases mean, from what the store serves. Done once, before any plan is looked at; what cannot be read closes."""
        department = await self._db.fetchval("select name from agreement.department")
        for row in await self._db.fetch(_BEFORE):
            try:
                spec = ConsentPolicySpec.model_validate_json(row["spec"])
                product = DataProductSpec.model_validate_json(row["product"] or "null")
            except ValidationError:
                continue
            await self._db.execute(
                "update agreement.signed_before set signed = $2, meaning = $3::text::jsonb where number = $1",
                row["number"],
                agreement_hash(department or "", row["name"], spec),
                json.dumps(meaning_of(spec.fields, product, product).wire()),
            )

    async def end(self, plan: StorePlan) -> None:
        """Keep what a party has revoked, for ever."""
        if not plan.revoked:
            return
        until = {a.spec.nonce: a.spec.validity.until for a in reversed(plan.agreements)}
        await self._db.execute(
            "select agreement.end_nonce(x.nonce, x.until, 'Revoked') from unnest($1::text[], $2::timestamptz[]) x(nonce, until) "
            "where not exists (select from agreement.nonce n where n.nonce = x.nonce and n.ended_at is not null)",
            plan.revoked,
            [until.get(nonce) for nonce in plan.revoked],
        )

    async def faults(self, plan: StorePlan, before: Mapping[str, Before], now: datetime) -> dict[str, AgreementClosedError]:
        """Return by uid which agreements of the plan must stay closed, and why; `before` as the method of that name has it."""
        kept = await self._kept([a.spec.nonce for a in plan.agreements if a.spec.nonce])
        found = ((a.uid, fault_of(a, plan, kept.get(a.spec.nonce or ""), before.get(a.uid), now)) for a in plan.agreements)
        return {uid: fault for uid, fault in found if fault is not None}

    async def before(self) -> dict[str, Before]:
        """Return by uid the agreements that were signed in the form of earlier releases."""
        rows = await self._db.fetch(
            "select r.uid, b.signed, b.meaning::text, b.until from agreement.signed_before b join agreement.register r using (number)"
        )
        return {
            r["uid"]: Before(r["signed"], Meaning.model_validate_json(r["meaning"]) if r["meaning"] else None, r["until"]) for r in rows
        }

    async def opens(self, number: int, agreement: AgreementPlan) -> None:
        """Keep that the nonce is this agreement's; AgreementClosedError when it is another's.

        What the agreement was signed as before is over: old terms come back by no old signatures.
        """
        nonce = agreement.spec.nonce
        if nonce is None:
            return
        held = "select true from agreement.nonce where nonce = $1 and number = $2 and ended_at is null"
        if await self._db.fetchval(held, nonce, number):
            return  # kept when it opened first, in one transaction with what that ended
        async with self._db.transaction():
            await self._db.execute(
                "insert into agreement.nonce (nonce, number, signed, until) values ($1, $2, $3, $4) on conflict (nonce) do nothing",
                nonce,
                number,
                agreement.signed,
                agreement.spec.validity.until,
            )
            if await self._db.fetchval("select number from agreement.nonce where nonce = $1", nonce) != number:
                raise AgreementClosedError(Reason.NONCE_USED, f"spec.nonce: {nonce}.")
            await self._db.execute("delete from agreement.signed_before where number = $1", number)
            await self._db.execute(
                "update agreement.nonce set ended_at = clock_timestamp(), why = 'Replaced' where number = $1 and nonce <> $2 and ended_at is null",
                number,
                nonce,
            )

    async def forget_before(self, wanted: set[str]) -> None:
        """Keep that all others are no longer asked for: signed in the form of an earlier release they do not come back."""
        await self._db.execute(
            "delete from agreement.signed_before b using agreement.register r where r.number = b.number and r.uid <> all ($1::text[])",
            list(wanted),
        )

    async def _kept(self, nonces: list[str]) -> dict[str, Kept]:
        rows = await self._db.fetch(
            "select n.nonce, r.uid, n.signed, n.why from agreement.nonce n left join agreement.register r using (number) where n.nonce = any ($1)",
            nonces,
        )
        return {r["nonce"]: Kept(r["uid"], r["signed"], r["why"]) for r in rows}
