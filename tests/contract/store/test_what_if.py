"""What a dry run says would open or close is what then does, person by person and field by field."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from commonweal_api.plan import StorePlan
from support.data_api import agreement, login, person_product, plan, subject
from support.doors import Doors, point, refused

PEOPLE = [subject(f"P{n}") for n in range(1, 201)]
BASES = ("Consent", "PublicTask", "LegalObligation", "VitalInterests", "Contract", "RecognisedLegitimateInterest")


def dry(wanted: StorePlan) -> StorePlan:
    return wanted.model_copy(update={"agreements": [a.model_copy(update={"dry_run": True}) for a in wanted.agreements]})


async def seen(doors: Doors, number: int) -> set[UUID]:
    """Return whom the door shows now; a door that is not there shows nobody."""
    try:
        reader = await doors.reader(number)
    except Exception:  # noqa: BLE001 - no login, no door
        return set()
    found = {who for who in PEOPLE if await point(reader, number, who) is not None}
    reader.terminate()
    return found


@pytest.mark.parametrize("basis", BASES)
def test_a_dry_run_opens_nothing_and_foretells_exactly(doors: Doors, basis: str) -> None:
    async def script(doors: Doors) -> None:
        chance, name = random.Random(basis), f"try-{basis.lower()}"
        wanted = plan({"people": person_product(doors.heritage)}, {name: agreement(basis, fields=["fullName", "area"])})
        report = await doors.carry_out(wanted)
        number = report.agreements[name].number or 0
        person = await login(doors.store, "person")
        for who in chance.sample(PEOPLE, 60):
            await refused(person.execute("select person.give($1, $1, $2, 'Given')", who, name))
        for who in chance.sample(PEOPLE, 40):
            await refused(person.execute("select person.object($1, $1, $2, true)", who, name))
        before = await seen(doors, number)
        told = (await doors.carry_out(dry(wanted))).agreements[name]
        assert (told.ready, told.reason) == (False, "DryRun")
        assert await seen(doors, number) == set()
        assert told.what_if is not None
        assert (told.what_if.fields_gained, told.what_if.fields_lost, told.what_if.subjects_lost) == (["area", "fullName"], [], 0)
        await doors.carry_out(wanted)
        after = await seen(doors, number)
        assert len(after) == told.what_if.subjects_gained > 0
        assert after == before
        await person.close()

    doors.run(script)


def test_a_dry_run_of_a_new_agreement_leaves_no_login_no_policy_and_no_public_entry(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        wanted = plan({"people": person_product(doors.heritage)}, {"brand-new": agreement("PublicTask")})
        told = (await doors.carry_out(dry(wanted))).agreements["brand-new"]
        assert told.what_if is not None
        assert told.what_if.subjects_gained == 200
        root = await doors.store.superuser("department")
        for left in (
            "select count(*) from pg_roles where rolname = 'agr_' || $1::int",
            "select count(*) from pg_policy where polname like 'a' || $1::int || '\\_%'",
            "select count(*) from pg_proc where proname like 'a' || $1::int || '\\_%'",
            "select count(*) from agreement.register where number = $1::int and product is not null",
        ):
            assert await root.fetchval(left, told.number) == 0
        await root.close()

    doors.run(script)


CHANGES: dict[str, dict[str, Any]] = {
    "a field less": {"fields": ["fullName"]},
    "a field more ends the consents": {"fields": ["fullName", "area", "score"]},
    "ended": {"validity": {"from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}},
    "other limits": {"limits": {"maxRows": 5}},
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_says_beforehand_whom_it_closes(doors: Doors, case: str) -> None:
    async def script(doors: Doors) -> None:
        name = "changing-" + case.replace(" ", "-")
        products = {"people": person_product(doors.heritage)}
        first = plan(products, {name: agreement("Consent", fields=["fullName", "area"])})
        number = (await doors.carry_out(first)).agreements[name].number or 0
        person = await login(doors.store, "person")
        for who in PEOPLE[:30]:
            await person.execute("select person.give($1, $1, $2, 'Given')", who, name)
        await person.close()
        before = await seen(doors, number)
        assert len(before) == 30
        second = plan(products, {name: agreement("Consent", **{"fields": ["fullName", "area"], **CHANGES[case]})})
        told = (await doors.carry_out(second)).agreements[name].what_if
        root = await doors.store.superuser("department")
        in_time = case != "ended"
        after = await seen(doors, number) if in_time else set()
        assert told is not None
        assert (told.subjects_gained, told.subjects_lost) == (len(after - before), len(before - after))
        fields = set(CHANGES[case].get("fields", ["fullName", "area"]))
        assert (set(told.fields_gained), set(told.fields_lost)) == (fields - {"fullName", "area"}, {"fullName", "area"} - fields)
        await root.close()

    doors.run(script)
