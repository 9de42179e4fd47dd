"""Sources that hold what a test writes into them, as columns of text; a load takes them for those of a product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_runtime.store.mapping import source_columns
from commonweal_runtime.store.sources import Batch, Survey, wanted

Row = Mapping[str, str | None]


@dataclass
class Texts:
    """Rows of each table, by column; `former` is what surveys say of how key columns were written before, `types` what expressions read."""

    tables: dict[str, Sequence[Row]] = field(default_factory=dict)
    former: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    types: Mapping[str, FieldType] = field(default_factory=dict)

    @asynccontextmanager
    async def opened(self, spec: DataProductSpec, _: Any) -> AsyncIterator[_Reader]:
        """Stand for `sources.open_source`: the table is the one that spec.source.postgres names."""
        assert spec.source.postgres is not None
        yield _Reader(self, spec, spec.source.postgres.table)


@dataclass
class _Reader:
    texts: Texts
    spec: DataProductSpec
    table: str

    async def inspect(self) -> Survey:
        types = {column: self.texts.types.get(column, FieldType.STRING) for column in source_columns(self.spec)}
        return Survey(types, None, former=self.texts.former)

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        assert after is None
        rows = self.texts.tables[self.table]
        if rows:
            yield Batch([pa.array([row.get(w.column) for row in rows], pa.string()) for w in wanted(self.spec)], None)

    async def verify(self) -> None:
        return
