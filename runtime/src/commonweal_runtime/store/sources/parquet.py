"""Parquet files as one table: the files of a location in the order of their names, row group after row group."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from commonweal_api.data_product import DataProductSpec, ParquetSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.arrow_text import text_of
from commonweal_runtime.store.sources.contract import Batch, Credentials, Survey, wanted
from commonweal_runtime.store.sources.folder import Folder, partition_of
from commonweal_runtime.store.sources.own_thread import own_thread
from commonweal_runtime.store.sources.places import VOLUME, Bucket, File, Place, mounted, shown, state_of
from commonweal_runtime.store.sources.portions import group_of, parquet_of, parts_of
from commonweal_runtime.store.sources.served import served

_Result = TypeVar("_Result")
_TEXTS = "canonical"  # in every version: what was read before a text was canonical is read again


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
        self._place, self._thread, self._where = place, thread, where
        self._spec, self._columns = spec, [w.column for w in wanted(spec)]
        self._files: list[File] = []

    async def _do(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def inspect(self) -> Survey:
        """Look at every file's schema; see `Source.inspect`."""
        return await self._do(self._inspect)

    def _inspect(self) -> Survey:
        self._files, total = self._place.files(), 0
        seen = hashlib.sha256(f"{_TEXTS}{state_of(self._files)}".encode())
        schemas: list[tuple[str, pa.Schema, int]] = []
        for file in self._files:
            with self._opened(file) as (_, parquet):
                rows = parquet.metadata.num_rows
                schemas.append((file.name, parquet.schema_arrow, rows))
                seen.update(repr((rows, parquet.metadata.serialized_size)).encode())
            total += rows
        folder = Folder(self._spec, self._where)
        for name, schema, _ in [s for s in schemas if s[2]] or schemas:  # without rows, a file has no say in names and types
            folder.add(name, schema)
        version = seen.hexdigest()
        return Survey(folder.types(), order=version, version=version, total=total, exact=True, former=folder.former)

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read group after group; see `Source.batches`."""
        rows = self._batches(*(map(int, after.split(":")) if after else (0, 0, 0)))
        while batch := await self._do(next, rows, None):
            yield batch

    def _batches(self, file: int, group: int, skip: int) -> Iterator[Batch]:
        for n in range(file, len(self._files)):
            with self._opened(self._files[n]) as (stream, parquet):
                for g in range(group if n == file else 0, parquet.num_row_groups):
                    yield from self._group(stream, parquet, n, g, skip if (n, g) == (file, group) else 0)

    def _group(self, stream: pa.NativeFile, parquet: pq.ParquetFile, file: int, group: int, skip: int) -> Iterator[Batch]:
        path, at = partition_of(self._files[file].name), 0
        columns = [c for c in dict.fromkeys(self._columns) if c in parquet.schema_arrow.names]
        for read in group_of(stream, parquet, group, columns):
            rest = read.slice(min(read.num_rows, max(0, skip - at)))
            at += read.num_rows - rest.num_rows
            for part in parts_of(rest):
                at += part.num_rows
                text = {c: text_of(part.column(c)) for c in columns}
                text |= {c: pa.repeat(pa.scalar(path.get(c), pa.string()), part.num_rows) for c in self._columns if c not in text}
                yield Batch([text[c] for c in self._columns], f"{file}:{group}:{at}")

    @contextmanager
    def _opened(self, file: File) -> Iterator[tuple[pa.NativeFile, pq.ParquetFile]]:
        """Open a file; whatever goes wrong until it is closed is an error that names it."""
        try:
            with self._place.open(file) as stream, parquet_of(stream) as parquet:
                yield stream, parquet
        except MemoryError:
            detail = f"«{self._where}»: the rows of {shown(file.name)} need more memory than the store's keeper has left."
            raise SourceReadError(Reason.LOAD_FAILED, f"{detail} Write the file with smaller pages, or shorter values.") from None
        except OSError as error:
            raise self._place.failed(error) or self._damaged(file, error) from None
        except (pa.ArrowException, UnicodeError) as error:
            raise self._damaged(file, error) from None

    def _damaged(self, file: File, error: Exception) -> SourceReadError:
        what = f"«{self._where}»: {shown(file.name)}"
        if "crypt" in str(error):  # Arrow has one kind of error for all that is wrong with a file
            return SourceReadError(Reason.FILE_UNREADABLE, f"{what} is encrypted. Write it without encryption: the store has no key to it.")
        if file.size == 0:
            return SourceReadError(Reason.FILE_UNREADABLE, f"{what} is empty.")
        return SourceReadError(Reason.FILE_UNREADABLE, f"{what} is cut off, damaged, or no Parquet file.")

    async def verify(self) -> None:
        """Raise SourceReadError if a file that was looked at is another one now, or gone; see `Source.verify`. What came since is the next load's."""
        now = {f.name: f for f in await self._do(self._place.files)}
        changed = [shown(f.name) for f in self._files if now.get(f.name) != f]
        if changed:
            detail = f"«{self._where}»: {changed[0]} changed while the files were read; they are read again from the beginning."
            raise SourceReadError(Reason.LOAD_FAILED, detail)
