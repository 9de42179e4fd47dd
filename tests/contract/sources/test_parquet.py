"""Products of Parquet files on a volume: what is read, in which order, what is refused, and that nothing outside the volume is opened."""

from __future__ import annotations

import decimal
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.data_api import agreement, plan, subject
from support.keeper import Bench
from support.waiting import until, until_none

Spec = dict[str, Any]


def product(location: str, fields: list[Spec], **over: Any) -> Spec:
    return {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {"parquet": {"location": location}},
        "subject": {"column": "ref"},
        "serve": {"refreshSeconds": 5},
        "fields": fields,
        **over,
    }


NAME = {"name": "fullName", "column": "full_name", "type": "String"}


def write(path: Path, people: range, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"ref": [f"P{n}" for n in people], "full_name": [f"Person {n}" for n in people], "left_out": ["secret"] * len(people), **columns}
    fresh = path.with_suffix(".fresh")
    pq.write_table(pa.table(data), fresh, row_group_size=100)
    fresh.replace(path)


async def rows(root: Any, name: str = "people") -> dict[Any, dict[str, Any]]:
    relation = await root.fetchval("select relation from agreement.product where name = $1", name)
    return {r["subject"]: dict(r) for r in await root.fetch(f'select * from product."{relation}"')}


async def holds(root: Any, name: str, people: set[int]) -> bool:
    """Whether the product holds exactly these people."""
    return set(await rows(root, name)) == {subject(f"P{n}") for n in people}


def test_all_files_below_a_path_are_one_table_and_a_change_is_seen(bench: Bench, volumes: Path) -> None:
    folder = volumes / "files" / "people"
    write(folder / "b.parquet", range(250, 500))
    write(folder / "a" / "1.parquet", range(250))
    write(folder / "_temporary" / "x.parquet", range(900, 910))
    (folder / "notes.txt").write_text("not data")

    async def script(root: Any) -> None:
        found = await rows(root)
        assert set(found) == {subject(f"P{n}") for n in range(500)}
        assert found[subject("P499")]["fullName"] == "Person 499"
        before = await root.fetchval("select plan from staging.content")
        write(folder / "a" / "1.parquet", range(10, 250))
        await until(lambda: holds(root, "people", set(range(10, 500))))
        assert await root.fetchval("select plan from staging.content") != before
        assert await root.fetchval("select count(*) from staging.progress") == 0
        assert (
            await root.fetch(
                "select relname from pg_class where relnamespace = 'staging'::regnamespace and relkind = 'r' and relname ~ '^people'"
            )
            == []
        )

    bench.run(
        plan({"people": product("volume://files/people", [NAME])}, {"duty": agreement("LegalObligation", fields=["fullName"])}), script
    )


def test_unchanged_files_are_not_read_again(bench: Bench, volumes: Path) -> None:
    file = volumes / "files" / "people.parquet"
    write(file, range(50))

    async def script(root: Any) -> None:
        first = await root.fetchval("select loaded_at from agreement.product where name = 'still'")
        table = await root.fetchval("select relation from agreement.product where name = 'still'")
        await root.execute(f'update product."{table}" set "fullName" = \'touched by the test\'')
        await until_none(root, "select count(*) from agreement.product where name = 'still' and loaded_at = $1", first)
        assert {r["fullName"] for r in (await rows(root, "still")).values()} == {"touched by the test"}

    bench.run(plan({"still": product("volume://files/people.parquet", [NAME])}, {}), script)


ODD_VALUES = {
    "ref": pa.array([1, 2, 3]),
    "kind": pa.array(["x", "y", None]).dictionary_encode(),
    "price": pa.array([decimal.Decimal("1.50"), None, None], pa.decimal128(20, 2)),
    "seen": pa.array(["2026-01-02T03:04:05", None, None]).cast(pa.timestamp("ns")),
    "zoned": pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, None], pa.timestamp("us", "Europe/London")),
    "far": pa.array([0, 2**55, None]).cast(pa.timestamp("ms")),
    "born": pa.array([date(1990, 2, 28), None, None]),
    "yes": pa.array([True, False, None]),
    "ratio": pa.array([0.1, float("nan"), None]),
    "zero": pa.array(["a\0b", "b", "c"]),
    "none": pa.nulls(3),
}


def test_values_arrive_as_they_are_meant_and_what_no_field_can_hold_is_quarantined(bench: Bench, volumes: Path) -> None:
    (volumes / "files").mkdir(exist_ok=True)
    pq.write_table(pa.table(ODD_VALUES), volumes / "files" / "all.parquet")
    types = {
        "kind": "String",
        "price": "Number",
        "seen": "Timestamp",
        "zoned": "Timestamp",
        "born": "Date",
        "yes": "Boolean",
        "none": "String",
    }
    good = product("volume://files/all.parquet", [{"name": n, "column": n, "type": t} for n, t in types.items()])
    odd = {
        n: product("volume://files/all.parquet", [{"name": n, "column": n, "type": t}])
        for n, t in (("far", "Timestamp"), ("ratio", "Number"), ("zero", "String"))
    }

    async def script(root: Any) -> None:
        await bench.exchange.until("good", "Serving")
        one = (await rows(root, "good"))[subject("1")]
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert [one[n] for n in types] == ["x", decimal.Decimal("1.5"), moment, moment, date(1990, 2, 28), True, None]
        for name, who, flaw in (("far", "2", "Unreadable"), ("ratio", "2", "Mismatch"), ("zero", "1", "Mismatch")):
            await bench.exchange.until(name, "RowsRefused")
            kept = await root.fetch("select subject, field, reason from staging.quarantine where product = $1", f"p-{name}")
            assert [tuple(r) for r in kept] == [(subject(who), name, flaw)]
            assert len(await rows(root, name)) == 2

    bench.run(plan({"good": good, **odd}, {}), script, settle=False)


def test_each_way_files_can_be_wrong_has_its_reason(bench: Bench, volumes: Path, tmp_path: Path) -> None:
    outside, inside = tmp_path / "elsewhere", volumes / "files"
    write(outside / "x.parquet", range(5))
    write(inside / "fine.parquet", range(5), many=[[1]] * 5, raw=[b"x"] * 5)
    write(inside / "two" / "a.parquet", range(5))
    (inside / "two" / "b.parquet").write_bytes(b"PAR1 but not for long")
    (inside / "link.parquet").symlink_to(outside / "x.parquet")
    (inside / "folder").symlink_to(outside)
    (inside / "deep").mkdir()
    (inside / "deep" / "in.parquet").symlink_to("../../../elsewhere/x.parquet")
    (inside / "empty").mkdir()
    (inside / "kept").symlink_to("two/a.parquet")
    os.mkfifo(inside / "pipe")
    cases = {
        "novolume": ("volume://none/x", [NAME], "VolumeMissing", "«none»"),
        "nofile": ("volume://files/none.parquet", [NAME], "FileMissing", "none.parquet"),
        "empty": ("volume://files/empty", [NAME], "FileMissing", "empty"),
        "link": ("volume://files/link.parquet", [NAME], "LocationRefused", "link.parquet"),
        "folder": ("volume://files/folder", [NAME], "LocationRefused", "folder"),
        "deep": ("volume://files/deep", [NAME], "LocationRefused", "deep"),
        "damaged": ("volume://files/two", [NAME], "FileUnreadable", "two"),
        "column": ("volume://files/fine.parquet", [{**NAME, "column": "none"}], "ColumnMissing", "«none»"),
        "nested": ("volume://files/fine.parquet", [{**NAME, "column": "many"}], "ColumnTypeMismatch", "list<element: int64>"),
        "bytes": ("volume://files/fine.parquet", [{**NAME, "column": "raw"}], "ColumnTypeMismatch", "«raw»"),
        "type": (
            "volume://files/fine.parquet",
            [{**NAME, "type": "Boolean", "column": "ref"}, {**NAME, "name": "b", "type": "Date"}],
            "RowsRefused",
            "fullName 5",
        ),
    }

    async def script(root: Any) -> None:
        for name, (_, _, reason, named) in cases.items():
            message = await bench.exchange.until(name, reason)
            assert named in message, (name, message)
        assert len(await rows(root, "kept")) == 5, "a symbolic link that stays inside is followed"

    products = {name: product(location, fields) for name, (location, fields, _, _) in cases.items()}
    bench.run(plan({**products, "kept": product("volume://files/kept", [NAME])}, {}), script, settle=False)


@pytest.mark.parametrize("path", ["../elsewhere", "a/../../b", "..", "a/./b", "x\0y"])
def test_a_path_that_climbs_is_refused_before_anything_is_opened(path: str, volumes: Path) -> None:
    from commonweal_runtime.exceptions import SourceReadError
    from commonweal_runtime.store.sources.places import Volume

    with pytest.raises(SourceReadError, match="LocationRefused"):
        Volume(volumes, "files", path)
    with pytest.raises(SourceReadError, match="LocationRefused"):
        Volume(volumes, "..", "files")


def test_an_erased_person_does_not_come_back_and_it_is_noted_when_the_source_lets_them_go(bench: Bench, volumes: Path) -> None:
    file = volumes / "files" / "erasing.parquet"
    write(file, range(50))

    async def script(root: Any) -> None:
        await root.execute("select consent.erase_rows($1, 'p-erasing', 'subject')", subject("P7"))
        assert subject("P7") not in await rows(root, "erasing")
        write(file, range(60))
        await until(lambda: holds(root, "erasing", set(range(60)) - {7}))
        awaited = "select at_source from consent.erased where subject = $1"
        assert await root.fetchval(awaited, subject("P7")) is None
        write(file, range(8, 60))
        await until_none(root, "select count(*) from consent.erased where subject = $1 and at_source is null", subject("P7"))

    bench.run(plan({"erasing": product("volume://files/erasing.parquet", [NAME])}, {}), script)
