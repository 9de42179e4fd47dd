"""What is over stays over, whatever plan comes: deleted and made anew, revoked, replaced, signed before there were nonces. On a real store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from commonweal_api.agreement_signatures import agreement_hash
from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.meaning import meaning_of
from commonweal_api.plan import Outcome, StorePlan, digest_of
from support.data_api import DEPARTMENT, agreement, keeping, person_product, plan, subject
from support.doors import Doors, point, refused
from support.signing import nonce_of

WHO = subject("P4")
Specs = Mapping[str, dict[str, Any]]


def planned(doors: Doors, agreements: Specs, uid: str = "", product: Mapping[str, Any] | None = None, **more: Any) -> StorePlan:
    """Return a plan whose agreements are signed as they stand and as their product means them, unless they have no nonce."""
    spec = person_product(doors.heritage) | dict(product or {})
    made = plan({"people": spec}, agreements, uid)
    found = DataProductSpec.model_validate(spec)

    def signed(name: str, wanted: ConsentPolicySpec) -> str | None:
        return agreement_hash(DEPARTMENT, name, wanted, meaning_of(wanted.fields, found, found)) if wanted.nonce else None

    return made.model_copy(
        update={"agreements": [a.model_copy(update={"signed": signed(a.name, a.spec)}) for a in made.agreements], **more}
    )


def task(name: str, **over: Any) -> dict[str, Any]:
    """Return an agreement by a public task with a nonce that follows from the name."""
    return agreement("PublicTask", **{"nonce": nonce_of(name), **over})


async def carried(doors: Doors, wanted: StorePlan) -> dict[str, Outcome]:
    """Carry a plan out, whatever becomes of it; return the outcomes of its agreements once its products serve."""
    doors.exchange.put(wanted)
    digest = digest_of(wanted)
    async with keeping(doors.store, doors.exchange):
        report = await doors.exchange.when(
            lambda r: r if r.plan == digest and all(p.ready for p in r.products.values()) and not _waits(r.agreements) else None
        )
    return report.agreements


def _waits(agreements: Mapping[str, Outcome]) -> bool:
    return any(outcome.reason == "ProductNotReady" for outcome in agreements.values())


def reason(outcome: Outcome) -> tuple[bool, str]:
    return outcome.ready, outcome.reason


async def reads(doors: Doors, number: int | None) -> bool:
    """Tell whether the agreement's login gets a person's record."""
    assert number is not None
    try:
        reader = await doors.reader(number)
    except asyncpg.PostgresError:
        return False
    try:
        return await point(reader, number, WHO) is not None
    except asyncpg.PostgresError:
        return False
    finally:
        await reader.close()


def test_an_agreement_that_was_deleted_does_not_come_back_by_its_old_signatures(doors: Doors) -> None:
    """Attack l: deleted and made anew, it had a fresh number, and each person could be read once more."""
    once = {"census": task("census", limits={"maxRows": 10, "once": True})}

    async def script(doors: Doors) -> None:
        first = (await carried(doors, planned(doors, once)))["census"]
        reader = await doors.reader(first.number or 0)
        assert await point(reader, first.number or 0, WHO) is not None
        assert (await refused(point(reader, first.number or 0, WHO)))[0] == "CW006"
        await reader.close()
        await carried(doors, planned(doors, {}))
        again = (await carried(doors, planned(doors, once, uid="-anew")))["census"]
        assert reason(again) == (False, "NonceUsed")
        assert not await reads(doors, again.number)
        back = (await carried(doors, planned(doors, once)))["census"]
        assert (back.ready, back.number) == (True, first.number), "the same object, for a moment out of the plan, is what it was"
        assert not await reads(doors, back.number), "and what was read once stays read"

    doors.run(script)


def test_what_a_party_revoked_never_opens_again_whoever_takes_the_revocation_out(doors: Doors) -> None:
    """Signatures put back, the object deleted and made anew, another hash under the same nonce: all stay closed."""
    wanted = {"taken-back": task("taken-back")}

    async def script(doors: Doors) -> None:
        first = (await carried(doors, planned(doors, wanted)))["taken-back"]
        assert await reads(doors, first.number)
        await carried(doors, planned(doors, {}, revoked=[nonce_of("taken-back")]))
        assert not await reads(doors, first.number)
        for uid in ("", "-anew"):
            for spec in (wanted, {"taken-back": task("taken-back", limits={"maxRows": 7})}):
                found = (await carried(doors, planned(doors, spec, uid=uid)))["taken-back"]
                assert reason(found) == (False, "NonceEnded")
                assert "Revoked" in found.message
                assert not await reads(doors, found.number)
        renewed = (await carried(doors, planned(doors, {"taken-back": task("taken-back", nonce=nonce_of("agreed anew"))})))["taken-back"]
        assert (renewed.ready, renewed.number) == (True, first.number)

    doors.run(script)


def test_a_nonce_that_was_revoked_before_it_ever_opened_stays_closed(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        await carried(doors, planned(doors, {}, revoked=[nonce_of("early")]))
        assert reason((await carried(doors, planned(doors, {"early": task("early")})))["early"]) == (False, "NonceEnded")

    doors.run(script)


def test_a_field_that_means_something_else_closes_before_the_product_changes(doors: Doors) -> None:
    """Attack c: the origin behind a mask was changed, and the consumer read what it gave under unchanged signatures."""
    wanted = {"masked": task("masked", fields=["area"])}

    async def script(doors: Doors) -> None:
        good = planned(doors, wanted)
        assert await reads(doors, (await carried(doors, good))["masked"].number)
        fields = person_product(doors.heritage)["fields"]
        other = [f | ({"column": "full_name"} if f["name"] == "postcode" else {}) for f in fields]
        changed = planned(doors, wanted, product={"fields": other})
        forged = changed.model_copy(update={"agreements": good.agreements})
        found = (await carried(doors, forged))["masked"]
        assert reason(found) == (False, "MeaningChanged")
        assert not await reads(doors, found.number)
        renewed = planned(doors, {"masked": task("masked", fields=["area"], nonce=nonce_of("masked anew"))}, product={"fields": other})
        assert reason((await carried(doors, renewed))["masked"]) == (True, "Enforced")
        assert reason((await carried(doors, good))["masked"]) == (False, "NonceEnded"), "the meaning put back brings no old terms back"

    doors.run(script)


def test_one_nonce_is_one_agreement_and_one_text(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        both = await carried(doors, planned(doors, {"one": task("one"), "two": task("one")}))
        assert {name: reason(o) for name, o in both.items()} == {"one": (True, "Enforced"), "two": (False, "NonceUsed")}
        wider = (await carried(doors, planned(doors, {"one": task("one", limits={"maxRows": 1000})})))["one"]
        assert reason(wider) == (False, "NonceUsed")
        assert not await reads(doors, wider.number)

    doors.run(script)


def test_no_field_gives_the_sources_own_key_of_a_person(doors: Doors) -> None:
    """Attack c, its second half: matching may compare the key, and nobody is given it."""
    key = {"name": "personKey", "column": "ref", "type": "String"}
    fields = [*person_product(doors.heritage)["fields"], key, {"name": "keyStart", "mask": {"of": "personKey", "kind": "FirstThree"}}]

    async def script(doors: Doors) -> None:
        wanted = {"given": task("given", fields=["personKey"]), "masked-key": task("masked-key", fields=["keyStart"])}
        found = await carried(doors, planned(doors, wanted, product={"fields": fields}))
        assert {name: reason(o) for name, o in found.items()} == {"given": (False, "PersonKeyGiven"), "masked-key": (True, "Enforced")}
        assert not await reads(doors, found["given"].number)

    doors.run(script)


def test_nobody_takes_a_nonce_out_of_the_store(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        await carried(doors, planned(doors, {"kept": task("kept")}, revoked=[nonce_of("gone")]))
        root = await doors.store.superuser("department")
        for statement in (
            "delete from agreement.nonce",
            "truncate agreement.nonce",
            "update agreement.nonce set ended_at = null, why = null where ended_at is not null",
            "update agreement.nonce set number = null where number is not null",
        ):
            state, message = await refused(root.execute(statement))
            assert (state, "kept for ever" in message) == ("P0001", True), statement
        await root.close()

    doors.run(script)


# Signed in the form of earlier releases


async def _signed_before(doors: Doors, name: str, until: str = "180 days") -> None:
    """Make an agreement that is in force one of an earlier release, as the store of that time would be found."""
    root = await doors.store.superuser("department")
    await root.execute("alter table agreement.nonce disable trigger kept")
    await root.execute(
        "delete from agreement.nonce where number = (select number from agreement.register where name = $1 and in_force)", name
    )
    await root.execute("alter table agreement.nonce enable trigger kept")
    await root.execute("update agreement.register set spec = spec - 'nonce' where name = $1 and in_force", name)
    await root.execute(
        "insert into agreement.signed_before (number, until) select number, clock_timestamp() + $2::text::interval from agreement.register"
        " where name = $1 and in_force",
        name,
        until,
    )
    await root.close()


def before(**over: Any) -> dict[str, Any]:
    return task("", nonce=None, **over)


@pytest.fixture
def held(doors: Doors, request: pytest.FixtureRequest) -> str:
    """The name of an agreement that an earlier release had opened."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")

    async def script(doors: Doors) -> None:
        await carried(doors, planned(doors, {name: task(name)}))
        await _signed_before(doors, name)

    doors.run(script)
    return name


def test_old_form_stays_in_force_for_its_last_term(doors: Doors, held: str) -> None:
    async def script(doors: Doors) -> None:
        found = (await carried(doors, planned(doors, {held: before()})))[held]
        assert reason(found) == (True, "Enforced")
        assert found.lapses is not None
        assert await reads(doors, found.number)
        root = await doors.store.superuser("department")
        ends = await root.fetchval(
            "select (spec #>> '{validity,until}')::timestamptz from agreement.register where number = $1", found.number
        )
        await root.close()
        assert ends == found.lapses, "the store itself ends it, whether a plan comes or not"
        renewed = (await carried(doors, planned(doors, {held: task("renewed")})))[held]
        assert (renewed.ready, renewed.number, renewed.lapses) == (True, found.number, None)
        assert reason((await carried(doors, planned(doors, {held: before()})))[held]) == (False, "Lapsed")

    doors.run(script)


@pytest.mark.parametrize(
    ("change", "why"),
    [({"fields": ["fullName", "income"]}, "Lapsed"), ({"limits": {"maxRows": 7}}, "Lapsed")],
    ids=["fields", "limits"],
)
def test_old_form_cannot_be_changed(doors: Doors, held: str, change: dict[str, Any], why: str) -> None:
    async def script(doors: Doors) -> None:
        found = (await carried(doors, planned(doors, {held: before(**change)})))[held]
        assert reason(found) == (False, why)
        assert not await reads(doors, found.number)

    doors.run(script)


def test_old_form_is_held_to_what_its_fields_meant(doors: Doors, held: str) -> None:
    fields = [f | ({"column": "postcode"} if f["name"] == "fullName" else {}) for f in person_product(doors.heritage)["fields"]]

    async def script(doors: Doors) -> None:
        found = (await carried(doors, planned(doors, {held: before()}, product={"fields": fields})))[held]
        assert reason(found) == (False, "MeaningChanged")
        assert "fullName meant «String from column full_name» and means «String from column postcode»." in found.message
        assert not await reads(doors, found.number)

    doors.run(script)


def test_old_form_that_was_closed_does_not_come_back(doors: Doors, held: str) -> None:
    async def script(doors: Doors) -> None:
        await carried(doors, planned(doors, {}))
        for uid in ("", "-anew"):
            assert reason((await carried(doors, planned(doors, {held: before()}, uid=uid)))[held]) == (False, "Lapsed")

    doors.run(script)


def test_old_form_is_over_when_its_last_term_is(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        await carried(doors, planned(doors, {"over": task("over")}))
        await _signed_before(doors, "over", "-1 second")
        found = (await carried(doors, planned(doors, {"over": before()})))["over"]
        assert reason(found) == (False, "Lapsed")
        assert not await reads(doors, found.number)

    doors.run(script)
