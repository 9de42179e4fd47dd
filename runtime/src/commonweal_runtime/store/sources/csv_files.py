"""CSV files as one table: the files of a location in the order of their names, row after row. Of a row that cannot be read nothing is taken but where it is."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc

from commonweal_api.data_files import CsvSource
from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import LineTooLongError, SourceReadError
from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES, UNREADABLE, Batch, Credentials, Survey
from commonweal_runtime.store.sources.csv_blocks import BAD, BLOCK, LONGEST_LINE, Block, blocks, compression_of, unpacked
from commonweal_runtime.store.sources.csv_rows import Dialect, Row, Rows, Value
from commonweal_runtime.store.sources.file_reader import FileReader, opened_place
from commonweal_runtime.store.sources.folder import Folder, partition_of
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.places import File, Place, shown, state_of

_READ_AS = "csv 1"  # in every version: what was read by other rules is read again


@asynccontextmanager
async def open_csv(spec: DataProductSpec, source: CsvSource, credentials: Credentials | None) -> AsyncIterator[CsvReader]:
    """Open the place for reading; every way it can fail is a SourceReadError. Reading blocks, so it has a thread of its own."""
    async with opened_place(source, credentials) as (place, thread):
        yield CsvReader(place, thread, spec, source)


@dataclass(slots=True)
class _Taken:
    """Rows of one file that become a batch: of each the values of some columns, by their places in the row."""

    file: str
    width: int
    places: Sequence[int]
    values: list[Sequence[Value]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    size: int = 0

    def take(self, rows: Iterable[Row]) -> bool:
        """Take rows in until the batch is full; return whether there were any. A row with more or fewer values than the file has columns has none that can be told."""
        width, pick = self.width, itemgetter(*self.places, 0, 0)  # of two or more it makes a tuple
        unreadable: list[Value] = [UNREADABLE] * width
        for line, values, size in rows:
            if values is None or len(values) != width:
                self.broken.append(len(self.lines))
                self.values.append(pick(unreadable))
            else:
                self.values.append(pick(values))
            self.lines.append(line)
            self.size += size
            if len(self.lines) >= BATCH or self.size >= BATCH_BYTES:
                break
        return bool(self.lines)

    def columns(self) -> list[pa.StringArray]:
        """Return the texts, column by column."""
        return [_texts(values) for _, values in zip(self.places, zip(*self.values, strict=True), strict=False)]

    @property
    def origin(self) -> Callable[[int], str]:
        """What tells where a row stands in its file, and holds no value of it."""
        file, lines = self.file, self.lines
        return lambda row: f"{file}, line {lines[row]}"


class CsvReader(FileReader):
    """All files of a location. A position is the file, and how `Rows` come to the row after it."""

    def __init__(self, place: Place, thread: Executor, spec: DataProductSpec, source: CsvSource) -> None:
        super().__init__(place, thread, spec, source.location)
        self._source, self._dialect = source, Dialect(source)
        self._names: dict[str, list[str]] = {}

    def _inspect(self) -> Survey:
        self._files = self._place.files()
        folder, total = Folder(self._spec, self._where), 0
        told = self._source.model_dump_json(by_alias=True)
        version = hashlib.sha256(f"{_READ_AS}{told}{state_of(self._files)}".encode()).hexdigest()
        for file in self._files:
            names, about = self._headed(file)
            self._names[file.name] = names
            folder.add(file.name, pa.schema([(name, pa.string()) for name in names]))
            total += about
        return Survey(folder.types(), order=version, version=version, total=total or None)

    def _listed(self) -> list[Listed]:
        found: dict[str, Listed] = {}
        for file in self._place.files():
            names = [*self._headed(file)[0], *partition_of(file.name)]
            found |= {name: Listed(name, FieldType.STRING, "text") for name in names if name and name not in found}
        return list(found.values())

    def _headed(self, file: File) -> tuple[list[str], int]:
        """Return the names of a file's columns, and about how many rows it has; 0 where that cannot be said."""
        with self._opened(file) as stream:
            found = self._blocks(stream)
            begun = next(found, Block(0, ""))
            first = next(Rows(self._dialect).of(chain([begun], found), self._source.skip_lines), None)
        lines = begun.text.count(self._dialect.separator) * file.size // max(1, min(file.size, BLOCK))
        about = 0 if compression_of(file.name) else lines
        if self._source.columns:
            return list(self._source.columns), about
        if first is None:
            raise self._unreadable(file, f"is empty; its first row {self._skipped}has to name the columns")
        return self._named(file, first), about

    @property
    def _skipped(self) -> str:
        return f"after {self._source.skip_lines} lines " if self._source.skip_lines else ""

    def _named(self, file: File, first: Row) -> list[str]:
        names = [_text(value) for value in first.values or [BAD]]
        if any(BAD in name or "\0" in name for name in names):
            raise self._unreadable(
                file, f"names its columns in line {first.line} in a way that is no {self._source.encoding.value} or no row"
            )
        renamed = {h.heading: h.column for h in self._source.headings}
        return [renamed.get(name, name) for name in names]

    def _batches(self, after: str | None) -> Iterator[Batch]:
        number, *place = map(int, after.split(":")) if after else (0, 0, 1, 0)
        for n in range(number, len(self._files)):
            yield from self._file(n, *(place if n == number else (0, 1, 0)))

    def _file(self, number: int, offset: int, line: int, since: int) -> Iterator[Batch]:
        file, rows = self._files[number], Rows(self._dialect, line)
        names, begins = self._names[file.name], line == 1
        with self._opened(file) as stream:
            found = rows.of(self._blocks(stream, offset), self._source.skip_lines if begins else 0)
            headed = begins and not self._source.columns
            places = {c: names.index(c) for c in dict.fromkeys(self._columns) if c in names}
            found = islice(found, since or int(headed), None)
            while (taken := _Taken(shown(file.name), len(names), list(places.values()))).take(found):
                yield self._batch(taken, places, partition_of(file.name), f"{number}:{rows.offset}:{rows.line}:{rows.since}")

    def _batch(self, taken: _Taken, places: Iterable[str], path: Mapping[str, str | None], position: str) -> Batch:
        columns = dict(zip(places, taken.columns(), strict=True))
        missing = {c: pa.repeat(pa.scalar(path.get(c), pa.string()), len(taken.lines)) for c in self._columns if c not in columns}
        return Batch([(columns | missing)[c] for c in self._columns], position, taken.broken, taken.origin)

    def _blocks(self, stream: pa.NativeFile, offset: int = 0) -> Iterator[Block]:
        return blocks(stream, self._source.encoding, self._source.line_end, offset)

    @contextmanager
    def _opened(self, file: File) -> Iterator[pa.NativeFile]:
        """Open a file; whatever goes wrong until it is closed is an error that names it."""
        packed = compression_of(file.name)
        try:
            with self._place.open(file) as stream, unpacked(stream, file.name) as text:
                yield text
        except LineTooLongError as error:
            ends = f"line {error.line} has no end within {LONGEST_LINE >> 20} MiB. Write the file again, or correct spec.source.csv.lineEnd"
            raise self._unreadable(file, f"is damaged or written in another way: {ends}") from None
        except MemoryError:
            detail = f"«{self._where}»: the rows of {shown(file.name)} need more memory than the store's keeper has left."
            raise SourceReadError(Reason.LOAD_FAILED, f"{detail} Write the file with shorter values.") from None
        except (OSError, pa.ArrowException) as error:
            blamed = self._place.failed(error) if isinstance(error, OSError) else None
            raise blamed or self._unreadable(file, f"is cut off, damaged, or no file of {packed or 'text'}") from None


def _text(value: Value) -> str:
    return value[0] if isinstance(value, tuple) else value or ""


def _texts(values: Sequence[Value]) -> pa.StringArray:
    """Return the texts of a column; what cannot be read is `UNREADABLE` by itself."""
    try:
        found = pa.array(values, pa.string())
    except (pa.ArrowException, UnicodeError, TypeError):
        return pa.array([None if value is None else _readable(_text(value)) for value in values], pa.string())
    if pc.any(pc.match_substring(found, "\0")).as_py():
        return pc.if_else(pc.fill_null(pc.match_substring(found, "\0"), False), UNREADABLE, found)
    return found


def _readable(text: str) -> str:
    return UNREADABLE if BAD in text or "\0" in text else text
