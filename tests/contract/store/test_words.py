"""What people are told is in both languages where the department wrote both, and a translation is no widening of what they agreed to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from commonweal_api.plan import ModelRecord, StorePlan
from support.data_api import agreement, login, person_product, plan, subject
from support.doors import Doors, point
from support.people import People

PURPOSE = "Mae'r swyddfa dreth yn darllen hyn i'ch helpu chi."
BENEFITS = {
    "benefits": "People wait for days less than before.",
    "cy": {"benefits": "Mae pobl yn aros ddyddiau'n llai nag o'r blaen."},
    "method": "One at a time.",
    "areas": ["GB-WLS"],
    "contact": "mailto:a@example.test",
    "review": "2028-01-01",
}
REASON = {"visibility": "Delayed", "delayDays": 7, "reason": "An investigation that a notice would defeat."}
ME = subject("P80")


def in_welsh(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    words = {"fullName": {"label": "Full name", "cy": {"label": "Enw llawn", "description": "Fel y'i cofrestrwyd."}}}
    return [{**f, **words.get(f["name"], {})} for f in fields]


def wanted(doors: Doors, welsh: str | None = PURPOSE, **over: Any) -> StorePlan:
    """Return a plan whose agreement `yes` has Welsh, or none, and whose `late` hides its uses with a reason."""
    product = person_product(doors.heritage)
    yes, late = agreement("Consent", **over), agreement("PublicTask", consumer="health", transparency=REASON)
    if welsh is not None:
        product |= {"cy": {"title": "Pobl"}, "fields": in_welsh(product["fields"])}
        yes = {**yes, "assurance": BENEFITS, "purposes": [{**yes["purposes"][0], "cy": {"text": welsh}}]}
        late = {**late, "transparency": {**REASON, "cy": {"reason": "Byddai hysbysiad yn difetha ymchwiliad."}}}
    made = plan({"people": product}, {"yes": yes, "late": late})
    named = {"consumer_name": "The Tax Authority", "consumer_name_cy": "Yr Awdurdod Trethi" if welsh else None}
    changed = {"agreements": [a.model_copy(update=named) for a in made.agreements], "display_name_cy": "Y Gofrestrfa" if welsh else None}
    return made.model_copy(update=changed)


@asynccontextmanager
async def told(doors: Doors, carried: StorePlan) -> AsyncIterator[People]:
    report = await doors.carry_out(carried)
    numbers = {name: outcome.number or 0 for name, outcome in report.agreements.items()}
    logins = [await login(doors.store, "person"), await login(doors.store, "api"), await doors.store.superuser("department")]
    try:
        yield People(doors, carried, numbers, *logins)
    finally:
        for connection in logins:
            connection.terminate()


async def shown(people: People) -> dict[str, Any]:
    return {i["agreement"]: i for i in (await people.call("consents", ME, ME))["items"]}


def test_both_languages_are_told_and_welsh_is_left_out_where_there_is_none(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async with told(doors, wanted(doors)) as people:
            yes, late = (await shown(people))["yes"], (await shown(people))["late"]
            assert yes["title"] == {"en": "People", "cy": "Pobl"}
            assert yes["consumerName"] == {"en": "The Tax Authority", "cy": "Yr Awdurdod Trethi"}
            assert yes["benefits"] == {"en": BENEFITS["benefits"], "cy": BENEFITS["cy"]["benefits"]}  # type: ignore[index]
            assert yes["purposes"][0]["text"]["cy"] == PURPOSE
            assert set(yes["rights"]) == {"en", "cy"}
            fields = {f["name"]: f for f in yes["explained"]}
            assert fields["fullName"]["label"] == {"en": "Full name", "cy": "Enw llawn"}
            assert late["visibility"]["reason"] == {"en": REASON["reason"], "cy": "Byddai hysbysiad yn difetha ymchwiliad."}
            assert "cy" not in late["visibility"]
            assert set(late["purposes"][0]["text"]) == {"en"}
            preview = await people.call("preview", ME, ME, "yes")
            assert preview["fields"] == yes["explained"]
            use = (await people.call("uses", ME, ME, 2**62, 1))["items"][0]
            assert (use["title"], use["consumerName"]) == (yes["title"], yes["consumerName"])
            export = await people.call("export", ME, ME)
            assert export["department"]["displayName"]["cy"] == "Y Gofrestrfa"
            assert export["products"][0]["title"] == yes["title"]

    doors.run(script)


MODEL = ModelRecord(
    name="next-step",
    title="The next step",
    title_cy="Y cam nesaf",
    purpose="tax/serve",
    reads=["registry/people/area"],
    callers=["tax/app"],
    shape="PerAction",
    floor=0.02,
)


def test_the_register_has_what_is_in_force_with_models_and_nothing_that_has_ended(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        carried = wanted(doors).model_copy(update={"models": [MODEL]})
        async with told(doors, carried) as people:
            register = json.loads(await people.api.fetchval("select audit.register()"))
            yes = next(a for a in register["agreements"] if a["agreement"] == "yes")
            assert (yes["areas"], yes["title"]["cy"], yes["benefits"]["cy"]) == (["GB-WLS"], "Pobl", BENEFITS["cy"]["benefits"])  # type: ignore[index]
            assert yes["consumerName"]["cy"] == "Yr Awdurdod Trethi"
            assert register["department"]["displayName"] == {"en": "The Registry", "cy": "Y Gofrestrfa"}
            [model] = register["models"]
            assert model["title"] == {"en": "The next step", "cy": "Y cam nesaf"}
            assert model["learning"] == {"shape": "PerAction", "floor": 0.02}
            reader = await doors.reader(people.numbers["yes"])
            await people.call("give", ME, ME, "yes", "Given")
            assert await point(reader, people.numbers["yes"], ME)
            reader.terminate()
            await people.root.execute("select audit.count_uses()")
            counted = json.loads(await people.api.fetchval("select audit.register()"))["agreements"]
            assert next(a["given"] for a in counted if a["agreement"] == "yes") > yes["given"]
            public = json.loads(await people.api.fetchval("select audit.transparency()"))["agreements"]
            uses = {a["number"]: a["uses"] for a in public}
            assert all(a["uses"] == uses[a["number"]] for a in counted), "one count, told twice"
            await doors.carry_out(carried.model_copy(update={"agreements": carried.agreements[1:], "models": None}))
            after = json.loads(await people.api.fetchval("select audit.register()"))
            assert ([a["agreement"] for a in after["agreements"]], after["models"]) == ([carried.agreements[1].name], [])

    doors.run(script)


def test_a_translation_ends_no_consent_and_another_meaning_in_welsh_does(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        async def state(people: People) -> str:
            return str((await shown(people))["yes"]["consent"]["state"])

        async def reads(people: People) -> bool:
            reader = await doors.reader(people.numbers["yes"])
            try:
                return await point(reader, people.numbers["yes"], ME) is not None
            finally:
                reader.terminate()

        async with told(doors, wanted(doors, None)) as people:
            await people.call("give", ME, ME, "yes", "Given")
            use = (await people.call("preview", ME, ME, "yes"))["agreement"]
            assert use == "yes"
            assert (await people.call("uses", ME, ME, 2**62, 1))["items"][0]["title"] == {"en": "People"}
        async with told(doors, wanted(doors)) as people:
            assert (await state(people), await reads(people)) == ("Given", True)
        async with told(doors, wanted(doors, "Mae'r swyddfa dreth yn gwerthu hyn i bawb.")) as people:
            assert (await state(people), await reads(people)) == ("Invalidated", False)

    doors.run(script)
