"""Versions of a product side by side: own tables, own contracts, one source; who reads which; and the end of one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.products.conftest import agreed, number_of, public, read, relation_of, told
from support.data_api import agreement, person_product, plan, subject
from support.keeper import Bench
from support.waiting import HANG

# ruff: noqa: ASYNC110 - what is waited for happens inside PostgreSQL

OLD = [
    {"name": "fullName", "column": "full_name", "type": "String"},
    {"name": "score", "column": "score", "type": "Integer"},
]
NEW = [
    {"name": "fullName", "column": "full_name", "type": "String"},
    {"name": "score", "from": "case when score < 50 then 'low' else 'high' end", "type": "String"},
]
ADULT = [{"name": "grownUp", "expression": "score >= 18", "description": "Is the score at least 18?"}]


def product(bench: Bench, version: str, fields: list[dict[str, Any]], *earlier: dict[str, Any], **over: Any) -> dict[str, Any]:
    return person_product(bench.heritage, version=version, fields=fields, earlier=list(earlier), **over)


def earlier(version: str, fields: list[dict[str, Any]], *, until: datetime | None = None, **over: Any) -> dict[str, Any]:
    return {
        "version": version,
        "fields": fields,
        "until": (until or datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds"),
        **over,
    }


def on(version: int | None, **over: Any) -> dict[str, Any]:
    named = {} if version is None else {"version": version}
    return public(fields=["fullName", "score"], **over) | {"product": {"name": "people", **named}}


def test_two_versions_are_served_side_by_side_from_one_source(bench: Bench) -> None:
    spec = product(bench, "2.0.0", NEW, earlier("1.4.0", OLD, answers=ADULT))
    wanted = plan(
        {"people": spec}, {"old": on(1), "new": on(2), "asks": public(fields=["grownUp"]) | {"product": {"name": "people", "version": 1}}}
    )

    async def script(root: Any) -> None:
        numbers = [await number_of(root, name) for name in ("old", "new", "asks")]
        shown = [await read(bench.store, n, subject("P60")) for n in numbers]
        assert shown == [{"fullName": "Person 60", "score": 60}, {"fullName": "Person 60", "score": "high"}, {"grownUp": True}]
        outcome = await told(bench, wanted, "people", "Serving")
        assert outcome.versions == ["2.0.0", "1.4.0"]
        report = bench.exchange.reported()
        assert report is not None
        assert set(report.products) == {"people"}
        assert await root.fetchval("select count(distinct contract) from agreement.product") == 2

    bench.run(wanted, script)


def test_a_new_major_version_moves_nobody_who_cannot_read_it_and_carries_objections_along(bench: Bench) -> None:
    """The table of version 1 becomes another one; whoever objected, or consented, before it was made is treated there as before."""
    terms = {"old": on(1), "asked": agreement(fields=["fullName"]) | {"product": {"name": "people", "version": 1}}}
    objector, consenter = subject("P11"), subject("P12")

    async def said(root: Any) -> None:
        public_, asked = await number_of(root, "old"), await number_of(root, "asked")
        for number, who, kind in ((public_, objector, "Objected"), (asked, consenter, "Given")):
            await root.execute(
                "insert into consent.event (subject, agreement, kind, contract) select $1, $2, $3, contract from agreement.register where number = $2",
                who,
                number,
                kind,
            )
        assert await read(bench.store, public_, objector) is None

    async def moved(root: Any) -> None:
        public_, asked = await number_of(root, "old"), await number_of(root, "asked")
        assert (
            await root.fetchval(
                "select count(*) from agreement.register r join agreement.product p on p.uid = r.product where r.in_force and p.name = 'people@1'"
            )
            == 2
        )
        assert await read(bench.store, public_, objector) is None
        assert await read(bench.store, public_, consenter) == {"fullName": "Person 12", "score": 12}
        assert await read(bench.store, asked, consenter) == {"fullName": "Person 12"}
        assert await read(bench.store, asked, objector) is None
        left = await root.fetch("select polname from pg_policy where polrelid = $1::text::regclass", await relation_of(root, "people"))
        assert not [p["polname"] for p in left if p["polname"].startswith("a")]  # nothing of theirs is left on the table they came from

    bench.run(plan({"people": product(bench, "1.4.0", OLD)}, terms), said)
    bench.run(plan({"people": product(bench, "2.0.0", NEW, earlier("1.4.0", OLD))}, terms), moved)


def test_an_agreement_on_a_version_that_is_not_served_stays_closed_and_says_which_are(bench: Bench) -> None:
    wanted = plan({"people": product(bench, "2.0.0", NEW, earlier("1.4.0", OLD))}, {"seventh": on(7)})

    async def script(root: Any) -> None:
        report = await agreed(bench, wanted, "seventh", "VersionUnknown")
        assert "it has 2, 1" in report.agreements["seventh"].message

    bench.run(wanted, script, settle=False)


def test_a_version_ends_at_its_hour_without_a_new_plan(bench: Bench) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=6)
    wanted = plan({"people": product(bench, "2.0.0", NEW, earlier("1.4.0", OLD, until=ends))}, {"old": on(1), "new": on(2)})

    async def script(root: Any) -> None:
        old, new = await number_of(root, "old"), await number_of(root, "new")
        async with asyncio.timeout(HANG):
            while await root.fetchval("select count(*) from agreement.product where name = 'people@1'"):
                await asyncio.sleep(0.05)
        assert datetime.now(UTC) >= ends - timedelta(seconds=1)
        assert not await root.fetchval("select in_force from agreement.register where number = $1", old)
        assert await root.fetchval("select count(*) from pg_class where relname like 'people@1%'") == 0
        assert await read(bench.store, new, subject("P7")) == {"fullName": "Person 7", "score": "low"}
        report = await agreed(bench, wanted, "old", "VersionUnknown")
        assert report.products["people"].versions == ["2.0.0"]

    bench.run(wanted, script, settle=False)
