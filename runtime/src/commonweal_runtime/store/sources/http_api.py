"""An HTTP API as one table: the records of its pages, in the order in which they come.

Pages are no snapshot: a record that moves from one page to another while they are read is missed or comes twice, and is right after the next load.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from commonweal_api.data_product import DataProductSpec, FieldType
from commonweal_api.http_source import HttpSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import JsonRefusedError, SourceReadError, TooSoonError
from commonweal_runtime.store.mapping import source_columns
from commonweal_runtime.store.sources.contract import BATCH, BATCH_BYTES, Batch, Credentials, Survey, Wanted, wanted
from commonweal_runtime.store.sources.http_client import Answer, Client, open_client
from commonweal_runtime.store.sources.http_pages import Page, Paging, bare
from commonweal_runtime.store.sources.json_text import ABSENT, at, document, path_of, shown, text_of


@dataclass(slots=True)
class _Known:
    """What this process knows of an API from earlier loads: what its only answer was called, and until when it wants to be left alone."""

    etag: str = ""
    version: str = ""
    until: float = 0.0


_KNOWN: dict[str, _Known] = {}


@asynccontextmanager
async def open_http(spec: DataProductSpec, source: HttpSource, credentials: Credentials | None) -> AsyncIterator[HttpReader]:
    """Open the API for reading; every way it can fail is a SourceReadError."""
    async with open_client(source, credentials) as client:
        yield HttpReader(client, spec, source)


class HttpReader:
    """All pages of an API. What breaks off begins again: a cursor may not last until then, nor the order of records. Of an only answer that is the same, the rest is read."""

    def __init__(self, client: Client, spec: DataProductSpec, source: HttpSource) -> None:
        self._client, self._spec, self._source = client, spec, source
        self._wanted = wanted(spec)
        self._paths = [path_of(w.column) for w in self._wanted]
        self._paging = Paging(source)
        self._first: Page | None = None
        self._mark: str | None = None
        self._version: str | None = None
        self._given = 0
        self._absent, self._pages = set(range(len(self._wanted))), 0
        self._total: int | None = None
        self._known = _KNOWN.setdefault(hashlib.sha256(repr(source.wire()).encode()).hexdigest(), _Known())

    async def inspect(self) -> Survey:
        """Ask for the first page; see `Source.inspect`. Types are those of texts: each value of JSON is judged by itself."""
        types = dict.fromkeys(source_columns(self._spec), FieldType.STRING)
        left = self._known.until - time.monotonic()
        if left > 0:
            detail = f"{self._source.url}: the API has said that it wants to be asked again in {left:.0f} s, and is not asked before."
            raise SourceReadError(Reason.SOURCE_UNREACHABLE, detail)
        answer = await self._asked(self._paging.first(), 1, {"If-None-Match": self._known.etag} if self._known.etag else {})
        if answer.unchanged:
            self._version = self._known.version
            return Survey(types, order=self._version, version=self._version)
        self._first = page = await self._page(answer, 1)
        for want, path in zip(self._wanted, self._paths, strict=True):
            self._plain(want, [at(record, path) for record in page.records])
        total = self._paging.total(page)
        alone = self._alone(page)
        self._mark = self._marked(page)
        self._version = self._told(page, alone=alone)
        # only of an answer that is everything does its name say that everything is as it was
        named = alone and self._source.watermark is None
        self._known.etag, self._known.version = (answer.etag, self._version or "") if named else ("", "")
        return Survey(types, order=self._version, version=self._version, total=len(page.records) if alone else total, exact=alone)

    def _alone(self, page: Page) -> bool:
        return Paging(self._source).after(page) is None

    def _told(self, page: Page, *, alone: bool) -> str | None:
        """Return a name of the content: of the watermark where there is one, else of the only answer; None where pages say nothing of each other."""
        if self._mark is not None:
            return hashlib.sha256(f"watermark {self._mark}".encode()).hexdigest()
        return page.digest.hex() if alone else None

    def _marked(self, page: Page) -> str | None:
        if self._source.watermark is None:
            return None
        found = text_of(at(page.document, path_of(self._source.watermark)))
        if found is None or "\0" in found:
            detail = f"{bare(page.url)}, page {page.number}: watermark «{self._source.watermark}» is no value there; correct it, or leave it out."
            raise SourceReadError(Reason.ANSWER_REFUSED, detail)
        return found

    def _plain(self, want: Wanted, values: Sequence[Any]) -> None:
        """Raise SourceReadError for a column that holds objects or lists throughout the first page."""
        found = [value for value in values if value is not None and value is not ABSENT]
        if not found or not all(isinstance(value, dict | list) for value in found):
            return
        inner = next(
            (f"{want.column if want.column.startswith('/') else '/' + want.column}/{shown(name)}" for v in found for name in v), ""
        )
        example = f", such as {inner}" if isinstance(found[0], dict) and inner else ""
        detail = (
            f"{self._source.url}: the member «{want.column}», which {want.what} names, holds {'objects' if example else 'lists or objects'};"
            f" name a plain value in it by a JSON pointer{example}."
        )
        raise SourceReadError(Reason.COLUMN_TYPE_MISMATCH, detail)

    async def _asked(self, url: str, number: int, conditions: dict[str, str]) -> Answer:
        try:
            return await self._client.get(url, number, conditions)
        except TooSoonError as error:
            self._known.until = time.monotonic() + error.seconds
            raise

    async def _page(self, answer: Answer, number: int) -> Page:
        where = f"{bare(answer.url)}, page {number}"
        try:
            said = await asyncio.to_thread(document, answer.body)
        except JsonRefusedError as error:
            raise SourceReadError(Reason.ANSWER_REFUSED, f"{where}: the answer {error}.") from None
        records = said if self._source.records is None else at(said, path_of(self._source.records))
        if not isinstance(records, list):
            raise SourceReadError(Reason.ANSWER_REFUSED, f"{where}: {self._no_list(said)}.")
        for place, record in enumerate(records, 1):
            if not isinstance(record, dict):
                raise SourceReadError(
                    Reason.ANSWER_REFUSED, f"{where}: record {place} is no object; see whether records points to the right list."
                )
        return Page(number, answer.url, said, records, answer.links, hashlib.sha256(answer.body).digest())

    def _no_list(self, said: Any) -> str:
        names = ", ".join(sorted(map(shown, said))[:10]) if isinstance(said, dict) else ""
        has = f"; the answer has {names}" if names else ""
        if self._source.records is None:
            return f"the answer is no list{has}; name where the list is by records"
        return f"records «{self._source.records}» is no list there{has}; correct it"

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read page after page; see `Source.batches`."""
        page = self._first or await self._page(await self._asked(self._paging.first(), 1, {}), 1)
        if self._first is None and page.digest.hex() != self._version:
            self._known.etag = ""
            raise SourceReadError(Reason.LOAD_FAILED, f"{bare(page.url)}: the answer changed while it was read; it is read again.")
        self._first = None
        done = int(after) if after is not None else 0
        while True:
            self._total, self._pages = self._paging.total(page), page.number
            for columns in self._cut(page.records):
                rest = [column.slice(done) for column in columns]
                done = max(0, done - len(columns[0]))
                position = self._position(len(columns[0]))
                if len(rest[0]):
                    yield Batch(rest, position)
            if self._marked(page) != self._mark:
                detail = f"{bare(page.url)}, page {page.number}: the watermark changed while pages were read; they are read again from the beginning."
                raise SourceReadError(Reason.LOAD_FAILED, detail)
            url, number = self._paging.after(page), page.number + 1
            if url is None:
                return
            del page
            page = await self._page(await self._asked(url, number, {}), number)

    def _position(self, rows: int) -> str | None:
        self._given += rows
        return str(self._given) if self._version is not None and self._mark is None else None

    def _cut(self, records: Sequence[dict[str, Any]]) -> Iterator[list[pa.StringArray]]:
        """Yield the records as columns of at most `BATCH` rows and about `BATCH_BYTES`."""
        rows: list[list[str | None]] = []
        size = 0
        for record in records:
            found = [at(record, path) for path in self._paths]
            self._absent -= {n for n in self._absent if found[n] is not ABSENT}
            rows.append([text_of(value) for value in found])
            size += sum(len(text) for text in rows[-1] if text is not None)
            if len(rows) >= BATCH or size >= BATCH_BYTES:
                yield _columns(rows)
                rows, size = [], 0
        if rows:
            yield _columns(rows)

    async def verify(self) -> None:
        """Raise SourceReadError if no record had a column, or if another number of records came than the API counts; see `Source.verify`."""
        where = f"{self._source.url}, page {self._pages}"
        if self._total is not None and self._total != self._paging.read:
            detail = (
                f"{where}: {self._paging.read} records were read, and the API counts {self._total}; they are read again. If it stays so, have query sort them"
                " by something that stays, or leave paging.total out."
            )
            raise SourceReadError(Reason.LOAD_FAILED, detail)
        if self._paging.read and self._absent:
            want = self._wanted[min(self._absent)]
            detail = f"{self._source.url}: no record has the member «{want.column}», which {want.what} names."
            raise SourceReadError(Reason.COLUMN_MISSING, detail)


def _columns(rows: list[list[str | None]]) -> list[pa.StringArray]:
    return [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
