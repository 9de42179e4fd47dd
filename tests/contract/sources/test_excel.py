"""Workbooks of Excel: what a cell says, and that a file which is none, or too large, is named with the remedy."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from commonweal_api.data_product import DataProductSpec
from commonweal_cli.main import main
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import excel_bounds, excel_files
from commonweal_runtime.store.sources.contract import UNREADABLE
from support.batches import batches
from support.data_api import plan, subject
from support.keeper import Bench
from support.types_page import examples

Row = tuple[str | None, ...]
CELLS: list[tuple[Any, str, str | None]] = [
    ("Ada  ", "General", "Ada  "),
    ("007", "@", "007"),
    ("=cmd", "@", "=cmd"),
    (10000, "General", "10000"),
    (10000.0, "General", "10000"),
    (7, "0000", "7"),
    (12.5, "0.00", "12.5"),
    (0.1, "General", "0.1"),
    (1e20, "General", "100000000000000000000"),
    (1e-7, "General", "0.0000001"),
    (-0.0, "General", "0"),
    (True, "General", "true"),
    (False, "General", "false"),
    (date(2024, 1, 31), "yyyy-mm-dd", "2024-01-31"),
    (date(2024, 1, 31), "dd/mm/yyyy", "2024-01-31"),
    (datetime(2024, 1, 31), "yyyy-mm-dd hh:mm", "2024-01-31T00:00:00"),  # noqa: DTZ001
    (datetime(2024, 1, 31, 12, 30), "dd/mm/yyyy", "2024-01-31T12:30:00"),  # noqa: DTZ001
    (date(1900, 3, 1), "yyyy-mm-dd", "1900-03-01"),
    (date(9999, 12, 31), "yyyy-mm-dd", "9999-12-31"),
    (time(8, 30), "hh:mm", "08:30:00"),
    (timedelta(hours=30), "[hh]:mm:ss", "30:00:00"),
    ("#N/A", "General", UNREADABLE),
    (None, "General", None),
    ("", "General", None),
]


def product(location: str = "a.xlsx", fields: tuple[str, ...] = ("v",), **excel: Any) -> DataProductSpec:
    return DataProductSpec.model_validate(body(location, fields, **excel))


def body(location: str, fields: tuple[str, ...], **excel: Any) -> dict[str, Any]:
    named = [{"name": f, "column": f, "type": "String"} for f in fields]
    source = {"excel": {"location": f"volume://files/{location}", **excel}}
    return {"title": "P", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": "k"}, "fields": named}


def save(
    path: Path, *rows: tuple[Any, ...], sheet: str = "S", epoch: datetime | None = None, change: Callable[[Any], object] | None = None
) -> None:
    """Write a workbook whose second sheet is empty."""
    book = openpyxl.Workbook()
    if epoch is not None:
        book.epoch = epoch
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    if change is not None:
        change(book.active)
    book.create_sheet("Empty")
    book.save(path)


def rows(spec: DataProductSpec, after: str | None = None) -> list[Row]:
    return [row for batch in asyncio.run(batches(spec, after))[1] for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def refused(spec: DataProductSpec) -> str:
    with pytest.raises(SourceReadError) as told:
        rows(spec)
    return str(told.value)


@pytest.mark.parametrize("epoch", [datetime(1899, 12, 30), datetime(1904, 1, 1)])  # noqa: DTZ001
def test_a_cell_has_one_text(volumes: Path, epoch: datetime) -> None:
    def formats(sheet: Any) -> None:
        for number, (value, format_, text) in enumerate(CELLS, 2):
            sheet.cell(number, 2).number_format = format_
            if isinstance(value, str):
                sheet.cell(number, 2).data_type = "e" if text == UNREADABLE else "s"

    cells = [c for c in CELLS if epoch.year < 1904 or c[0] != date(1900, 3, 1)]
    save(
        volumes / "files" / "a.xlsx", ("k", "v"), *((f"P{n}", value) for n, (value, _, _) in enumerate(CELLS)), epoch=epoch, change=formats
    )
    found = dict(rows(product()))
    assert {c[0]: found[f"P{CELLS.index(c)}"] for c in cells} == {c[0]: c[2] for c in cells}


def test_a_sheet_a_row_and_a_range_are_the_table(volumes: Path) -> None:
    table = [("Title",), (None, "k", "v", "more"), (None, 1, "a"), (), (None, 2, None, "b"), (None, None, None, "beside")]
    save(volumes / "files" / "a.xlsx", *table, sheet="People", change=lambda sheet: sheet.merge_cells("C6:D6"))
    assert rows(product(sheet="People", headerRow=2)) == [("1", "a"), ("2", None)]
    assert rows(product(range="B2:C5")) == [("1", "a"), ("2", None)]
    told = refused(product(sheet="Other", headerRow=2))
    assert "a.xlsx has no sheet «Other»; it has People, Empty" in told
    assert "has nothing in row 1" in refused(product(sheet="Empty"))
    assert "ColumnMissing" in refused(product())
    save(volumes / "files" / "a.xlsx", ("Person ref", "v"), (1, "a"))
    assert rows(product(headings=[{"heading": "Person ref", "column": "k"}])) == [("1", "a")]


def test_a_load_goes_on_after_any_row_and_files_of_a_folder_are_one_table(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volumes / "files" / "all" / "year=2024").mkdir(parents=True)
    save(volumes / "files" / "all" / "a.xlsx", ("k", "v"), (1, "a"), (), (2, "b"))
    save(volumes / "files" / "all" / "year=2024" / "b.xlsx", ("v", "k"), ("c", 3))
    (volumes / "files" / "all" / "~$a.txt").write_text("no data")
    monkeypatch.setattr(excel_files, "BATCH", 1)
    spec = product("all", ("v", "year"))
    expected: list[Row] = [("1", "a", None), ("2", "b", None), ("3", "c", "2024")]
    assert rows(spec) == expected
    found = asyncio.run(batches(spec))[1]
    for done, batch in enumerate(found, 1):
        assert rows(spec, batch.position) == expected[done:]
    assert [b.origin(0) for b in found if b.origin] == ["a.xlsx, row 2", "a.xlsx, row 4", "year=2024/b.xlsx, row 2"]


def test_what_is_no_workbook_is_named_with_the_remedy(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = volumes / "files" / "a.xlsx"
    for content in (b"", b"k,v\n1,a\n", b"PK\x03\x04 and no more"):
        path.write_bytes(content)
        assert "a.xlsx is cut off, damaged, or no workbook of Excel (.xlsx)" in refused(product())
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000))
    assert "protected by a password, or of the old kind .xls. Save it as .xlsx without a password" in refused(product())
    save(path, ("k", "v"), *((n, "a") for n in range(1000)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refused(product())
    path.write_bytes(whole[:2000] + bytes(100) + whole[2100:])
    assert "cut off, damaged" in refused(product())
    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/theme/bomb.xml", bytes(excel_bounds.LARGEST_PART + 1))
    assert "a.xlsx is too large unpacked (xl/theme/bomb.xml). Save it as CSV" in refused(product())


def _with_sheet(path: Path, change: Callable[[str], str], part: str = "xl/worksheets/sheet1.xml") -> None:
    """Write a part of a workbook in other words."""
    with zipfile.ZipFile(path) as parts:
        held = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, data in held.items():
            parts.writestr(name, change(data.decode()) if name == part else data)


ENTITIES = "<!DOCTYPE w [<!ENTITY a0 'xxxxxxxxxx'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)) + "]>"
END = "</sheetData>"
BOMBS: dict[str, Callable[[str], str]] = {
    "entities": lambda xml: xml.replace("<worksheet", f"{ENTITIES}<worksheet", 1).replace(END, f'<row r="3"><c t="inlineStr"><is><t>&a9;</t></is></c></row>{END}'),
    "one text": lambda xml: xml.replace(END, f'<row r="3"><c t="inlineStr"><is><t>{"x" * (9 << 20)}</t></is></c></row>{END}'),
    "one row": lambda xml: xml.replace(END, f'<row r="3">{"<c/>" * (2 << 20)}</row>{END}'),
    "hidden rows": lambda xml: xml.replace(END, f'<row r="3"><c t="inlineStr"><is><t><![CDATA[{("x" * 1000 + "<row") * 9000}]]></t></is></c></row>{END}'),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_row_that_would_take_the_keeper_s_memory_is_refused_before_it_is_read(volumes: Path, bomb: str) -> None:
    path = volumes / "files" / "a.xlsx"
    save(path, ("k", "v"), (1, "a"))
    _with_sheet(path, BOMBS[bomb])
    assert "a.xlsx is too large unpacked (xl/worksheets/sheet1.xml). Save it as CSV" in refused(product())


def test_neither_more_rows_than_there_are_nor_more_texts_are_read(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = volumes / "files" / "a.xlsx"
    save(path, ("k", "v"), (1, "a"))
    monkeypatch.setattr(excel_files, "MOST_ROWS", 5000)
    _with_sheet(path, lambda xml: xml.replace('<row r="2"', '<row r="99999999999"'))
    assert "a.xlsx has more than 5000 rows, and a workbook cannot" in refused(product())
    _share(path, 200)
    assert rows(product())[-1] == ("198", "a199")
    monkeypatch.setattr(excel_bounds, "MOST_TEXTS", 100)
    assert "a.xlsx is too large unpacked (xl/sharedStrings.xml)" in refused(product())


def _share(path: Path, count: int) -> None:
    """Write a workbook as Excel itself does, its texts in a list of their own; with prefixed names, as some libraries do."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    save(path, ("k", "v"))
    texts = "".join(f"<x:si><x:t>a{n}</x:t></x:si>" for n in range(count))
    lines = "".join(
        f'<x:row r="{n + 1}"><x:c r="A{n + 1}"><x:v>{n - 1}</x:v></x:c><x:c r="B{n + 1}" t="s"><x:v>{n}</x:v></x:c></x:row>'
        for n in range(1, count)
    )
    heads = '<x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>k</x:t></x:is></x:c><x:c r="B1" t="inlineStr"><x:is><x:t>v</x:t></x:is></x:c></x:row>'
    _with_sheet(path, lambda _: f'<x:worksheet xmlns:x="{main}"><x:sheetData>{heads}{lines}</x:sheetData></x:worksheet>')
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    _with_sheet(path, lambda xml: xml.replace("</Types>", override), "[Content_Types].xml")
    with zipfile.ZipFile(path, "a") as parts:
        parts.writestr("xl/sharedStrings.xml", f'<x:sst xmlns:x="{main}">{texts}</x:sst>')


def test_an_error_in_a_cell_is_one_bad_row_and_a_draft_of_a_workbook_loads(
    bench: Bench, volumes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = volumes / "files" / "a.xlsx"

    def wrong(sheet: Any) -> None:
        sheet["B3"].data_type = "e"

    save(path, ("k", "Date of birth"), (10000, date(1990, 1, 31)), (10001, "#REF!"), (10002, date(1991, 2, 28)), change=wrong)
    assert main(["source", "inspect", str(path), "--location", "volume://files/a.xlsx"]) == 0
    import yaml

    spec = yaml.safe_load(capsys.readouterr().out)["spec"]
    assert [(f["name"], f["column"], f["type"], f["semantic"]) for f in spec["fields"]] == [
        ("dateOfBirth", "date_of_birth", "Date", "person:birthDate")
    ]

    async def script(root: Any) -> None:
        relation = await root.fetchval("select relation from agreement.product where name = 'book'")
        found = {r[0]: r[1] for r in await root.fetch(f'select subject, "dateOfBirth"::text from product."{relation}"')}
        assert found == {subject("10000"): "1990-01-31", subject("10002"): "1991-02-28"}
        held = await root.fetch("select field, reason, origin from staging.quarantine where product like 'p-book%'")
        assert [tuple(r) for r in held] == [("dateOfBirth", "Unreadable", "a.xlsx, row 3")]

    bench.run(plan({"book": spec}, {}), script)


# The examples of docs/reference/types.md as cells: what is in each, and how it is shown.
PAGE: dict[str, tuple[Any, str]] = {
    "007": ("007", "@"),
    "10000": (10000, "General"),
    "7, shown as 0007": (7, "0000"),
    "12.5, shown as 12.50": (12.5, "0.00"),
    "0.1 + 0.2 by a formula": (0.5, "General"),  # put in by hand below: the library rounds what it writes
    "1E+20": (1e20, "General"),
    "TRUE": (True, "General"),
    "31/01/2024, a day": (date(2024, 1, 31), "dd/mm/yyyy"),
    "31/01/2024 00:00, a moment": (datetime(2024, 1, 31), "dd/mm/yyyy hh:mm"),  # noqa: DTZ001
    "08:30": (time(8, 30), "hh:mm"),
    "30 hours, shown as [h]:mm": (timedelta(hours=30), "[h]:mm"),
    "#N/A": ("#N/A", "General"),
    "nothing": (None, "General"),
}


def test_the_page_tells_what_becomes_of_it(volumes: Path) -> None:
    told = examples("Excel")
    assert [e.value for e in told] == list(PAGE)

    def formats(sheet: Any) -> None:
        for number, (value, format_) in enumerate(PAGE.values(), 2):
            sheet.cell(number, 2).number_format = format_
            sheet.cell(number, 2).data_type = "e" if value == "#N/A" else sheet.cell(number, 2).data_type

    path = volumes / "files" / "a.xlsx"
    save(path, ("k", "v"), *((n, value) for n, (value, _) in enumerate(PAGE.values())), change=formats)
    _with_sheet(path, lambda xml: xml.replace("<v>0.5</v>", "<v>0.30000000000000004</v>"))
    found = [text for _, text in rows(product())]
    assert ["" if text in {None, UNREADABLE} else text for text in found] == [e.text for e in told]
