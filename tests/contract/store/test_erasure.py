"""A person has records erased where every basis leaves it; nothing brings them back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from support.data_api import agreement, login, person_product, plan, subject
from support.doors import Doors, point, refused
from support.keeper import Bench
from support.postgres import HeritageServer
from support.waiting import until_none

SUPPORTED = {"erasure": "Supported"}
WHO = subject("P60")


async def erase(person: Any, who: Any = WHO, product: str = "people") -> Any:
    return json.loads(await person.fetchval("select person.erase($1, $1, $2)", who, product))


def product(heritage: HeritageServer, **over: Any) -> dict[str, Any]:
    return person_product(heritage, rights=SUPPORTED, **over)


def test_erasure_removes_the_record_withdraws_and_keeps_the_next_loads_from_bringing_it_back(bench: Bench) -> None:
    wanted = plan({"people": product(bench.heritage)}, {"yes": agreement("Consent"), "rli": agreement("RecognisedLegitimateInterest")})

    async def script(root: Any) -> None:
        person = await login(bench.store, "person")
        await person.execute("select person.give($1, $1, 'yes', 'Given')", WHO)
        number = await root.fetchval("select number from agreement.register where name = 'yes'")
        reader = await login(bench.store, f"agr_{number}")
        assert await point(reader, number, WHO)
        done = await erase(person)
        assert (done["state"], done["erased"], done["atSource"]) == ("Erased", 1, "Awaited")
        assert await point(reader, number, WHO) is None
        kinds = await root.fetch("select kind from consent.event where subject = $1 order by seq", WHO)
        assert [k["kind"] for k in kinds] == ["Given", "Withdrawn"]
        relation = await root.fetchval("select relation from agreement.product where name = 'people'")
        held = f'select count(*) from product."{relation}" where subject = $1'
        loaded = await root.fetchval("select loaded_at from agreement.product where name = 'people'")
        await asyncio.to_thread(bench.change, "update person set score = score + 1 where ref in ('P60', 'P61')")
        await until_none(root, "select count(*) from agreement.product where name = 'people' and loaded_at = $1", loaded)
        assert await root.fetchval(held, WHO) == 0
        assert await root.fetchval(held, subject("P61")) == 1
        await root.execute(f'insert into product."{relation}" (subject, "fullName") values ($1, \'Back\')', WHO)
        assert await root.fetchval(held, WHO) == 0, "whatever loads: the table itself refuses"
        again = await erase(person)
        assert (again["state"], again["erased"]) == ("Erased", 0)
        api = await login(bench.store, "api")
        public = json.loads(await api.fetchval("select audit.transparency()"))
        assert public["erasures"] == [{"product": "people", "erased": 1, "awaitedAtSource": 1}]
        for connection in (person, api, reader):
            await connection.close()

    bench.run(wanted, script)


def test_a_basis_without_erasure_stands_in_the_way_and_is_named(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        person = await login(doors.store, "person")
        agreements = {
            name: agreement(basis)
            for name, basis in (("duty", "LegalObligation"), ("treaty", "Contract"), ("task", "PublicTask"), ("yes", "Consent"))
        }
        await doors.carry_out(plan({"people": product(doors.heritage)}, agreements))
        state, message = await refused(erase(person))
        assert (state, message) == ("CW409", "these agreements rest on a basis without erasure: duty, task, treaty")
        await doors.carry_out(plan({"people": product(doors.heritage)}, {"yes": agreements["yes"]}))
        assert (await refused(erase(person)))[0] is None, "a contract leaves it once it has ended"
        assert (await refused(erase(person, product="nothing")))[0] == "CW404"
        await doors.carry_out(plan({"people": person_product(doors.heritage)}, {"yes": agreements["yes"]}))
        assert (await refused(erase(person)))[0] == "CW409", "erased at its source only"
        await person.close()

    doors.run(script)


def test_an_erasure_travels_by_the_products_name_and_once(doors: Doors) -> None:
    async def script(doors: Doors) -> None:
        await doors.carry_out(plan({"people": product(doors.heritage)}, {}))
        root = await doors.store.superuser("department")
        moved = json.dumps({"product": "people", "subject": str(subject("P70")), "indicated_by": "subject"})
        for _ in range(2):
            await root.execute("select consent.carry_erasure($1::text::jsonb)", moved)
        await root.execute("select consent.carry_erasure($1::text::jsonb)", json.dumps({**json.loads(moved), "product": "nothing"}))
        entries = await root.fetch("select entry::text from consent.erasures_after(0) order by seq desc limit 1")
        assert json.loads(entries[0]["entry"]) == json.loads(moved)
        assert await root.fetchval("select count(*) from consent.erased where subject = $1", subject("P70")) == 1
        await root.close()

    doors.run(script)
