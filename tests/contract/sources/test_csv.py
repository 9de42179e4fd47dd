"""CSV files row by row: what a row says, and that a wrong one costs nothing but itself."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import csv_blocks, csv_files, csv_rows
from commonweal_runtime.store.sources.contract import UNREADABLE
from support.batches import batches

Row = tuple[str | None, ...]
Csv = dict[str, Any]
BROKEN: Row = (UNREADABLE, UNREADABLE)


def product(location: str = "a.csv", csv: Csv | None = None, **over: Any) -> DataProductSpec:
    source = {"csv": {"location": f"volume://files/{location}", **(csv or {})}}
    fields = [{"name": "v", "column": "v", "type": "String"}]
    body = {"title": "P", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": "k"}, "fields": fields}
    return DataProductSpec.model_validate(body | over)


def rows(spec: DataProductSpec, after: str | None = None) -> list[Row]:
    found = asyncio.run(batches(spec, after))[1]
    return [row for batch in found for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def broken(spec: DataProductSpec) -> list[str]:
    found = asyncio.run(batches(spec))[1]
    return [batch.origin(n) for batch in found for n in batch.broken if batch.origin is not None]


def refused(spec: DataProductSpec, between: Callable[[], object] | None = None) -> str:
    with pytest.raises(SourceReadError) as told:
        asyncio.run(batches(spec, between=between))
    return str(told.value)


H = b"k,v\n"
CASES: dict[str, tuple[bytes, Csv, list[Row]]] = {
    "plain": (H + b"1,a\n2,b\n", {}, [("1", "a"), ("2", "b")]),
    "no line end at the end": (H + b"1,a", {}, [("1", "a")]),
    "CR LF": (b"k,v\r\n1,a\r\n", {}, [("1", "a")]),
    "mixed line ends": (b'k,v\r\n1,a\n2,b\r\n3,"c"\r\n4,"d"\n5,"e"\r', {}, [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d"), ("5", "e")]),
    "CR alone is text": (H + b"1,a\rb\n", {}, [("1", "a\rb")]),
    "CR alone ends a row when it is said": (b"k,v\r1,a\nb\r2,c\r", {"lineEnd": "CR"}, [("1", "a\nb"), ("2", "c")]),
    "LF is text where rows end in CR LF": (b"k,v\r\n1,a\nb\r\n2,c\r\n", {"lineEnd": "CRLF"}, [("1", "a\nb"), ("2", "c")]),
    "CR is text where rows end in LF": (b"k,v\n1,a\r\n", {"lineEnd": "LF"}, [("1", "a\r")]),
    "CR and LF are text beside quotes too": (b'k,v\n"1",a\r\n2,"b"\r\n', {"lineEnd": "LF"}, [("1", "a\r"), BROKEN]),
    "LF is text beside quotes too": (b'k,v\r\n"1",a\nb\r\n', {"lineEnd": "CRLF"}, [("1", "a\nb")]),
    "empty lines are no rows": (H + b"\n1,a\n\r\n\n2,b\n\n", {}, [("1", "a"), ("2", "b")]),
    "header only": (H, {}, []),
    "header only, without a line end": (b"k,v", {}, []),
    "byte order mark": (b"\xef\xbb\xbf" + H + b"1,a\n", {}, [("1", "a")]),
    "byte order mark before a quoted heading": (b'\xef\xbb\xbf"k","v"\n1,a\n', {}, [("1", "a")]),
    "byte order mark within": (H + b"1,\xef\xbb\xbfa\n", {}, [("1", "\ufeffa")]),
    "quotes": (H + b'"1","a,b"\n"2","c"\n', {}, [("1", "a,b"), ("2", "c")]),
    "doubled quotes": (H + b'1,"say ""hi"""\n2,""""\n', {}, [("1", 'say "hi"'), ("2", '"')]),
    "line ends within quotes": (H + b'1,"a\r\nb\nc"\r\n2,d\n', {}, [("1", "a\r\nb\nc"), ("2", "d")]),
    "an empty line within quotes": (H + b'1,"a\n\nb"\n', {}, [("1", "a\n\nb")]),
    "a quote within a value is text": (H + b'1,6" pipe\n2,a"b"c\n', {}, [("1", '6" pipe'), ("2", 'a"b"c')]),
    "a blank before a quote makes the quote text": (H + b'1, "a"\n', {}, [("1", ' "a"')]),
    "what follows a closed quote": (H + b'1,"a"b\n2,"a" \n3,c\n', {}, [BROKEN, BROKEN, ("3", "c")]),
    "a quote that does not close": (H + b'1,"a\n2,b\n3,c\n', {}, [BROKEN, ("2", "b"), ("3", "c")]),
    "a quote that closes in another row": (H + b'1,"a\n"2","b"\n3,c\n', {}, [BROKEN, ("2", "b"), ("3", "c")]),
    "a quote that does not close in the last row": (H + b'1,a\n2,"', {}, [("1", "a"), BROKEN]),
    "too many values": (H + b"1,a,x\n2,b\n", {}, [BROKEN, ("2", "b")]),
    "too few values": (H + b"1\n2,b\n", {}, [BROKEN, ("2", "b")]),
    "a delimiter at the end of rows": (H + b"1,a,\n", {}, [BROKEN]),
    "a delimiter at the end of all": (b"k,v,\n1,a,\n", {}, [("1", "a")]),
    "a row over two lines with too many values is one": (H + b'1,"a\n2,b",x\n3,c\n', {}, [BROKEN, ("3", "c")]),
    "nothing is null": (H + b"1,\n,a\n", {}, [("1", None), (None, "a")]),
    "nothing in quotes is an empty text": (H + b'1,""\n', {}, [("1", "")]),
    "nothing in quotes is null when it is said": (H + b'1,""\n2,"a"\n', {"quotedNulls": True}, [("1", None), ("2", "a")]),
    "NULL is text": (H + b"1,NULL\n2,null\n3,NA\n", {}, [("1", "NULL"), ("2", "null"), ("3", "NA")]),
    "NULL is null when it is said": (H + b'1,NULL\n2,\n3,"NULL"\n', {"nulls": ["NULL"]}, [("1", None), ("2", ""), ("3", "NULL")]),
    "leading zeros": (H + b"007,00.10\n", {}, [("007", "00.10")]),
    "blanks": (H + b" 1 ,  a\t\n", {}, [(" 1 ", "  a\t")]),
    "numbers stay as they are written": (H + b"1,1e400\n2,1.50\n3,-0\n4,1E+4\n", {}, [("1", "1e400"), ("2", "1.50"), ("3", "-0"), ("4", "1E+4")]),
    "formulas": (H + b"1,=cmd|' /C calc'!A0\n2,@SUM(1)\n3,'; drop table x;--\n", {}, [("1", "=cmd|' /C calc'!A0"), ("2", "@SUM(1)"), ("3", "'; drop table x;--")]),
    "a zero byte": (H + b"1,a\0b\n2,b\n\0,c\n", {}, [("1", UNREADABLE), ("2", "b"), (UNREADABLE, "c")]),
    "bytes that are no UTF-8": (H + b"1,M\xfcller\n2,ok\n\xff,x\n", {}, [("1", UNREADABLE), ("2", "ok"), (UNREADABLE, "x")]),
    "windows-1252": (H + b"1,\x80 \x93x\x94\n2,\x81\n", {"encoding": "windows-1252"}, [("1", "€ “x”"), ("2", UNREADABLE)]),
    "iso-8859-1 has other signs there": (H + b"1,\xa4\n", {"encoding": "iso-8859-1"}, [("1", "¤")]),
    "iso-8859-15": (H + b"1,\xa4\n", {"encoding": "iso-8859-15"}, [("1", "€")]),
    "UTF-16 with its mark": ("k,v\r\n1,é😀\r\n2,\u0a0a\u010a\r\n".encode("utf-16"), {"encoding": "utf-16"}, [("1", "é😀"), ("2", "\u0a0a\u010a")]),
    "UTF-16, high byte first": (b"\xfe\xff" + "k,v\n1,a\n".encode("utf-16-be"), {"encoding": "utf-16"}, [("1", "a")]),
    "half a character at the end of UTF-16": ("k,v\n1,a".encode("utf-16-le") + b"\x00\xd8", {"encoding": "utf-16le"}, [("1", UNREADABLE)]),
    "Shift JIS, whose second bytes are signs": (H + "1,表|\\\n".encode("shift_jis"), {"encoding": "shift_jis"}, [("1", "表|\\")]),
    "semicolons": (b"k;v\n1;1,5\n", {"delimiter": ";"}, [("1", "1,5")]),
    "tabs": (b"k\tv\n1\ta b\n", {"delimiter": "\t"}, [("1", "a b")]),
    "apostrophes": (b"k,v\n1,'a,b'\n2,\"c\"\n", {"quote": "'"}, [("1", "a,b"), ("2", '"c"')]),
    "no quotes at all": (b'k|v\n1|"a\n2|b"\n', {"delimiter": "|", "quote": ""}, [("1", '"a'), ("2", 'b"')]),
    "backslashes": (H + b'1,"a\\"b"\n2,c\\,d\n3,\\N\n4,"e\\\\"\n5,a\\\nb\n', {"escape": "\\", "nulls": ["\\N"]}, [("1", 'a"b'), ("2", "c,d"), ("3", None), ("4", "e\\"), ("5", "a\nb")]),
    "a backslash is a character": (H + b"1,a\\\n2,\\N\n", {}, [("1", "a\\"), ("2", "\\N")]),
    "comments": (b'# made today, "x\nk,v\n# note\n1,#a\n', {"comment": "#"}, [("1", "#a")]),
    "lines before the headings": (b"Title; of all\n\nk,v\n1,a\n", {"skipLines": 2}, [("1", "a")]),
    "names in the product": (b"1,a\n2,b\n", {"columns": ["k", "v"]}, [("1", "a"), ("2", "b")]),
    "nothing, and names in the product": (b"", {"columns": ["k", "v"]}, []),
    "headings that are no names": (b"Person ref,Full name\n1,a\n", {"headings": [{"heading": "Person ref", "column": "k"}, {"heading": "Full name", "column": "v"}]}, [("1", "a")]),
    "a heading twice that is not read": (b"k,x,v,x\n1,2,a,3\n", {}, [("1", "a")]),
    "a thousand columns": (",".join(["k", "v", *map(str, range(998))]).encode() + b"\n1,a" + b",x" * 998 + b"\n", {}, [("1", "a")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_what_is_written(volumes: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Also where blocks end anywhere, and where a load that broke off goes on after any row."""
    content, csv, expected = CASES[case]
    (volumes / "files" / "a.csv").write_bytes(content)
    assert rows(product(csv=csv)) == expected
    monkeypatch.setattr(csv_blocks, "BLOCK", 6)
    monkeypatch.setattr(csv_files, "BATCH", 1)
    found = asyncio.run(batches(product(csv=csv)))[1]
    assert [tuple(c[0].as_py() for c in batch.columns) for batch in found] == expected
    for done, batch in enumerate(found, 1):
        assert rows(product(csv=csv), batch.position) == expected[done:]


def test_a_broken_row_is_named_by_file_and_line(volumes: Path) -> None:
    (volumes / "files" / "a.csv").write_bytes(b'\nk,v\n1,"a\n\nb"\n2\n3,"x"y\n4,"open\n5,c\n')
    assert broken(product()) == ["a.csv, line 6", "a.csv, line 7", "a.csv, line 8"]


REFUSED: dict[str, tuple[bytes, Csv, str]] = {
    "empty": (b"", {}, "FileUnreadable: «volume://files/a.csv»: a.csv is empty; its first row has to name the columns"),
    "other encoding": ("k,v\n1,a\n".encode("utf-16"), {}, "names its columns in line 1 in a way that is no utf-8"),
    "a missing column": (b"k,w\n1,a\n", {}, "ColumnMissing: «volume://files/a.csv» has no column «v»"),
    "another delimiter": (b"k;v\n1;a\n", {}, "ColumnMissing"),
    "a heading twice": (b"k,v,v\n1,a,b\n", {}, "a.csv has 2 columns «v»"),
    "a heading in other letters": (b"K,v\n1,a\n", {}, "has no column «k»"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_not_as_declared_is_named(volumes: Path, case: str) -> None:
    content, csv, told = REFUSED[case]
    (volumes / "files" / "a.csv").write_bytes(content)
    assert told in refused(product(csv=csv))


def test_a_line_without_end_is_named(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "LONGEST_LINE", 1 << 20)
    monkeypatch.setattr(csv_blocks, "BLOCK", 1 << 18)
    (volumes / "files" / "a.csv").write_bytes(H + b"1,a\n" * 3 + b"2," + b"x" * (2 << 20))
    told = refused(product())
    assert "a.csv is damaged or written in another way: line 5 has no end" in told
    assert "spec.source.csv.lineEnd" in told


def test_a_quote_that_stays_open_costs_one_row_however_long_the_file_is(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "LONGEST_ROW", 1 << 16)
    monkeypatch.setattr(csv_blocks, "BLOCK", 1 << 14)
    (volumes / "files" / "a.csv").write_bytes(H + b'0,"open\n' + b"".join(b"%d,x\n" % n for n in range(1, 20_000)))
    assert rows(product()) == [BROKEN, *((str(n), "x") for n in range(1, 20_000))]


def test_files_of_a_folder_are_one_table_packed_or_not(volumes: Path) -> None:
    folder = volumes / "files" / "all" / "year=2024"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(H + b"1,a\n")
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"v,k\nb,2\n") + gzip.compress(b"c,3\n"))
    with pa.CompressedOutputStream(str(folder / "c.csv.zst"), "zstd") as out:
        out.write(b"k,more\n4,x\n5,y\n")
    (folder / "_d.csv").write_bytes(b"unfinished")
    (folder / "e.txt").write_bytes(b"no data")
    spec = product("all", fields=[{"name": c, "column": c, "type": "String"} for c in ("v", "year", "more")])
    found = [
        ("1", "a", "2024", None),
        ("2", "b", "2024", None),
        ("3", "c", "2024", None),
        ("4", None, "2024", "x"),
        ("5", None, "2024", "y"),
    ]
    assert rows(spec) == found
    first = asyncio.run(batches(spec))[1]
    assert [rows(spec, b.position) for b in first] == [found[1:], found[3:], []]
    (folder / "b.csv.gz").write_bytes(gzip.compress(H + b"2,b\n" * 1000)[:-20])
    assert "year=2024/b.csv.gz is cut off, damaged, or no file of gzip" in refused(spec)


def test_a_file_that_changes_meanwhile_is_read_again_and_an_unchanged_one_has_its_version(volumes: Path) -> None:
    path = volumes / "files" / "a.csv"
    path.write_bytes(H + b"1,a\n")
    before = asyncio.run(batches(product()))[0].version
    assert asyncio.run(batches(product()))[0].version == before
    assert asyncio.run(batches(product(csv={"delimiter": ",", "nulls": ["x"]})))[0].version != before, "another dialect says something else"
    assert "a.csv changed while the files were read" in refused(product(), lambda: path.write_bytes(H + b"2,b\n"))
    assert asyncio.run(batches(product()))[0].version != before
