"""The keeper against a real store and a real heritage database: loads, refreshes, broken sources, numbers, restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from commonweal_api.plan import StorePlan, digest_of
from commonweal_runtime.store import loading
from commonweal_runtime.store.product_tables import served_product
from commonweal_runtime.store.sources import Credentials
from support.data_api import (
    GRANTS,
    PASSWORD,
    SECTOR_KEY,
    USER,
    agreement,
    login,
    person_product,
    plan,
    subject,
    visit_product,
)
from support.keeper import Bench
from support.postgres import HeritageServer
from support.signing import nonce_of
from support.waiting import until_none

Spec = dict[str, Any]


async def relation(root: Any, product: str = "people") -> str:
    name = await root.fetchval("select relation from agreement.product where name = $1", product)
    return f'product."{name}"'


async def once(bench: Bench, root: Any, product: str = "people") -> loading.Loaded:
    """Load a product once more, as the keeper's timer would."""
    served = await served_product(root, product)
    assert served is not None
    connection = await bench.store.superuser("department")
    try:
        return await loading.load(connection, served, Credentials(USER, PASSWORD), SECTOR_KEY, asyncio.Lock())
    finally:
        await connection.close()


def test_a_load_maps_types_masks_and_ids_and_keeps_no_source_key(bench: Bench) -> None:
    async def script(root: Any) -> None:
        table = await relation(root)
        row = dict(await root.fetchrow(f"select * from {table} where subject = $1", subject("P3")))
        assert (row["fullName"], row["birthYear"], row["area"], row["score"], row["active"]) == ("Person 3", 1950, "AB3", 3, False)
        assert "ref" not in row
        assert not any(value == "P3" for value in row.values())
        assert await root.fetchval(f"select count(*) from {table}") == 200

    bench.run(plan({"people": person_product(bench.heritage)}, {}), script)


def test_a_refresh_writes_only_what_differs(bench: Bench) -> None:
    bench.change("create table moving as select * from person where score < 50")
    bench.change(GRANTS)
    spec = person_product(bench.heritage)
    spec["source"]["postgres"]["table"] = "moving"

    async def script(root: Any) -> None:
        table = await relation(root, "moving")
        before = await root.fetch(f"select subject, xmin::text from {table} order by subject")
        unchanged = await once(bench, root, "moving")
        assert unchanged.written == 0
        assert await root.fetch(f"select subject, xmin::text from {table} order by subject") == before
        source = await bench.heritage.superuser("heritage")
        await source.execute("update moving set full_name = 'Renamed' where ref = 'P1'; delete from moving where ref = 'P2'")
        await source.execute(
            "insert into moving select 'N1', full_name, born, postcode, score, income, active, seen from moving where ref = 'P3'"
        )
        await source.close()
        changed = await once(bench, root, "moving")
        assert (changed.inserted, changed.updated, changed.deleted) == (1, 1, 1)
        assert await root.fetchval(f'select "fullName" from {table} where subject = $1', subject("P1")) == "Renamed"

    try:
        bench.run(plan({"moving": spec}, {}), script)
    finally:
        bench.change("drop table moving")


def test_a_refresh_keeps_what_people_said_and_newcomers_bring_theirs(bench: Bench) -> None:
    bench.change("create table coming as select * from person where ref in ('P1', 'P2')")
    bench.change(GRANTS)
    spec = person_product(bench.heritage)
    spec["source"]["postgres"]["table"] = "coming"

    async def script(root: Any) -> None:
        person = await login(bench.store, "person")
        for who in ("P1", "P9"):  # P9 is not in the source yet
            await person.execute("select person.give($1, $1, 'said', 'Given')", subject(who))
        await person.close()
        source = await bench.heritage.superuser("heritage")
        await source.execute("insert into coming select * from person where ref in ('P9', 'P10')")
        await source.close()
        assert (await once(bench, root, "coming")).inserted == 2
        table, number = await relation(root, "coming"), await root.fetchval("select number from agreement.register where uid = 'a-said'")
        rows = dict(await root.fetch(f"select subject, _consent from {table}"))
        assert rows == {subject("P1"): [number], subject("P2"): [], subject("P9"): [number], subject("P10"): []}

    try:
        bench.run(plan({"coming": spec}, {"said": agreement(product="coming")}), script)
    finally:
        bench.change("drop table coming")


def test_rows_that_break_the_contract_are_refused_and_counted_and_the_rest_is_served(bench: Bench) -> None:
    bench.change(
        "create table flawed (ref text, full_name text, born text); insert into flawed values ('P1', 'One', '1950-01-01'), ('P2', null, '1950-01-01'), "
        "('P3', 'Three', 'soon'), (null, 'Four', null), ('P5', 'Five', null), ('P5', 'Five again', null); " + GRANTS
    )
    fields = [
        {"name": "fullName", "column": "full_name", "type": "String", "required": True},
        {"name": "born", "column": "born", "type": "Date"},
    ]
    spec = person_product(bench.heritage, fields=fields)
    spec["source"]["postgres"]["table"] = "flawed"

    async def script(root: Any) -> None:
        message = await bench.exchange.until("flawed", "RowsRefused")
        assert message == "4 refused: spec.subject.column 2, born 1, fullName 1."
        report = bench.exchange.reported()
        assert report is not None
        assert report.products["flawed"].ready
        assert await root.fetchval(f"select count(*) from {await relation(root, 'flawed')}") == 2

    try:
        bench.run(plan({"flawed": spec}, {}), script)
    finally:
        bench.change("drop table flawed")


def broken(heritage: HeritageServer, **source: Any) -> Spec:
    spec = person_product(heritage)
    spec["source"]["postgres"].update(source)
    return spec


def test_each_way_a_source_can_be_wrong_has_its_reason_and_says_what_to_correct(bench: Bench) -> None:
    heritage = bench.heritage
    typed = [{"name": "fullName", "column": "full_name", "type": "String"}, {"name": "score", "column": "born", "type": "Integer"}]
    cases: dict[str, tuple[Spec, str, str]] = {
        "down": (broken(heritage, port=1), "SourceUnreachable", "127.0.0.1:1"),
        "nodb": (broken(heritage, database="none"), "DatabaseMissing", "«none»"),
        "notable": (broken(heritage, table="none"), "TableMissing", "«public.none»"),
        "noschema": (broken(heritage, schema="none"), "TableMissing", "«none.person»"),
        "nocolumn": (person_product(heritage, subject={"column": "none"}), "ColumnMissing", "spec.subject.column"),
        "wrongtype": (person_product(heritage, fields=typed), "ColumnTypeMismatch", "«score»"),
        "nosecret": (broken(heritage, credentials={"name": "none"}), "CredentialsMissing", "none"),
        "badsecret": (broken(heritage, credentials={"name": "bad"}), "CredentialsRefused", "«reader»"),
        "nogrant": (broken(heritage, table="hidden"), "CredentialsRefused", "hidden"),
    }
    bench.exchange.login("bad", USER, "wrong")
    bench.change("create table hidden as select * from person; revoke all on hidden from public")

    async def script(root: Any) -> None:
        for name, (_, reason, named) in cases.items():
            message = await bench.exchange.until(name, reason)
            assert named in message, (name, message)
        report = bench.exchange.reported()
        assert report is not None
        assert not any(o.ready for o in report.products.values())
        assert PASSWORD not in report.model_dump_json()

    try:
        bench.run(plan({name: spec for name, (spec, _, _) in cases.items()}, {}), script, settle=False)
    finally:
        bench.change("drop table hidden")


def test_a_source_that_goes_down_leaves_the_old_data_served(bench: Bench) -> None:
    wanted = plan({"people": person_product(bench.heritage)}, {"duty": agreement("LegalObligation")})
    gone = plan({"people": broken(bench.heritage, port=1)}, {"duty": agreement("LegalObligation")})

    async def script(root: Any) -> None:
        bench.exchange.put(gone)
        await bench.exchange.until("people", "SourceUnreachable")
        report = bench.exchange.reported()
        assert report is not None
        assert report.products["people"].ready
        assert report.agreements["duty"].ready
        number = report.agreements["duty"].number
        reader = await login(bench.store, f"agr_{number}")
        assert "Person 1" in await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("P1"))
        await reader.close()

    bench.run(wanted, script)


def test_a_restart_changes_nothing(bench: Bench) -> None:
    wanted = plan(
        {"people": person_product(bench.heritage), "visits": visit_product(bench.heritage)},
        {
            "task": agreement("PublicTask"),
            "yes": agreement(consumer="health"),
            "visits": agreement("LegalObligation", product="visits", fields=["kind"]),
        },
    )

    async def state(root: Any) -> tuple[Any, ...]:
        tables = [await relation(root, p) for p in ("people", "visits")]
        rows = [await root.fetch(f"select subject, xmin::text from {t} order by 1, 2") for t in tables]
        catalogue = await root.fetch(
            "select oid::text, xmin::text from pg_class where relnamespace = 'product'::regnamespace union all "
            "select oid::text, xmin::text from pg_proc where pronamespace = 'door'::regnamespace union all "
            "select oid::text, xmin::text from pg_policy union all select number::text, xmin::text from agreement.register order by 1, 2"
        )
        return rows, catalogue

    first = bench.run(wanted, state)
    written = bench.exchange.written
    second = bench.run(wanted, state)
    assert second == first
    assert bench.exchange.written == written, "an equal report was written again"


def test_numbers_are_never_used_twice_and_old_consents_open_nothing_new(bench: Bench) -> None:
    products = {"people": person_product(bench.heritage)}

    async def give(root: Any) -> int:
        person = await login(bench.store, "person")
        await person.execute("select person.give($1, $1, 'again', 'Given')", subject("P4"))
        await person.close()
        number: int = await root.fetchval("select number from agreement.register where name = 'again' and in_force")
        return number

    first = bench.run(plan(products, {"again": agreement()}), give)

    async def look(root: Any) -> int:
        number: int = await root.fetchval("select number from agreement.register where name = 'again' and in_force")
        reader = await login(bench.store, f"agr_{number}")
        assert await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("P4")) is None
        await reader.close()
        return number

    recreated = StorePlan.model_validate(
        {
            **plan(products, {}).wire(),
            "agreements": [{"name": "again", "uid": "a-again-2", "generation": 1, "spec": agreement(nonce=nonce_of("again-2"))}],
        }
    )
    assert bench.run(recreated, look) > first


def test_when_all_numbers_are_given_the_next_agreement_stays_closed_and_says_so(bench: Bench) -> None:
    products = {"people": person_product(bench.heritage)}
    wanted = plan(products, {"one-too-many": agreement("LegalObligation")})

    async def script(root: Any) -> None:
        await root.execute("insert into agreement.register (number, uid, name) values (32767, 'the-last', 'the-last')")
        try:
            bench.exchange.put(wanted)
            report = await bench.exchange.settled(wanted, ready=False)
            outcome = report.agreements["one-too-many"]
            assert (outcome.ready, outcome.reason) == (False, "StoreRefused")
            assert "All 32767 agreement numbers" in outcome.message
        finally:
            await root.execute("alter table agreement.register disable trigger kept; delete from agreement.register where number = 32767")
            await root.execute("alter table agreement.register enable trigger kept")

    bench.run(plan(products, {}), script)


def test_what_leaves_the_plan_is_closed_and_a_product_that_leaves_is_dropped(bench: Bench) -> None:
    products = {"people": person_product(bench.heritage)}

    async def script(root: Any) -> None:
        number = await root.fetchval("select number from agreement.register where name = 'leaving' and in_force")
        reader = await login(bench.store, f"agr_{number}")
        await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("P1"))
        bench.exchange.put(empty := plan({}, {}))
        await bench.exchange.settled(empty)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
            await reader.fetchval(f"select door.a{number}_point($1, null, 'tax/app', 'tax/serve')", subject("P1"))
        reader.terminate()
        # a load that was under way may hold the table a moment longer
        await until_none(root, "select count(*) from pg_class where relnamespace = 'product'::regnamespace")
        assert await root.fetchval("select count(*) from pg_roles where rolname like 'agr\\_%'") == 0

    bench.run(plan(products, {"leaving": agreement("LegalObligation")}), script)


CLOSED: dict[str, tuple[Spec, str, str]] = {
    "unknown field": (agreement(fields=["fullName", "shoeSize"]), "FieldNotOffered", "«shoeSize»"),
    "mask and raw": (agreement(fields=["born", "birthYear"]), "MaskAndRawTogether", "«birthYear»"),
    "unknown product": (agreement(product="nothing"), "ProductNotFound", "«nothing»"),
}


@pytest.mark.parametrize("case", CLOSED)
def test_an_agreement_that_cannot_hold_stays_closed_alone_and_says_why(bench: Bench, case: str) -> None:
    spec, reason, named = CLOSED[case]
    wanted = plan({"people": person_product(bench.heritage)}, {"bad": spec, "good": agreement("LegalObligation")})

    async def script(root: Any) -> None:
        await bench.exchange.until("people", "Serving")
        report = await bench.exchange.when(
            lambda report: report if report.plan == digest_of(wanted) and report.agreements["good"].ready else None
        )
        assert (report.agreements["bad"].ready, report.agreements["bad"].reason) == (False, reason)
        assert named in report.agreements["bad"].message

    bench.run(wanted, script, settle=False)
