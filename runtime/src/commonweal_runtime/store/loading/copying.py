"""Columns of text on their way into a table of the store: as CSV, which Arrow writes and PostgreSQL reads, so that no value becomes an object here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import csv

_PIECE = 1 << 20
_PLAIN = csv.WriteOptions(include_header=False)  # texts are quoted, so that an empty one and none stay apart


async def copy(store: Any, rows: pa.Table, table: str, columns: Sequence[str], schema: str | None = None) -> None:
    """Add rows to a table, their columns in the order of `columns`; PostgreSQL reads the texts as the columns' types."""
    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink, _PLAIN)
    await store.copy_to_table(table, schema_name=schema, source=_pieces(sink.getvalue()), columns=columns, format="csv")


async def _pieces(written: pa.Buffer) -> AsyncIterator[bytes]:
    for at in range(0, written.size, _PIECE):
        yield written.slice(at, min(_PIECE, written.size - at)).to_pybytes()
