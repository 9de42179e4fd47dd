"""How much of a Parquet file is in memory at once: as many rows as are about `BATCH_BYTES`, however long they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from commonweal_runtime.store.sources.contract import BATCH_BYTES, ENOUGH

_FIXED = 32  # bytes of text that a number or a moment comes to, at most but for a few
_BUFFER = 1 << 20
_SHARED = 16 << 20  # bytes of a group's column up to which its dictionary is kept as one: Arrow keeps the texts outside of it there, too


def parquet_of(stream: pa.NativeFile, **options: Any) -> pq.ParquetFile:
    """Open a file: no more of it is in memory than is read, moments of 96 bits are those that were written, and checksums are checked."""
    given = {"pre_buffer": False, "buffer_size": _BUFFER, "coerce_int96_timestamp_unit": "us", "page_checksum_verification": True}
    return pq.ParquetFile(stream, **given, **options)


def group_of(stream: pa.NativeFile, parquet: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read columns of a group in batches that fit into memory, cut the same way each time."""
    # Asked for the sizes of a column that it cannot read, an encrypted one, Arrow ends the process; when it reads, it raises an error.
    next(parquet.iter_batches(1, row_groups=[group], columns=columns, use_threads=False), None)
    about = parquet.metadata.row_group(group)
    chunks = [about.column(n) for n in range(about.num_columns) if parquet.schema.column(n).path in columns]
    shared = [c.path_in_schema for c in chunks if c.has_dictionary_page and c.total_uncompressed_size <= _SHARED]
    fitting = BATCH_BYTES * about.num_rows // max(1, sum(c.total_uncompressed_size for c in chunks))
    reader = parquet_of(stream, metadata=parquet.metadata, read_dictionary=shared)
    yield from reader.iter_batches(max(1, min(ENOUGH, fitting)), row_groups=[group], columns=columns, use_threads=False)


def _is_text(type_: pa.DataType) -> bool:
    return any(fits(type_) for fits in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def parts_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch where its text would be more than `BATCH_BYTES`; one row may have more."""
    sizes = pa.repeat(pa.scalar(_FIXED * batch.num_columns, pa.int64()), batch.num_rows)
    for column in batch.columns:
        sizes = pc.add(sizes, _lengths(column))
    ends = pc.cumulative_sum(sizes).to_pylist()
    begin, before = 0, 0
    while begin < batch.num_rows:
        end = max(begin + 1, bisect_right(ends, before + BATCH_BYTES))
        yield batch.slice(begin, end - begin)
        begin, before = end, ends[end - 1]


def _lengths(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type) and _is_text(column.dictionary.type):
        return pc.fill_null(_lengths(column.dictionary).take(column.indices), 0)
    if not _is_text(column.type):
        return pa.scalar(0, pa.int64())
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return pc.fill_null(pc.binary_length(column).cast(pa.int64()), 0)
