"""How much of a Parquet file is in memory at once: as many rows as are about `BATCH_BYTES`, however long they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES

_FIXED = 32  # bytes of text that a number or a moment comes to, at most but for a few
_BUFFER = 1 << 20


def parquet_of(stream: pa.NativeFile, columns: Collection[str]) -> pq.ParquetFile:
    """Open a file to read these columns: a text that stands in its dictionary once is in memory once, whatever number of rows has it."""
    options = {"pre_buffer": False, "buffer_size": _BUFFER, "coerce_int96_timestamp_unit": "us", "page_checksum_verification": True}
    parquet = pq.ParquetFile(stream, **options)
    texts = [f.name for f in parquet.schema_arrow if f.name in columns and is_text(f.type)]
    groups = [parquet.metadata.row_group(n) for n in range(parquet.num_row_groups)] if texts else []
    shared = {c.path_in_schema for group in groups for c in _chunks(group, texts) if c.has_dictionary_page}
    return pq.ParquetFile(stream, metadata=parquet.metadata, read_dictionary=sorted(shared), **options) if shared else parquet


def is_text(type_: pa.DataType) -> bool:
    """Return whether values are as long as they like."""
    return any(fits(type_) for fits in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _chunks(group: pq.RowGroupMetaData, columns: Collection[str]) -> Iterator[pq.ColumnChunkMetaData]:
    return (c for c in (group.column(n) for n in range(group.num_columns)) if c.path_in_schema in columns)


def rows_at_once(group: pq.RowGroupMetaData, columns: Collection[str]) -> int:
    """Return how many rows of a group to read at once, by what they are long on average."""
    size: int = sum(c.total_uncompressed_size for c in _chunks(group, columns))
    fitting: int = BATCH_BYTES * group.num_rows // max(1, size)
    return max(1, min(BATCH, fitting))


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
    if pa.types.is_dictionary(column.type) and is_text(column.dictionary.type):
        return pc.fill_null(_lengths(column.dictionary).take(column.indices), 0)
    if not is_text(column.type):
        return pa.scalar(0, pa.int64())
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return pc.fill_null(pc.binary_length(column).cast(pa.int64()), 0)
