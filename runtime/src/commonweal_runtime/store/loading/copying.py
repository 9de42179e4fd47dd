"""Columns of text on their way into a table of the store, in the text form of COPY: joined and escaped column by column, so that no value becomes an object here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_PIECE = 1 << 20
_UNQUOTED = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
_ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))  # the backslash first


async def copy(store: Any, lines: bytes, table: str, columns: Sequence[str], schema: str | None = None) -> None:
    """Add the rows of `lines_of` to a table, their columns in the order of `columns`; PostgreSQL reads the texts as the columns' types."""
    await store.copy_to_table(table, schema_name=schema, source=_pieces(lines), columns=columns, format="text")


def lines_of(rows: pa.Table) -> bytes:
    """Return rows as COPY reads them: a line for each, a tab between two values, a mark of its own where there is none."""
    plain = _plain(rows)
    return _escaped(rows) if plain is None else plain


def _plain(rows: pa.Table) -> bytes | None:
    """Return the lines if nothing in them has to be escaped, as is usual: Arrow's writer is ten times as fast as joining is."""
    columns = [pc.fill_null(column, "\\N") if column.null_count else column for column in rows.columns]
    sink = pa.BufferOutputStream()
    try:
        csv.write_csv(pa.table(columns, names=rows.column_names), sink, _UNQUOTED)
    except pa.ArrowInvalid:  # a quote, a tab or the end of a line within a value
        return None
    written: bytes = sink.getvalue().to_pybytes()
    return written if written.count(b"\\") == sum(column.null_count for column in rows.columns) else None


def _escaped(rows: pa.Table) -> bytes:
    # offsets of 64 bits: what a batch comes to once all is joined and escaped has no bound of its own
    columns = [pc.cast(column.combine_chunks(), pa.large_string()) for column in rows.columns]
    for character, written in _ESCAPED:
        columns = [pc.replace_substring(column, character, written) for column in columns]
    joined = pc.binary_join_element_wise(*columns, _large("\t"), null_handling="replace", null_replacement="\\N")
    _, offsets, data = pc.binary_join_element_wise(joined, _large(""), _large("\n")).buffers()
    lines: bytes = data.slice(0, memoryview(offsets).cast("q")[rows.num_rows]).to_pybytes()
    return lines


def _large(text: str) -> pa.LargeStringScalar:
    return pa.scalar(text, pa.large_string())


async def _pieces(written: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(written), _PIECE):
        yield written[at : at + _PIECE]
