"""A key's text that is another one than release 0.1 stored: people keep what they said, what was read about them, and their records, under one id."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commonweal_api.reasons import Reason
from commonweal_runtime.audit.merkle import Tree
from commonweal_runtime.audit.proofs import check, prove
from commonweal_runtime.audit.receipts import Receipt, broken_links, signed
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store import loading
from commonweal_runtime.store.product_tables import served_product
from support.audit import KEYS, SEAL_KEY, Ledger
from support.data_api import SECTOR_KEY, agreement, login, person_product, plan, subject, visit_product
from support.doors import Doors, page, point
from support.people import ALL_ACTS
from support.texts import Texts

Spec = dict[str, Any]
FORMER, NOW, OTHER, PLAIN = subject("1E+4"), subject("10000"), subject("2E+4"), subject("37")
TEXTS = {"10000": "1E+4", "20000": "2E+4", "30000": "3E+4"}
PEOPLE = {"10000": "Ada", "20000": "Grace", "37": "Hedy"}
SERIAL = itertools.count()
NOTES = [("10000", "10000", "call"), ("20000", "10000", "desk"), ("7", "37", "call")]


def python(text: str) -> str:
    """Return how Python's Decimal printed such a number."""
    return TEXTS.get(text, text)


def products(doors: Doors) -> dict[str, Spec]:
    """One record a person, and many, of the same people."""
    serve = {"refreshSeconds": 3600}  # a second load of the keeper would be one under the present text
    one, many = person_product(doors.heritage, serve=serve), visit_product(doors.heritage, serve=serve)
    fields = [{"name": "fullName", "column": "full_name", "type": "String"}]
    one = {**one, "source": {"postgres": {**one["source"]["postgres"], "table": "numbered"}}, "fields": fields}
    many = {**many, "source": {"postgres": {**many["source"]["postgres"], "table": "noted"}}, "fields": many["fields"][:1]}
    return {"people": one, "visits": many}


def hold(texts: Texts, written: Callable[[str], str]) -> None:
    """Have the source write its keys in one way."""
    texts.tables["numbered"] = [{"ref": written(ref), "full_name": name} for ref, name in PEOPLE.items()]
    texts.tables["noted"] = [{"id": written(key), "person": written(person), "kind": kind} for key, person, kind in NOTES]


@asynccontextmanager
async def stored_before(doors: Doors, texts: Texts) -> AsyncIterator[Any]:
    """Have the store hold what release 0.1 made of the source, and the source as it prints itself now; yield a superuser's connection."""
    hold(texts, python)
    texts.former = {}
    consent, task = agreement(fields=["fullName"]), agreement("PublicTask", fields=["fullName"])
    consent["subjects"]["delegation"] = ["Adviser"]
    root = await doors.store.superuser("department")
    try:
        if await root.fetchval("select to_regclass('consent.renamed') is not null"):
            await root.execute("delete from consent.renamed")
        await doors.carry_out(plan(products(doors), {"yes": consent, "task": task}, uid=str(next(SERIAL))))
        await root.execute("delete from staging.canonical")
        hold(texts, str)
        texts.former = dict.fromkeys(("ref", "person", "id"), python)
        yield root
    finally:
        await root.close()


async def load(root: Any, name: str = "people") -> loading.Loaded:
    product = await served_product(root, name)
    assert product is not None
    return await loading.load(root, product, None, SECTOR_KEY, asyncio.Lock())


async def refused(root: Any, name: str = "people") -> str:
    """Return the detail with which a load stops, after a look at that it has changed nothing."""
    held = 'select subject, "fullName" from product."{}" order by 1'.format(await relation(root, "people"))
    before = await root.fetch(held)
    with pytest.raises(SourceReadError) as stopped:
        await load(root, name)
    assert stopped.value.reason is Reason.KEYS_CLASH
    assert await root.fetch(held) == before
    assert await root.fetchval("select count(*) from consent.renamed") == 0
    return stopped.value.detail


async def relation(root: Any, name: str) -> str:
    return str(await root.fetchval("select relation from agreement.product where name = $1", name))


async def subjects(root: Any, name: str) -> set[UUID]:
    rows = await root.fetch(f'select subject from product."{await relation(root, name)}"')
    return {row["subject"] for row in rows}


async def number(root: Any, name: str) -> int:
    return int(await root.fetchval("select number from agreement.register where name = $1 and in_force", name))


async def told(person: Any, function: str, *args: object) -> Any:
    places = ", ".join(f"${n}" for n in range(1, len(args) + 1))
    return json.loads(await person.fetchval(f"select person.{function}({places})", *args))


def test_a_person_keeps_records_words_delegations_and_uses(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            person, yes = await login(doors.store, "person"), await number(root, "yes")
            reader = await login(doors.store, f"agr_{yes}")
            ends = datetime.now(UTC) + timedelta(days=30)
            await told(person, "give", FORMER, FORMER, "yes", "Given")
            await told(person, "object", FORMER, FORMER, "task", True)
            await told(person, "delegate", FORMER, FORMER, OTHER, "Adviser", ALL_ACTS, None, None, ends)
            assert await point(reader, yes, FORMER)
            assert "Ada" in await page(reader, yes)
            before = await told(person, "export", FORMER, FORMER)

            loaded = await load(root)
            assert (loaded.renamed, loaded.written) == (2, 0), "renamed, and nothing to delete or to insert"
            assert loaded.detail == "2 people's ids were renamed."
            assert await subjects(root, "people") == {NOW, subject("20000"), PLAIN}
            assert await subjects(root, "visits") == {NOW, PLAIN}, "every product of the department follows"

            assert await point(reader, yes, FORMER) is None
            assert "Ada" in (await point(reader, yes, NOW) or ""), "the consent holds"
            after = await told(person, "export", NOW, NOW)
            assert after["uses"][2:] == before["uses"], "after the two reads of just now"
            assert (after["events"], after["agreements"]) == (before["events"], before["agreements"])
            task = await login(doors.store, f"agr_{await number(root, 'task')}")
            assert await point(task, await number(root, "task"), NOW, None) is None, "the objection holds"
            made = (await told(person, "delegations", NOW, NOW))["items"][0]
            assert (made["subject"], made["delegate"], made["inForce"]) == (str(NOW), str(subject("20000")), True)
            assert (await told(person, "consents", subject("20000"), NOW))["items"], "the delegate acts under the present id"
            assert (await told(person, "give", NOW, NOW, "yes", "Withdrawn"))["consent"]["state"] == "Withdrawn"
            assert await point(reader, yes, NOW) is None

            visits = await load(root, "visits")
            assert (visits.renamed, visits.written) == (0, 0), "records keep their places"
            again = await load(root)
            assert (again.renamed, again.written, again.detail) == (0, 0, "")
            for connection in (person, reader, task):
                await connection.close()

    doors.run(script)


def test_what_is_sealed_stays_and_its_proof_and_receipts_still_hold(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            person, yes = await login(doors.store, "person"), await number(root, "yes")
            reader = await login(doors.store, f"agr_{yes}")
            await told(person, "give", FORMER, FORMER, "yes", "Given")
            await point(reader, yes, FORMER)
            sealed = await root.fetch(
                "select audit.use_bytes(u) from audit.use u union all select audit.event_bytes(e) from consent.event e order by 1"
            )
            await load(root)
            assert sealed == await root.fetch(
                "select audit.use_bytes(u) from audit.use u union all select audit.event_bytes(e) from consent.event e order by 1"
            )
            ledger = Ledger(root)
            while await ledger.seal():
                pass
            use = (await told(person, "uses", NOW, NOW, 2**62, 1))["items"][0]
            evidence = await told(person, "use_evidence", NOW, NOW, int(use["id"]))
            row = await root.fetchrow("select entries, jws from audit.seal where n = $1", evidence["seal"])
            proof = prove(evidence, Tree(row["entries"]), row["jws"])
            proven = check(proof, KEYS)
            assert not proven.concerns(NOW)
            assert proven.concerns(UUID(proof["former"][0])), "the proof names the id under which it was sealed"
            await told(person, "give", NOW, NOW, "yes", "Withdrawn")
            events = (await told(person, "receipts", NOW, NOW, 2**62, 10))["items"]
            assert [e["kind"] for e in events[:2]] == ["Withdrawn", "Given"]
            assert broken_links([Receipt.opened(KEYS, signed(e, SEAL_KEY)) for e in events]) == []
            for connection in (person, reader):
                await connection.close()

    doors.run(script)


def test_two_people_who_would_become_one_stop_the_load(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            insert = f'insert into product."{await relation(root, "people")}" (subject, "fullName") values ($1, \'Kay\')'
            await root.execute(insert, NOW)
            assert await refused(root) == "1 of the ids that follow from the column «ref», which spec.subject.column names, are concerned."
            assert await root.fetchval("select count(*) from staging.progress") == 0, "the next load reads again"
            await root.execute(f'delete from product."{await relation(root, "people")}" where subject = $1', NOW)
            texts.tables["numbered"] = [*texts.tables["numbered"], {"ref": "1E+4", "full_name": "Joan"}]
            await refused(root)
            hold(texts, str)
            assert (await load(root)).renamed == 2

    doors.run(script)


def test_words_that_contradict_each_other_are_the_persons_to_settle(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            person, yes = await login(doors.store, "person"), await number(root, "yes")
            await told(person, "give", FORMER, FORMER, "yes", "Given")
            await told(person, "give", FORMER, FORMER, "yes", "Withdrawn")
            await told(person, "give", NOW, NOW, "yes", "Given")
            await refused(root)
            await told(person, "give", NOW, NOW, "yes", "Withdrawn")
            assert (await load(root)).renamed == 2
            assert await root.fetchval("select given from consent.state where subject = $1 and agreement = $2", NOW, yes) is False
            await person.close()

    doors.run(script)


def test_a_later_no_under_the_present_id_holds_over_an_earlier_yes(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            person, yes = await login(doors.store, "person"), await number(root, "yes")
            await told(person, "give", FORMER, FORMER, "yes", "Given")
            await told(person, "give", NOW, NOW, "yes", "Refused")
            assert (await load(root)).renamed == 2
            reader = await login(doors.store, f"agr_{yes}")
            assert await point(reader, yes, NOW) is None
            await person.close()
            await reader.close()

    doors.run(script)


def test_an_id_that_another_product_truly_holds_is_not_taken_from_it(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            uid = await root.fetchval("select uid from agreement.product where name = 'visits'")
            await root.execute("insert into staging.canonical values ($1, '{person,id}')", uid)
            await refused(root)

    doors.run(script)


def test_what_another_site_tells_under_a_former_id_is_about_the_present_one(doors: Doors, texts: Texts) -> None:
    async def script(doors: Doors) -> None:
        async with stored_before(doors, texts) as root:
            await root.execute('select feed.arrange(\'here\', \'[{"name": "there", "url": "https://there.test"}]\', \'10 s\')')
            yes = await number(root, "yes")
            assert (await load(root)).renamed == 2
            shown = await root.fetchval("select feed.shown(contract) from agreement.register where number = $1", yes)
            entry = {"seq": 1, "origin": "there", "epoch": str(PLAIN), "number": 1, "kind": "Given", "subject": str(OTHER), "agreement": "yes",
                     "product": "people", "incarnation": 7, "shown": shown, "at": str(datetime.now(UTC)), "stamp": str(datetime.now(UTC)), "by": "subject"}  # fmt: skip
            told_there = {"site": "there", "epoch": str(PLAIN), "agreements": {"yes": 7}, "more": True, "entries": [entry]}
            await root.execute("select feed.take('there', 0, clock_timestamp(), $1)", json.dumps(told_there))
            assert await root.fetchval("select given from consent.state where subject = $1 and agreement = $2", subject("20000"), yes)
            assert not await root.fetchval("select exists (select from consent.state where subject = $1)", OTHER)
            await root.execute("select feed.arrange('here', '[]', '10 s')")

    doors.run(script)
