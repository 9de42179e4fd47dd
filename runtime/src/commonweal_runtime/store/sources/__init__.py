"""Where products come from. Each kind of source keeps one contract (`contract.Source`), and every way it fails is a registered reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from commonweal_api.data_product import DataProductSpec, MysqlSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import Batch, Credentials, Source, Survey, wanted
from commonweal_runtime.store.sources.postgres import open_postgres

__all__ = ["Batch", "Credentials", "Source", "Survey", "open_source", "secret_of", "wanted"]


def secret_of(spec: DataProductSpec) -> str | None:
    """Return the name of the Secret with the source's login; None where it has none."""
    source = spec.source.chosen
    return source.credentials.name if source is not None and source.credentials is not None else None


@asynccontextmanager
async def open_source(spec: DataProductSpec, credentials: Credentials | None) -> AsyncIterator[Source]:
    """Open the source of a product for reading; every way it can fail is a SourceReadError."""
    async with _opened(spec, credentials) as source:
        yield source


def _opened(spec: DataProductSpec, credentials: Credentials | None) -> AbstractAsyncContextManager[Source]:
    """Return the source, closed. Readers are imported here, because only the store's image has the libraries of all of them."""
    source = spec.source
    if source.http is None and credentials is not None:
        credentials.paired(secret_of(spec) or "")
    try:
        if source.files is not None or source.http is not None:
            return _perhaps_without_login(spec, credentials)
        if credentials is None:
            raise SourceReadError(Reason.CREDENTIALS_MISSING, "spec.source names no Secret.")
        if source.mysql is not None:
            return _mysql(spec, source.mysql, credentials)
        if source.postgres is not None:
            return open_postgres(spec, source.postgres, credentials)
    except ModuleNotFoundError as error:
        raise SourceReadError(Reason.SOURCE_UNSUPPORTED, f"This image lacks the Python package {error.name}.") from None
    raise _unknown()


def _mysql(spec: DataProductSpec, source: MysqlSource, credentials: Credentials) -> AbstractAsyncContextManager[Source]:
    from commonweal_runtime.store.sources.mysql import open_mysql  # noqa: PLC0415

    return open_mysql(spec, source, credentials)


def _perhaps_without_login(spec: DataProductSpec, credentials: Credentials | None) -> AbstractAsyncContextManager[Source]:
    """Return a source of a kind that may have no login."""
    source = spec.source
    if source.parquet is not None:
        from commonweal_runtime.store.sources.parquet import open_parquet  # noqa: PLC0415

        return open_parquet(spec, source.parquet, credentials)
    if source.csv is not None:
        from commonweal_runtime.store.sources.csv_files import open_csv  # noqa: PLC0415

        return open_csv(spec, source.csv, credentials)
    if source.excel is not None:
        from commonweal_runtime.store.sources.excel_files import open_excel  # noqa: PLC0415

        return open_excel(spec, source.excel, credentials)
    if source.http is not None:
        from commonweal_runtime.store.sources.http_api import open_http  # noqa: PLC0415

        return open_http(spec, source.http, credentials)
    raise _unknown()


def _unknown() -> SourceReadError:
    return SourceReadError(Reason.SOURCE_UNSUPPORTED, "spec.source names a kind that this release does not know.")
