"""Parquet files as one table: the files of a location in the order of their names, row group after row group."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from commonweal_api.data_product import DataProductSpec, FieldType, ParquetSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import BATCH, UNREADABLE, Batch, Credentials, Survey, check_types, missing_column, wanted
from commonweal_runtime.store.sources.own_thread import own_thread
from commonweal_runtime.store.sources.places import VOLUME, Bucket, File, Place, mounted, state_of
from commonweal_runtime.store.sources.served import served

_NATURAL: tuple[tuple[Callable[[pa.DataType], bool], FieldType], ...] = (
    (pa.types.is_string, FieldType.STRING),
    (pa.types.is_large_string, FieldType.STRING),
    (pa.types.is_string_view, FieldType.STRING),
    (pa.types.is_null, FieldType.STRING),
    (pa.types.is_boolean, FieldType.BOOLEAN),
    (pa.types.is_integer, FieldType.INTEGER),
    (pa.types.is_floating, FieldType.NUMBER),
    (pa.types.is_decimal, FieldType.NUMBER),
    (pa.types.is_date, FieldType.DATE),
    (pa.types.is_timestamp, FieldType.TIMESTAMP),
)
_Result = TypeVar("_Result")


@asynccontextmanager
async def open_parquet(spec: DataProductSpec, source: ParquetSource, credentials: Credentials | None) -> AsyncIterator[ParquetReader]:
    """Open the place for reading; every way it can fail is a SourceReadError. Reading blocks, so it has a thread of its own."""
    async with own_thread("parquet") as thread:
        place = await asyncio.get_running_loop().run_in_executor(thread, place_of, source, credentials)
        yield ParquetReader(place, thread, spec, source.location)


def place_of(source: ParquetSource, credentials: Credentials | None) -> Place:
    """Return the place that a source names. Volumes are read over HTTP from COMMONWEAL_VOLUMES, or as they are mounted here where that is not set."""
    if source.location.startswith(VOLUME):
        base = os.environ.get("COMMONWEAL_VOLUMES", "")
        return served(base, source.location) if base else mounted(source.location)
    if credentials is None or source.endpoint is None:
        raise SourceReadError(Reason.CREDENTIALS_MISSING, "spec.source.parquet.credentials names no Secret.")
    return Bucket(source, source.location.partition("://")[2].strip("/"), credentials)


class ParquetReader:
    """All files of a location. A position is the file, the row group, and the rows of it that have been read."""

    def __init__(self, place: Place, thread: Executor, spec: DataProductSpec, where: str) -> None:
        self._place, self._thread, self._spec, self._where = place, thread, spec, where
        self._files: list[File] = []

    async def _do(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except pa.ArrowException as error:
            raise self._damaged(error) from None
        except OSError as error:
            raise SourceReadError(Reason.LOAD_FAILED, f"«{self._where}» broke off ({type(error).__name__}).") from None

    def _damaged(self, error: Exception) -> SourceReadError:
        return SourceReadError(Reason.FILE_UNREADABLE, f"A file at «{self._where}» cannot be read as Parquet ({type(error).__name__}).")

    async def inspect(self) -> Survey:
        """Look at every file's schema; see `Source.inspect`."""
        return await self._do(self._inspect)

    def _inspect(self) -> Survey:
        self._files, total = self._place.files(), 0
        seen = hashlib.sha256(state_of(self._files).encode())
        types: dict[str, FieldType] = {}
        for file in self._files:
            with self._place.open(file) as stream, _parquet(stream) as parquet:
                types = self._check(file, parquet.schema_arrow)
                total += parquet.metadata.num_rows
                seen.update(repr((parquet.metadata.num_rows, parquet.metadata.serialized_size)).encode())
        version = seen.hexdigest()
        return Survey(types, order=version, version=version, total=total, exact=True)

    def _check(self, file: File, schema: pa.Schema) -> dict[str, FieldType]:
        natural: dict[str, FieldType | None] = {}
        described = {}
        for want in wanted(self._spec):
            at = schema.get_all_field_indices(want.column)
            if len(at) != 1:
                raise missing_column(file.name, want)
            type_ = schema.field(at[0]).type
            natural[want.column], described[want.column] = natural_of(type_), f"{type_} in «{file.name}»"
        for want in wanted(self._spec):
            if natural[want.column] is None:
                detail = (
                    f"The column «{want.column}», which {want.what} names, is {described[want.column]}; only plain values can be served."
                )
                raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)
        return check_types(self._spec, natural, described)

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read group after group; see `Source.batches`."""
        rows = self._batches(*(map(int, after.split(":")) if after else (0, 0, 0)))
        while batch := await self._do(next, rows, None):
            yield batch

    def _batches(self, file: int, group: int, skip: int) -> Iterator[Batch]:
        for n in range(file, len(self._files)):
            with self._place.open(self._files[n]) as stream, _parquet(stream) as parquet:
                for g in range(group if n == file else 0, parquet.num_row_groups):
                    yield from self._group(parquet, n, g, skip if (n, g) == (file, group) else 0)

    def _group(self, parquet: pq.ParquetFile, file: int, group: int, skip: int) -> Iterator[Batch]:
        columns = [w.column for w in wanted(self._spec)]
        at = 0
        for batch in parquet.iter_batches(BATCH, row_groups=[group], columns=list(dict.fromkeys(columns)), use_threads=False):
            at += batch.num_rows
            if at > skip:  # a position lies at the end of a batch, and batches of a group are cut the same way each time
                read = {c: values_of(batch.column(c)) for c in dict.fromkeys(columns)}
                yield Batch(list(zip(*(read[c] for c in columns), strict=True)), f"{file}:{group}:{at}")

    async def verify(self) -> None:
        """Raise SourceReadError if the files are others than those that were looked at; see `Source.verify`."""
        if state_of(await self._do(self._place.files)) != state_of(self._files):
            detail = f"The files at «{self._where}» changed while they were read; they are read again from the beginning."
            raise SourceReadError(Reason.LOAD_FAILED, detail)


def _parquet(stream: pa.NativeFile) -> pq.ParquetFile:
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20)


def natural_of(type_: pa.DataType) -> FieldType | None:
    """Return what a column's values are; None for lists, structures, bytes and whatever else no field can hold."""
    if pa.types.is_dictionary(type_):
        return natural_of(type_.value_type)
    return next((natural for fits, natural in _NATURAL if fits(type_)), None)


def values_of(column: pa.Array) -> list[Any]:
    """Return a column's values; one that Python cannot hold becomes UNREADABLE, and the others stay."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)  # the store keeps microseconds
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, ArithmeticError):  # UnicodeDecodeError is one of them
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, ArithmeticError):
        return UNREADABLE
