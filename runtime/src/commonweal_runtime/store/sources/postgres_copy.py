"""What one COPY of a PostgreSQL sends, in blocks of whole rows, and a block's rows as columns of text."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from commonweal_runtime.store.sources.contract import BATCH_BYTES, ENOUGH, UNREADABLE
from commonweal_runtime.store.stopping import stop

_NO_CHARACTER = "commonweal.no-character"  # name of what stands in for a byte that means nothing
_ENDS = (b'"\n', b",\n")  # of rows; texts have a few, which only makes blocks shorter


class CopyOut:
    """One COPY under way. The server waits while nobody takes a block: one is ready, and one is being filled."""

    def __init__(self, connection: Any, statement: str, encoding: str) -> None:
        self._blocks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(1)
        self._held = bytearray()
        self._rows = 0
        self._task = asyncio.create_task(self._run(connection, statement, encoding))

    async def _run(self, connection: Any, statement: str, encoding: str) -> None:
        end: Exception | None = None
        try:
            await connection.copy_from_query(statement, output=self._take, format="csv", force_quote=True, encoding=encoding)
        except Exception as error:  # noqa: BLE001 - raised where the blocks are read
            end = error
        await self._pass_on()
        await self._blocks.put(end)

    async def _take(self, data: bytes) -> None:
        """Take whole rows: PostgreSQL sends one in each message, and the driver hands on whole messages."""
        self._held += data
        self._rows += sum(data.count(end) for end in _ENDS)
        if self._rows >= ENOUGH or len(self._held) >= BATCH_BYTES:
            await self._pass_on()

    async def _pass_on(self) -> None:
        if self._held:
            block, self._held, self._rows = bytes(self._held), bytearray(), 0
            await self._blocks.put(block)

    async def blocks(self) -> AsyncIterator[bytes]:
        """Return the blocks; what ended the COPY early is raised after all that came before it."""
        while isinstance(block := await self._blocks.get(), bytes):
            yield block
        if block is not None:
            raise block

    @property
    def done(self) -> bool:
        """Whether all has come."""
        return self._task.done()

    async def stop(self) -> None:
        """End it, however far it is."""
        await stop(self._task)


def columns_of(block: bytes, count: int, codec: str = "") -> list[pa.StringArray]:
    """Return the rows of a block as columns. Bytes that are no UTF-8, which only a database without an encoding sends, are `UNREADABLE` value by value.

    `codec` is what the block is written in, where that is not UTF-8; a byte for which that has no character spoils its own value.
    """
    if codec:
        text = block.decode(codec, _NO_CHARACTER)
        columns = _read(text.encode(), count, pa.string())
        return [_marked(column) for column in columns] if UNREADABLE in text else columns
    try:
        return _read(block, count, pa.string())
    except pa.ArrowInvalid:
        return [pa.array(map(_decoded, column.to_pylist()), pa.string()) for column in _read(block, count, pa.binary())]


def _read(block: bytes, count: int, type_: pa.DataType) -> list[Any]:
    names = [str(n) for n in range(count)]
    table = csv.read_csv(
        pa.py_buffer(block),
        csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        # what is quoted is a text, an empty one too; what is not is none
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, type_), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _marked(column: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.match_substring(column, UNREADABLE), UNREADABLE, column)


def _unreadable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNREADABLE * (error.end - error.start), error.end


codecs.register_error(_NO_CHARACTER, _unreadable)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return UNREADABLE
