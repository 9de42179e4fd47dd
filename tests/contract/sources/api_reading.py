"""What tests of an HTTP API as a source share: a server, a product over it, and what a load would read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials, Survey, http_api
from support.certificates import SITE
from support.json_api import Api, Handler, serving

FIELDS = [{"name": "name", "column": "name", "type": "String"}]
LOGIN = {"auth": {"by": "Bearer"}, "credentials": {"name": "api-login"}}


@dataclass
class Read:
    """What came of a load: rows as texts, or the error; how often the API was asked, and how long the store waited between."""

    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    error: SourceReadError | None = None
    survey: Survey | None = None
    api: Api = field(default_factory=Api)
    waits: list[float] = field(default_factory=list)
    positions: list[str | None] = field(default_factory=list)

    @property
    def told(self) -> str:
        """Reason and detail of the error; the port, which is another one each time, as PORT."""
        assert self.error is not None, self.rows
        return f"{self.error.reason}: {self.error.detail}".replace(str(self.api.port), "PORT")


def product(url: str, source: dict[str, Any], fields: list[dict[str, Any]] | None = None, **subject: str) -> DataProductSpec:
    body = {"title": "People", "version": "1.0.0", "class": "Person", "subject": {"column": "id", **subject}, "fields": fields or FIELDS}
    return DataProductSpec.model_validate({**body, "source": {"http": {"url": url, **source}}})


async def load(read: Read, spec: DataProductSpec, credentials: Credentials | None, after: str | None) -> None:
    """Read as a load does, into `read`. Where it would wait, it notes for how long."""

    async def noted(seconds: float) -> None:
        read.waits.append(seconds)

    assert spec.source.http is not None
    try:
        async with http_api.open_client(spec.source.http, credentials, noted) as client:
            reader = http_api.HttpReader(client, spec, spec.source.http)
            read.survey = await reader.inspect()
            async for batch in reader.batches(after):
                read.positions.append(batch.position)
                read.rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            await reader.verify()
    except SourceReadError as error:
        read.error = error


def reads(
    handler: Handler,
    context: ssl.SSLContext,
    source: dict[str, Any] | Callable[[int], dict[str, Any]] | None = None,
    fields: list[dict[str, Any]] | None = None,
    credentials: Credentials | None = None,
    *,
    times: int = 1,
    host: str = "localhost",
    after: str | None = None,
    **subject: str,
) -> list[Read]:
    """Load from an API so many times; return what came of each. `source` may be made of the server's port."""

    async def go() -> list[Read]:
        async with serving(handler, context) as api:
            found = []
            for _ in range(times):
                found.append(Read(api=api))
                trusting = credentials or Credentials("", "", SITE.certificate)
                declared = source(api.port) if callable(source) else source or {}
                await load(found[-1], product(api.url.replace("localhost", host), declared, fields, **subject), trusting, after)
            return found

    http_api._KNOWN.clear()
    return asyncio.run(go())
