"""Workbooks of Excel as one table: one sheet of each file of a location, row after row. Formulas are what was computed last; nothing is computed here."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import pyarrow as pa
from openpyxl.utils import range_boundaries

from commonweal_api.data_files import ExcelSource
from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES, Batch, Credentials, Survey
from commonweal_runtime.store.sources.excel_bounds import MOST_ROWS, too_large
from commonweal_runtime.store.sources.excel_text import text_of
from commonweal_runtime.store.sources.file_reader import FileReader, opened_place
from commonweal_runtime.store.sources.folder import Folder, partition_of
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.places import File, Place, shown, state_of

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_READ_AS = "excel 1"  # in every version: what was read by other rules is read again
# What reading a damaged workbook raises; the library has no kind of error of its own for it.
_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, ParseError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError
)  # fmt: skip
Texts = list[str | None]


@asynccontextmanager
async def open_excel(spec: DataProductSpec, source: ExcelSource, credentials: Credentials | None) -> AsyncIterator[ExcelReader]:
    """Open the place for reading; every way it can fail is a SourceReadError. Reading blocks, so it has a thread of its own."""
    async with opened_place(source, credentials) as (place, thread):
        yield ExcelReader(place, thread, spec, source)


class ExcelReader(FileReader):
    """All workbooks of a location. A position is the file, and how many rows of it have been read."""

    def __init__(self, place: Place, thread: Executor, spec: DataProductSpec, source: ExcelSource) -> None:
        super().__init__(place, thread, spec, source.location)
        self._source = source

    def _inspect(self) -> Survey:
        self._files, folder = self._place.files(), Folder(self._spec, self._where)
        for file in self._files:
            with self._opened(file) as sheet:
                folder.add(file.name, pa.schema([(name, pa.string()) for name in self._headed(file, sheet)[0]]))
        told = self._source.model_dump_json(by_alias=True)
        version = hashlib.sha256(f"{_READ_AS}{told}{state_of(self._files)}".encode()).hexdigest()
        return Survey(folder.types(), order=version, version=version)

    def _listed(self) -> list[Listed]:
        found: dict[str, Listed] = {}
        for file in self._place.files():
            with self._opened(file) as sheet:
                names = [*self._headed(file, sheet)[0], *partition_of(file.name)]
            found |= {name: Listed(name, FieldType.STRING, "cells") for name in names if name and name not in found}
        return list(found.values())

    def _rows(self, file: File, sheet: Any) -> Iterator[tuple[int, Texts]]:
        """Yield the rows of the table with their numbers, the headings first."""
        left, top, right, bottom = (
            range_boundaries(self._source.range) if self._source.range else (1, self._source.header_row or 1, None, None)
        )
        rows = sheet.iter_rows(min_row=top, max_row=bottom, min_col=left, max_col=right)
        for number, cells in enumerate(rows, top or 1):
            if number > MOST_ROWS:
                raise self._unreadable(file, f"has more than {MOST_ROWS} rows, and a workbook cannot. Save it again")
            yield number, [text_of(cell) for cell in cells]

    def _headed(self, file: File, sheet: Any) -> tuple[list[str], Iterator[tuple[int, Texts]]]:
        """Return the names of the columns, and the rows after them that are not empty."""
        rows = self._rows(file, sheet)
        number, cells = next(rows, (self._source.header_row or 1, Texts()))
        renamed = {h.heading: h.column for h in self._source.headings}
        names = [renamed.get(name, name) for name in (cell or "" for cell in cells)]
        if not any(names):
            raise self._unreadable(
                file, f"has nothing in row {number}, which has to name the columns. Correct sheet, headerRow or range of spec.source.excel"
            )
        return names, ((n, texts) for n, texts in rows if any(text is not None for text in texts))

    def _batches(self, after: str | None) -> Iterator[Batch]:
        first, done = map(int, after.split(":")) if after else (0, 0)
        for n in range(first, len(self._files)):
            with self._opened(self._files[n]) as sheet:
                names, rows = self._headed(self._files[n], sheet)
                begun = done if n == first else 0
                yield from self._of(n, names, islice(rows, begun, None), begun)

    def _of(self, number: int, names: Sequence[str], rows: Iterator[tuple[int, Texts]], done: int) -> Iterator[Batch]:
        file = self._files[number]
        at = {c: names.index(c) for c in dict.fromkeys(self._columns) if c in names}
        while taken := _portion(rows, list(at.values())):
            done += len(taken)
            numbers, name, path = [n for n, _ in taken], shown(file.name), partition_of(file.name)
            columns = {c: pa.array([texts[i] for _, texts in taken], pa.string()) for i, c in enumerate(at)}
            columns |= {c: pa.repeat(pa.scalar(path.get(c), pa.string()), len(taken)) for c in self._columns if c not in columns}
            yield Batch([columns[c] for c in self._columns], f"{number}:{done}", (), _origin(name, numbers))

    @contextmanager
    def _opened(self, file: File) -> Iterator[Any]:
        """Open the sheet of a file; whatever goes wrong until it is closed is an error that names the file."""
        try:
            with self._place.open(file) as stream, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of parts that are not read
                self._look(file, stream)
                workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
                try:
                    yield self._sheet(file, workbook)
                finally:
                    workbook.close()
        except MemoryError:
            detail = f"«{self._where}»: {shown(file.name)} needs more memory than the store's keeper has left."
            raise SourceReadError(Reason.LOAD_FAILED, f"{detail} Save it as CSV.") from None
        except _DAMAGED as error:
            blamed = self._place.failed(error) if isinstance(error, OSError) else None
            raise blamed or self._unreadable(file, "is cut off, damaged, or no workbook of Excel (.xlsx)") from None

    def _look(self, file: File, stream: Any) -> None:
        """Raise SourceReadError unless the file is a workbook that takes no more room than one may."""
        if stream.read(len(_OLE)) == _OLE:
            raise self._unreadable(file, "is protected by a password, or of the old kind .xls. Save it as .xlsx without a password")
        stream.seek(0)
        part = too_large(stream)
        if part is not None:
            raise self._unreadable(file, f"is too large unpacked ({shown(part)}). Save it as CSV")
        stream.seek(0)

    def _sheet(self, file: File, workbook: Any) -> Any:
        name = self._source.sheet
        sheets = {sheet.title: sheet for sheet in workbook.worksheets}
        sheet = sheets.get(name) if name else next(iter(sheets.values()), None)
        if sheet is None:
            raise self._unreadable(file, f"has no sheet «{name}»; it has {', '.join(map(shown, sheets)) or 'no sheet at all'}")
        sheet.reset_dimensions()  # what a file says of its size need not be so
        return sheet


def _origin(name: str, numbers: Sequence[int]) -> Callable[[int], str]:
    """Return what tells where a row stands in its file, and holds no value of it."""
    return lambda row: f"{name}, row {numbers[row]}"


def _portion(rows: Iterator[tuple[int, Texts]], at: Sequence[int]) -> list[tuple[int, Texts]]:
    """Return the texts of some columns of the next rows, as many as fit into a batch; a row that ends early has nothing there."""
    taken, size = list[tuple[int, Texts]](), 0
    for number, texts in rows:
        picked = [texts[i] if i < len(texts) else None for i in at]
        taken.append((number, picked))
        size += sum(map(len, filter(None, picked)))
        if len(taken) >= BATCH or size >= BATCH_BYTES:
            break
    return taken
