"""Folders of Parquet files as one table: columns that come later, widen or stand in paths; files that are broken, foreign or new while others are read."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Survey
from commonweal_runtime.store.sources.contract import BATCH_BYTES, UNREADABLE
from support.batches import batches
from support.data_api import plan, subject
from support.keeper import Bench

Row = list[str | None]
Field = dict[str, Any]
V: Field = {"name": "v", "column": "v", "type": "String"}


def body(location: str, fields: list[Field], key: str = "ref") -> dict[str, Any]:
    source = {"parquet": {"location": f"volume://files/{location}"}}
    return {"title": "P", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": key}, "fields": fields}


def product(location: str, *fields: Field, key: str = "ref") -> DataProductSpec:
    return DataProductSpec.model_validate(body(location, list(fields), key))


def write(path: Path, *people: str, options: dict[str, Any] | None = None, **columns: Any) -> None:
    """Write a file with a row for each person, in place of what stood there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    pq.write_table(pa.table({"ref": pa.array(people, pa.string()), **columns}), fresh, **(options or {}))
    fresh.replace(path)


def read(spec: DataProductSpec, between: Callable[[], None] | None = None) -> tuple[Survey, list[Row]]:
    """Return what looking has shown, and the rows."""
    survey, found = asyncio.run(batches(spec, between=between))
    return survey, [list(row) for batch in found for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def refused(spec: DataProductSpec, between: Callable[[], None] | None = None) -> str:
    """Return reason and detail of the refusal."""
    with pytest.raises(SourceReadError) as told:
        read(spec, between)
    return str(told.value)


def test_an_expression_reads_a_folder_with_a_quiet_year_at_either_end(bench: Bench, volumes: Path) -> None:
    folder = volumes / "files" / "quiet"
    for year, v in (("2022", pa.nulls(1)), ("2023", pa.array([1])), ("2024", pa.array([2.5])), ("2025", pa.nulls(1))):
        write(folder / f"{year}.parquet", f"P{year}", v=v)

    async def script(root: Any) -> None:
        relation = await root.fetchval("select relation from agreement.product where name = 'quiet'")
        found = {r["subject"]: r["v"] for r in await root.fetch(f'select subject, v from product."{relation}"')}
        assert found == {subject("P2022"): None, subject("P2023"): 2, subject("P2024"): 5, subject("P2025"): None}

    bench.run(plan({"quiet": body("quiet", [{"name": "v", "from": "v * 2", "type": "Number"}])}, {}), script)


@pytest.mark.parametrize(
    ("first", "second", "natural", "texts"),
    [
        (pa.nulls(1), pa.array([True]), FieldType.BOOLEAN, [None, "true"]),
        (pa.array([7], pa.int8()), pa.array([2**40]), FieldType.INTEGER, ["7", "1099511627776"]),
        (pa.array([2**53 + 1]), pa.array([0.5]), FieldType.NUMBER, ["9007199254740993", "0.5"]),
        (pa.array([0.1], pa.float32()), pa.array([0.1]), FieldType.NUMBER, ["0.1", "0.1"]),
        (pa.array([Decimal("1.5")], pa.decimal128(9, 2)), pa.array([3]), FieldType.NUMBER, ["1.50", "3"]),
        (pa.array([Decimal(1)], pa.decimal128(9, 2)), pa.array([Decimal(1)], pa.decimal256(50, 4)), FieldType.NUMBER, ["1.00", "1.0000"]),
        (pa.array(["a"]), pa.array(["b"]).dictionary_encode(), FieldType.STRING, ["a", "b"]),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), FieldType.STRING, ["a", "b"]),
        (pa.array([date(2024, 1, 31)]), pa.array([datetime(2024, 2, 1)]), FieldType.TIMESTAMP, ["2024-01-31", "2024-02-01T00:00:00"]),  # noqa: DTZ001
    ],
)
def test_a_column_is_of_the_widest_type_that_a_file_has(
    volumes: Path, first: pa.Array, second: pa.Array, natural: FieldType, texts: Row
) -> None:
    by_expression = product("wide", {"name": "v", "from": "v", "type": natural})
    for names in (("a", "b"), ("b", "a")):
        write(volumes / "files" / "wide" / f"{names[0]}.parquet", "P1", v=first)
        write(volumes / "files" / "wide" / f"{names[1]}.parquet", "P2", v=second)
        survey, rows = read(by_expression)
        assert survey.types == {"v": natural}
        assert sorted(rows, key=str) == [["P1", texts[0]], ["P2", texts[1]]]


def test_text_and_number_are_not_one_column_and_both_files_are_named(volumes: Path) -> None:
    write(volumes / "files" / "two" / "a.parquet", "P1", v=pa.array([1]))
    write(volumes / "files" / "two" / "b.parquet", "P2", v=pa.array(["one"]))
    told = refused(product("two", V))
    assert told.startswith("ColumnTypeMismatch")
    for part in ("«v»", "int64 in «a.parquet»", "string in «b.parquet»"):
        assert part in told
    write(volumes / "files" / "two" / "b.parquet", v=pa.array([], pa.string()))
    assert read(product("two", V))[1] == [["P1", "1"]], "a file without rows has no say"


def test_a_column_that_came_later_is_empty_before_but_a_key_has_to_be_everywhere(volumes: Path) -> None:
    folder = volumes / "files" / "later"
    write(folder / "2023.parquet", "P1", other=pa.array(["x"]))
    write(folder / "2024.parquet", "P2", v=pa.array(["y"]))
    assert read(product("later", V))[1] == [["P1", None], ["P2", "y"]]
    told = refused(product("later", {**V, "column": "none"}))
    assert told.startswith("ColumnMissing")
    assert "«none»" in told
    assert "2023.parquet, 2024.parquet" in told
    for key, without in (("v", "2023.parquet"), ("other", "2024.parquet")):
        told = refused(product("later", {**V, "column": "ref"}, key=key))
        assert told.startswith("ColumnMissing")
        assert f"{without} has no column «{key}», which spec.subject.column names" in told


def test_a_column_that_stands_twice_is_said_to_stand_twice(volumes: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(["P1"]), pa.array([1]), pa.array([2])], ["ref", "v", "v"])
    (volumes / "files" / "twice").mkdir()
    pq.write_table(twice, volumes / "files" / "twice" / "a.parquet")
    assert "a.parquet has 2 columns «v»" in refused(product("twice", V))


def test_what_a_path_says_is_a_column_and_what_writers_keep_for_themselves_is_no_data(volumes: Path) -> None:
    folder = volumes / "files" / "hive"
    write(folder / "year=2024" / "place=a%2Fb c" / "part-0.parquet", "P1")
    write(folder / "year=2025" / "place=__HIVE_DEFAULT_PARTITION__" / "part-0.parquet", "P2")
    write(folder / "year=2025" / "place=%ff" / "part-0.parquet", "P3", place=pa.array(["its own"]))
    write(folder / "year=2026" / "place=%ff" / "part-0.parquet", "P4")
    write(folder / "_day=5" / "part-0.parquet", "P5")
    for name in ("_temporary/0/part-1.parquet", ".staging/year=2024/part-1.parquet", "year=2024/_tmp.parquet", "year=2024/.part-1.parquet"):
        write(folder / name, "P9")
    for name in ("_SUCCESS", "_metadata", ".part-0.parquet.crc", "part-2.parquet.inprogress", "part-2.parquet.tmp"):
        (folder / name).write_text("not data")
    fields = [{"name": n, "column": n, "type": t} for n, t in (("year", "Integer"), ("place", "String"), ("_day", "Integer"))]
    fields[2]["name"] = "day"
    _, rows = read(product("hive", *fields))
    assert sorted(rows, key=str) == [
        ["P1", "2024", "a/b c", None],
        ["P2", "2025", None, None],
        ["P3", "2025", "its own", None],
        ["P4", "2026", UNREADABLE, None],
        ["P5", None, None, "5"],
    ]
    assert read(product("hive", {"name": "v", "from": "year", "type": "String"}))[0].types == {"year": FieldType.STRING}


FAR = [datetime(2020, 1, 1, 1, 2, 3, 4), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1600, 1, 1), datetime(1, 1, 1), None]  # noqa: DTZ001


@pytest.mark.parametrize("told", [True, False])
def test_moments_of_96_bits_are_those_that_were_written(volumes: Path, told: bool) -> None:
    options = {"use_deprecated_int96_timestamps": True, "store_schema": told}
    people = [f"P{n}" for n in range(len(FAR))]
    write(volumes / "files" / "far.parquet", *people, v=pa.array(FAR, pa.timestamp("us")), options=options)
    _, rows = read(product("far.parquet", {**V, "type": "Timestamp"}))
    assert [v for _, v in rows] == [moment and moment.isoformat() for moment in FAR]


def test_a_key_that_is_printed_otherwise_now_can_still_be_told(volumes: Path) -> None:
    keys = pa.array([10000.0, 1e20, 0.5])
    write(volumes / "files" / "keys.parquet", "a", "b", "c", number=keys)
    survey, rows = read(product("keys.parquet", {**V, "column": "ref"}, key="number"))
    assert [key for key, _ in rows] == ["10000", "100000000000000000000", "0.5"]
    assert [survey.former["number"](key) for key, _ in rows if key is not None] == ["10000.0", "1e+20", "0.5"]
    assert read(product("keys.parquet", V | {"column": "number"}))[0].former == {}, "of keys alone"


def damage(path: Path, kind: str) -> None:
    whole = path.read_bytes()
    half = len(whole) // 2
    rotten = whole[:half] + bytes(b ^ 0xFF for b in whole[half : half + 4000]) + whole[half + 4000 :]
    one = whole.replace(b"word 4321", b"word 4331")
    path.write_bytes({"empty": b"", "cut": whole[:half], "rotten": rotten, "flipped": one, "text": b"ref;v\nP1;1\n" * 9}[kind])


@pytest.mark.parametrize(
    ("kind", "said"),
    [("empty", "is empty"), ("cut", "cut off"), ("rotten", "damaged"), ("flipped", "damaged"), ("text", "no Parquet file")],
)
def test_a_file_that_cannot_be_read_is_named_among_many(volumes: Path, kind: str, said: str) -> None:
    people = [f"P{n}" for n in range(5000)]
    for name in "abc":
        options = {"compression": "none", "use_dictionary": False, "write_page_checksum": kind == "flipped"}
        write(volumes / "files" / kind / "in" / f"part-{name}.parquet", *people, v=[f"word {n}" for n in range(5000)], options=options)
    damage(volumes / "files" / kind / "in" / "part-b.parquet", kind)
    told = refused(product(kind, V))
    assert told.startswith(f"FileUnreadable: «volume://files/{kind}»: in/part-b.parquet ")
    assert said in told
    assert "Error" not in told
    assert "Arrow" not in told


class Kms(pe.KmsClient):  # type: ignore[misc]
    """Keeps keys for a test: wraps them in nothing."""

    def __init__(self, _: Any) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, _: str) -> bytes:
        """Return the key, as text."""
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, _: str) -> bytes:
        """Return the key."""
        return base64.b64decode(wrapped_key)


@pytest.mark.parametrize("plain", [True, False])
def test_an_encrypted_file_is_said_to_be_encrypted(volumes: Path, plain: bool) -> None:
    folder = volumes / "files" / "hidden"
    write(folder / "a.parquet", "P1", v=["x"])
    settings = pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["v"]}, plaintext_footer=plain)
    keys = pe.CryptoFactory(Kms).file_encryption_properties(pe.KmsConnectionConfig(), settings)
    write(folder / "b.parquet", "P2", v=["y"], options={"encryption_properties": keys})
    told = refused(product("hidden", V))
    assert told.startswith("FileUnreadable: «volume://files/hidden»: b.parquet is encrypted. ")


def test_a_folder_that_grows_is_read_as_it_was_and_one_that_changes_is_read_again(volumes: Path) -> None:
    folder = volumes / "files" / "growing"

    def lay() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        write(folder / "b.parquet", "P1", v=["x"])
        write(folder / "c.parquet", "P2", v=["x"])

    lay()
    before, rows = read(product("growing", V), between=lambda: write(folder / "a.parquet", "P3", v=["x"]))
    assert [who for who, _ in rows] == ["P1", "P2"]
    after, rows = read(product("growing", V))
    assert [who for who, _ in rows] == ["P3", "P1", "P2"]
    assert before.version != after.version
    for change in (lambda: write(folder / "b.parquet", "P1", "P7", v=["y", "y"]), (folder / "b.parquet").unlink):
        lay()
        told = refused(product("growing", V), between=change)
        assert told.startswith("LoadFailed: «volume://files/growing»: b.parquet changed")


@pytest.mark.parametrize("shared", [True, False])
def test_batches_are_as_long_as_fits_and_a_position_between_them_is_one_to_go_on_from(volumes: Path, shared: bool) -> None:
    long = ["x" * 300_000 + str(n % 7 if shared else n) for n in range(100)]
    people = [f"P{n}" for n in range(100)]
    write(volumes / "files" / "long.parquet", *people, v=long, options={"row_group_size": 60, "use_dictionary": shared})
    spec = product("long.parquet", V)
    _, found = asyncio.run(batches(spec))
    assert [row for batch in found for row in batch.columns[1].to_pylist()] == long
    assert len(found) > 7
    for n, batch in enumerate(found):
        assert batch.columns[1].nbytes < BATCH_BYTES
        _, rest = asyncio.run(batches(spec, batch.position))
        assert [b.columns[0].to_pylist() for b in rest] == [b.columns[0].to_pylist() for b in found[n + 1 :]]
        assert [b.position for b in rest] == [b.position for b in found[n + 1 :]]


def test_one_row_may_have_more_than_a_batch(volumes: Path) -> None:
    long = ["a", "x" * (2 * BATCH_BYTES), "b", None]
    write(volumes / "files" / "one.parquet", "P1", "P2", "P3", "P4", v=long)
    _, found = asyncio.run(batches(product("one.parquet", V)))
    assert [text for batch in found for text in batch.columns[1].to_pylist()] == long
    assert [long[1]] in [batch.columns[1].to_pylist() for batch in found]


def test_a_moment_is_in_utc_whatever_its_zone_is_called(volumes: Path) -> None:
    moment = pa.array([datetime(2024, 7, 1, 12, tzinfo=UTC)]).cast(pa.timestamp("us", "tzutc()"))
    write(volumes / "files" / "zone.parquet", "P1", v=moment)
    assert read(product("zone.parquet", {**V, "type": "Timestamp"}))[1] == [["P1", "2024-07-01T12:00:00+00:00"]]
