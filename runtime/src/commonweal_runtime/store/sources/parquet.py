"""Parquet files as one table: the files of a location in the order of their names, row group after row group."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from commonweal_api.data_product import DataProductSpec, FieldType, ParquetSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.arrow_text import natural_of, text_of
from commonweal_runtime.store.sources.contract import Batch, Credentials, Survey
from commonweal_runtime.store.sources.file_reader import FileReader, opened_place
from commonweal_runtime.store.sources.folder import Folder, partition_of
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.places import File, shown, state_of
from commonweal_runtime.store.sources.portions import group_of, parquet_of, parts_of

_TEXTS = "canonical"  # in every version: what was read before a text was canonical is read again


@asynccontextmanager
async def open_parquet(spec: DataProductSpec, source: ParquetSource, credentials: Credentials | None) -> AsyncIterator[ParquetReader]:
    """Open the place for reading; every way it can fail is a SourceReadError. Reading blocks, so it has a thread of its own."""
    async with opened_place(source, credentials) as (place, thread):
        yield ParquetReader(place, thread, spec, source.location)


class ParquetReader(FileReader):
    """All files of a location. A position is the file, the row group, and the rows of it that have been read."""

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

    def _listed(self) -> list[Listed]:
        found: dict[str, Listed] = {}
        for file in self._place.files():
            with self._opened(file) as (_, parquet):
                schema = parquet.schema_arrow
            found |= {f.name: Listed(f.name, natural_of(f.type), str(f.type)) for f in schema if f.name not in found}
            found |= {name: Listed(name, FieldType.STRING, "text of the path") for name in partition_of(file.name) if name not in found}
        return list(found.values())

    def _batches(self, after: str | None) -> Iterator[Batch]:
        file, group, skip = map(int, after.split(":")) if after else (0, 0, 0)
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
        if "crypt" in str(error):  # Arrow has one kind of error for all that is wrong with a file
            return self._unreadable(file, "is encrypted. Write it without encryption: the store has no key to it")
        return self._unreadable(file, "is empty" if file.size == 0 else "is cut off, damaged, or no Parquet file")
