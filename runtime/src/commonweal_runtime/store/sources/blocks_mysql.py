# ruff: noqa: S608 - statements are built here; every name in them comes through `quoted`, every value is a number or hexadecimal
"""Blocks of a MySQL or MariaDB table: one statement says the digests, in the snapshot that the rows are read in.

A digest is the sum of the first 64 bits of SHA-256 of each row: MD5 and SHA-1 leave MySQL, and a second sum would have the server make each row's text twice,
or write all hashes into a temporary table. A row whose text is larger than the server's `max_allowed_packet` has no hash, and its block is read each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pymysql

from commonweal_api.data_product import MysqlSource
from commonweal_runtime.exceptions import UndividedError
from commonweal_runtime.store.sources.blocks import Digest, Divided, Division
from commonweal_runtime.store.sources.mysql_keys import literal, quoted
from commonweal_runtime.store.sources.mysql_refusals import broke_off
from commonweal_runtime.store.sources.mysql_text import Column
from commonweal_runtime.store.sources.mysql_wire import Wire

_NO_HASH = 10**40  # more than all hashes of a table come to
_SNAPSHOTS = {"innodb", "rocksdb", "ndbcluster", "tokudb"}  # engines whose tables a transaction sees as they were when it began

Run = Callable[..., Awaitable[list[tuple[str | None, ...]]]]


class MysqlBlocks(Divided):
    """The blocks of one table or view. `run` calls a function in the thread that the connection has; `compared` are the columns that digests follow from."""

    def __init__(self, wire: Wire, run: Run, source: MysqlSource, key: Column, compared: Sequence[Column]) -> None:
        self._wire, self._run, self._source, self._key, self._compared = wire, run, source, key, compared
        self._table = f"{quoted(source.database)}.{quoted(source.table)}"

    async def count(self) -> int:
        """See `Blocks.count`."""
        return int((await self._run(self._wire.query, f"select count(*) from {self._table}"))[0][0] or 0)

    async def digests(self, division: Division) -> Mapping[int, Digest]:
        """See `Blocks.digests`."""
        rows = await self._run(self._ask, self._statement(division))
        found = [(int(number or 0), int(count or 0), int(value or _NO_HASH)) for number, count, value in rows]
        return {number: Digest(count, str(value) if value < _NO_HASH else None) for number, count, value in found}

    def _ask(self, statement: str) -> list[tuple[str | None, ...]]:
        here = f"table_schema = {literal(self._source.database)} and table_name = {literal(self._source.table)}"
        engine = self._wire.query(f"select lower(engine) from information_schema.tables where {here}")
        if engine and engine[0][0] is not None and engine[0][0] not in _SNAPSHOTS:
            raise UndividedError(
                f"its tables of the engine {engine[0][0]} have no snapshot, in which digests and rows would be the same content"
            )
        try:
            return self._wire.query(statement)
        except pymysql.MySQLError as error:
            raise UndividedError(broke_off(self._source, error).detail.removesuffix(".")) from None

    def _statement(self, division: Division) -> str:
        # not `concat_ws`, which leaves out a text that became too long, as it does null: `quote` makes a word of a value that is null
        line = f"concat(x'{division.seed.hex()}', {', '.join(f'quote({_bytes(c)})' for c in self._compared)})"
        value = f"coalesce(cast(conv(left(sha2({line}, 256), 16), 16, 10) as unsigned), {_NO_HASH})"
        return f"select {self._number(division)} as number, count(*), sum({value}) from {self._table} group by 1"

    def _number(self, division: Division) -> str:
        return f"coalesce(crc32({_bytes(self._key)}) % {division.parts}, 0)"

    def _chosen(self, division: Division) -> str:
        number = self._number(division)
        return f"ord(substr(x'{division.chosen.hex()}', {number} div 8 + 1, 1)) >> ({number} % 8) & 1 = 1"


def _bytes(column: Column) -> str:
    """Return the SQL expression of a value's bytes: a text's own, in its own character set, for texts of several cannot always be put together."""
    printed = column.printed(quoted(column.name))
    return f"cast({printed} as binary)" if column.charset else printed
