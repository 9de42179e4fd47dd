# ruff: noqa: S608 - statements are built here; every name and text in them comes through `names`
"""Blocks of a PostgreSQL table: one statement says the digests, in the transaction that the rows are read in.

A digest is the sum of two hashes of each row's text as the server's output functions write it under the settings of the read. From that text the canonical
one follows, so a value that reads differently has another digest. The hashes are PostgreSQL's own (`hashtextextended`): a tenth of the price of MD5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from commonweal_api.data_product import PostgresSource
from commonweal_runtime.exceptions import UndividedError
from commonweal_runtime.store.sources.blocks import Digest, Divided, Division
from commonweal_runtime.store.sources.postgres_refusals import FAILURES, broke_off

_HASH = "hashtextextended(text,bigint)"  # since PostgreSQL 11
_MEMORY_KB = 24 << 10  # for the groups of one statement: `MOST_BLOCKS` fit, so nothing is written to the source's disk


class PostgresBlocks(Divided):
    """The blocks of one table or view, in a transaction that has begun. `key` is the text of the subject's key, `compared` the columns that digests follow from."""

    def __init__(self, connection: Any, source: PostgresSource, relation: str, key: str, compared: Sequence[str]) -> None:
        self._connection, self._source, self._relation, self._key, self._compared = connection, source, relation, key, compared

    async def count(self) -> int:
        """See `Blocks.count`."""
        try:
            rows: int = await self._connection.fetchval(f"select count(*) from {self._relation}")
        except FAILURES as error:
            raise broke_off(self._source, error) from None
        return rows

    async def digests(self, division: Division) -> Mapping[int, Digest]:
        """See `Blocks.digests`."""
        try:
            return await self._digests(division)
        except FAILURES as error:
            raise broke_off(self._source, error) from None

    async def _digests(self, division: Division) -> Mapping[int, Digest]:
        if await self._connection.fetchval(f"select to_regprocedure('{_HASH}') is null"):
            raise UndividedError("its PostgreSQL has no function to compute digests of blocks with, which came with version 11")
        await self._connection.execute("savepoint digests")
        try:
            await self._connection.execute(
                f"select set_config('work_mem', '{_MEMORY_KB}', true) from pg_settings where name = 'work_mem' and setting::int < {_MEMORY_KB}"
            )
            rows = await self._connection.fetch(self._statement(division))
        except asyncpg.PostgresError as error:
            await self._connection.execute("rollback to savepoint digests")
            raise UndividedError(_why(self._source, error)) from None
        return {number: Digest(count, f"{one} {two}") for number, count, one, two in rows}

    def _statement(self, division: Division) -> str:
        _, one, two = division.seeds(3)
        row = f'row({", ".join(self._compared)})::text collate "C"'
        return (
            f"select block, count(*), sum(hashtextextended(line, {one}))::text, sum(hashtextextended(line, {two}))::text "
            f"from (select {self._number(division)} as block, {row} as line from {self._relation} r offset 0) x group by block"
        )

    def _number(self, division: Division) -> str:
        return f'coalesce(abs(hashtextextended(({self._key}) collate "C", {division.seeds(1)[0]}) % {division.parts})::int, 0)'

    def _chosen(self, division: Division) -> str:
        return f"get_bit(decode('{division.chosen.hex()}', 'hex'), {self._number(division)}) = 1"


def _why(source: PostgresSource, error: asyncpg.PostgresError) -> str:
    if error.sqlstate == "42501":
        return f"its login may not execute {_HASH}"
    return broke_off(source, error).detail.removesuffix(".")
