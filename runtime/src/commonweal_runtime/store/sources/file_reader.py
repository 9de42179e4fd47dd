"""What the readers of all kinds of files have in common: a place, a thread of its own, and the files that were there at the beginning."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from commonweal_api.data_files import FileSource
from commonweal_api.data_product import DataProductSpec
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.contract import Batch, Credentials, Survey, wanted
from commonweal_runtime.store.sources.listing import Listed
from commonweal_runtime.store.sources.own_thread import own_thread
from commonweal_runtime.store.sources.places import VOLUME, Bucket, File, Place, mounted, shown
from commonweal_runtime.store.sources.served import served

_Result = TypeVar("_Result")


@asynccontextmanager
async def opened_place(source: FileSource, credentials: Credentials | None) -> AsyncIterator[tuple[Place, Executor]]:
    """Open the place for reading; every way it can fail is a SourceReadError. Reading blocks, so it has a thread of its own."""
    async with own_thread(source.kind) as thread:
        place = await asyncio.get_running_loop().run_in_executor(thread, place_of, source, credentials)
        yield place, thread


def place_of(source: FileSource, credentials: Credentials | None) -> Place:
    """Return the place that a source names. Volumes are read over HTTP from COMMONWEAL_VOLUMES, or as they are mounted here where that is not set."""
    if source.location.startswith(VOLUME):
        base = os.environ.get("COMMONWEAL_VOLUMES", "")
        return served(base, source.location, source.kind) if base else mounted(source.location, source.kind)
    if credentials is None or source.endpoint is None:
        raise SourceReadError(Reason.CREDENTIALS_MISSING, f"spec.source.{source.kind}.credentials names no Secret.")
    return Bucket(source, source.location.partition("://")[2].strip("/"), credentials)


class FileReader(ABC):
    """All files of a location, in the order of their names, as one table."""

    def __init__(self, place: Place, thread: Executor, spec: DataProductSpec, where: str) -> None:
        self._place, self._thread, self._where = place, thread, where
        self._spec, self._columns = spec, [w.column for w in wanted(spec)]
        self._files: list[File] = []

    async def _do(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def inspect(self) -> Survey:
        """Look at every file; see `Source.inspect`."""
        return await self._do(self._inspect)

    async def listed(self) -> list[Listed]:
        """Return the columns of all files; see `Listing.listed`."""
        return await self._do(self._listed)

    async def batches(self, after: str | None) -> AsyncIterator[Batch]:
        """Read file after file; see `Source.batches`."""
        found = self._batches(after)
        while batch := await self._do(next, found, None):
            yield batch

    async def verify(self) -> None:
        """Raise SourceReadError if a file that was looked at is another one now, or gone; see `Source.verify`. What came since is the next load's."""
        now = {f.name: f for f in await self._do(self._place.files)}
        changed = [shown(f.name) for f in self._files if now.get(f.name) != f]
        if changed:
            detail = f"«{self._where}»: {changed[0]} changed while the files were read; they are read again from the beginning."
            raise SourceReadError(Reason.LOAD_FAILED, detail)

    def _unreadable(self, file: File, what: str) -> SourceReadError:
        """Return the error for a file that is not what it should be."""
        return SourceReadError(Reason.FILE_UNREADABLE, f"«{self._where}»: {shown(file.name)} {what}.")

    @abstractmethod
    def _inspect(self) -> Survey:
        """Look at every file."""

    @abstractmethod
    def _listed(self) -> list[Listed]:
        """Return the columns of all files."""

    @abstractmethod
    def _batches(self, after: str | None) -> Iterator[Batch]:
        """Read what comes after a position."""
