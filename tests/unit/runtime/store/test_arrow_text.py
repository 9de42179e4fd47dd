"""The canonical text of each type that a Parquet column can have, and what release 0.1 made of it."""

from __future__ import annotations

import math
import random
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from commonweal_api.data_product import FieldType
from commonweal_runtime.store.sources.arrow_text import former_of, natural_of, text_of
from commonweal_runtime.store.sources.contract import UNREADABLE

NAN, INFINITY = float("nan"), float("inf")
SOME = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
DAYS_TO_9999, DAYS_TO_1 = 2932896, -719162
SECONDS = {"first": -62135596800, "last": 253402300799, "day": 1706702400}


def utf8(*values: bytes) -> pa.Array:
    """Return a column of texts as a file can hold it: nobody has looked whether they are UTF-8."""
    ends = [sum(map(len, values[:n])) for n in range(len(values) + 1)]
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.array(ends, pa.int32()).buffers()[1], pa.py_buffer(b"".join(values))])


def uuids(*values: UUID | None) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([v and v.bytes for v in values], pa.binary(16)))


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([10000, -7, None], pa.int32()), ["10000", "-7", None]),
        (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
        (pa.array([-(2**63)], pa.int64()), ["-9223372036854775808"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.nulls(2), [None, None]),
        (pa.array([Decimal(10000), None], pa.decimal128(38, 0)), ["10000", None]),
        (pa.array([Decimal("1.5"), Decimal(-100)], pa.decimal128(9, 2)), ["1.50", "-100.00"]),
        (pa.array([Decimal("1e-8"), Decimal(0), None], pa.decimal128(20, 8)), ["0.00000001", "0.00000000", None]),
        (pa.array([Decimal("-1e-8"), Decimal(10) ** 50], pa.decimal256(70, 8)), ["-0.00000001", f"1{'0' * 50}.00000000"]),
        (pa.array([1.0, 2.5, -0.0, 0.1, None]), ["1", "2.5", "0", "0.1", None]),
        (pa.array([1e20, 1e-7, -1e10, 123456.789]), ["100000000000000000000", "0.0000001", "-10000000000", "123456.789"]),
        (pa.array([NAN, INFINITY, -INFINITY]), ["NaN", "Infinity", "-Infinity"]),
        (pa.array([123456.79, 16777216, 0.1, 1e10, -0.0], pa.float32()), ["123456.79", "16777216", "0.1", "10000000000", "0"]),
        (pa.array([0.1, 65504, 6e-8, -0.0, NAN, None], pa.float16()), ["0.1", "65500", "0.00000006", "0", "NaN", None]),
    ],
)
def test_numbers_are_plain_digits(column: pa.Array, texts: list[str | None]) -> None:
    assert text_of(column).to_pylist() == texts


@pytest.mark.parametrize(("type_", "form"), [(pa.float64(), "<d"), (pa.float32(), "<f"), (pa.float16(), "<e")])
def test_a_float_reads_back_as_the_float_that_is_stored(type_: pa.DataType, form: str) -> None:
    size, chance = struct.calcsize(form), random.Random(7)
    drawn = [struct.unpack(form, chance.randbytes(size))[0] for _ in range(2000)]
    column = pa.array([value for value in drawn if math.isfinite(value)], pa.float64()).cast(type_)
    for value, text in zip(column.to_pylist(), text_of(column).to_pylist(), strict=True):
        assert set(text) <= set("-.0123456789")
        assert struct.pack(form, float(text)) == struct.pack(form, value + 0.0)
        assert form != "<d" or Decimal(text) == Decimal(repr(value)), "as short as can be"


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["a", "", None, "ä "]), ["a", "", None, "ä "]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None, "longer than twelve"], pa.string_view()), ["a", None, "longer than twelve"]),
        (pa.array(["a", "b", None, "a"]).dictionary_encode(), ["a", "b", None, "a"]),
        (pa.array([Decimal("1e-8"), None]).dictionary_encode(), ["0.00000001", None]),
        (utf8(b"a", b"\xff\xfe", "ä".encode()), ["a", UNREADABLE, "ä"]),
        (pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), utf8(b"\xff", b"b")), ["b", UNREADABLE, None]),
        (uuids(SOME, None, UUID(int=0)), [str(SOME), None, str(UUID(int=0))]),
        (uuids(None, SOME)[1:], [str(SOME)]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}'])), ['{"a": 1}']),
        (pa.array([time(1, 2, 3), time(1, 2, 3, 40), None], pa.time64("us")), ["01:02:03", "01:02:03.000040", None]),
        (pa.array([1001, 86400000], pa.int32()).view(pa.time32("ms")), ["00:00:01.001000", UNREADABLE]),
        (pa.array([1999], pa.time64("ns")), ["00:00:00.000001"]),
    ],
)
def test_texts_stay_as_they_are_and_one_that_is_none_spoils_no_other(column: pa.Array, texts: list[str | None]) -> None:
    assert text_of(column).to_pylist() == texts


def test_days_are_iso_8601_and_one_that_four_digits_cannot_write_is_no_date() -> None:
    days = [0, DAYS_TO_9999, DAYS_TO_1, DAYS_TO_9999 + 1, DAYS_TO_1 - 1, -800000, 2**31 - 1, None]
    texts = ["1970-01-01", "9999-12-31", "0001-01-01", "+10000-01-01", "0000-12-31", "-0221-09-04", UNREADABLE, None]
    assert text_of(pa.array(days, pa.int32()).view(pa.date32())).to_pylist() == texts
    whole = pa.array([d and d * 86_400_000 for d in days[:6]]).view(pa.date64())
    assert text_of(whole).to_pylist() == texts[:6]
    for text in texts[3:7]:
        with pytest.raises(ValueError, match=r"isoformat|out of range"):
            date.fromisoformat(text or "")


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/London", "+05:30", "tzutc()"])
@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6)])
def test_moments_are_written_as_python_does_at_utc_from_the_first_to_the_last(unit: str, per_second: int, zone: str | None) -> None:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    ticks = [SECONDS["first"] * per_second, SECONDS["last"] * per_second, SECONDS["day"] * per_second, -1, 1]
    seconds = ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2024-01-31T12:00:00"]
    near = [datetime.fromtimestamp(tick / per_second, UTC).replace(tzinfo=None).isoformat() for tick in (-1, 1)]
    beyond = [ticks[0] - 1, ticks[1] + per_second, 2**62, None]
    found = text_of(pa.array([*ticks, *beyond]).cast(pa.timestamp(unit, zone))).to_pylist()
    at = "" if zone is None else begin.isoformat()[-6:]
    assert found[:5] == [text + at for text in seconds + near]
    assert found[5].startswith("0000-12-31T23:59:59")
    assert found[6:] == [f"+10000-01-01T00:00:00{at}", UNREADABLE, None]


def test_nanoseconds_are_cut_off_on_both_sides_of_1970() -> None:
    ticks = pa.array([0, 1999, -1, 2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("ns"))
    edges = ["2262-04-11T23:47:16.854775", "1677-09-21T00:12:43.145224"]
    assert text_of(ticks).to_pylist() == ["1970-01-01T00:00:00", "1970-01-01T00:00:00.000001", "1969-12-31T23:59:59.999999", *edges]


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.int64()),
        pa.struct({"a": pa.int64()}),
        pa.map_(pa.string(), pa.string()),
        pa.binary(),
        pa.large_binary(),
        pa.binary(16),
        pa.duration("s"),
        pa.dictionary(pa.int32(), pa.binary()),
    ],
)
def test_nested_and_raw_types_have_no_field(type_: pa.DataType) -> None:
    assert natural_of(type_) is None


def test_what_stands_in_a_dictionary_or_is_stored_as_a_plain_type_is_of_that_type() -> None:
    types = [
        pa.dictionary(pa.int32(), pa.string()),
        pa.uuid(),
        pa.json_(),
        pa.time64("us"),
        pa.float16(),
        pa.dictionary(pa.int8(), pa.date32()),
    ]
    wanted = [FieldType.STRING] * 4 + [FieldType.NUMBER, FieldType.DATE]
    assert [natural_of(t) for t in types] == wanted


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0, 1e20, 1e-7, 0.1, 1e16, NAN, INFINITY]),
        pa.array([1.0, 0.1, 1e10], pa.float32()),
        pa.array([0.1, 2.0], pa.float16()),
        pa.array([Decimal("1e-8"), Decimal(0), Decimal("1.5")], pa.decimal128(20, 8)),
        pa.array([Decimal(10000)], pa.decimal128(20, 0)),
        pa.array([Decimal("1e-8")], pa.decimal128(20, 8)).dictionary_encode(),
    ],
)
def test_the_former_text_of_a_number_is_what_python_prints(column: pa.Array) -> None:
    former = former_of(column.type)
    assert former is not None
    assert [former(text) for text in text_of(column).to_pylist()] == [str(value) for value in column.to_pylist()]


@pytest.mark.parametrize("zone", ["Europe/London", "UTC", "+05:30"])
def test_the_former_text_of_a_moment_was_in_its_zone(zone: str) -> None:
    column = pa.array([datetime(2026, 7, 2, 3, 4, 5, tzinfo=UTC)], pa.timestamp("us", zone))
    former = former_of(column.type)
    assert former is not None
    assert [former(text) for text in text_of(column).to_pylist()] == [value.isoformat() for value in column.to_pylist()]


@pytest.mark.parametrize("type_", [pa.int64(), pa.string(), pa.date32(), pa.timestamp("us"), pa.uuid(), pa.timestamp("us", "tzutc()")])
def test_other_types_had_no_other_text(type_: Any) -> None:
    assert former_of(type_) is None
