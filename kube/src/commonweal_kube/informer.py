"""Lists and watches: a collection is read once and followed from there. A version that is too old makes a new list, an error a pause."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from commonweal_kube.client import WATCH_SECONDS
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError, ResourceExpiredError
from commonweal_kube.protocol import JSON, METADATA, METADATA_LIST

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 20.0
SAID_AFTER = (1, 10)  # failures in a row: a log that says each is no longer read
Name = tuple[str, str]  # namespace, name


class Reader(Protocol):
    """What an informer needs of the client."""

    def pages(self, path: str, selector: str = "", accept: str = JSON, size: int = 500) -> AsyncIterator[dict[str, Any]]: ...
    def watch(
        self, path: str, selector: str, version: str, *, accept: str = METADATA, seconds: int = WATCH_SECONDS
    ) -> AsyncIterator[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Collection:
    """What is listed and watched: the path over all namespaces, an escaped label selector, and whether metadata is enough."""

    name: str
    path: str
    selector: str = ""
    metadata_only: bool = False


class Cache(Protocol):
    """What keeps the objects of one collection."""

    def put(self, body: Mapping[str, Any], /) -> None:
        """Take a version, listed or watched; it may come late or twice."""

    def delete(self, body: Mapping[str, Any], /) -> None:
        """Take the last version of an object that was deleted."""

    def listed(self, present: set[Name], version: int, /) -> None:
        """A whole list has been put: what it lacks, and is not newer than it, was deleted while nobody looked."""


class Informer:
    """Keeps a cache as the API server has the collection. `synced` is set once it has been listed; `restarts` counts watches that broke."""

    def __init__(
        self,
        api: Reader,
        collection: Collection,
        cache: Cache,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._api, self._collection, self._cache, self._pause, self._longest = api, collection, cache, pause, longest_pause
        self.synced = asyncio.Event()
        self.restarts = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        at, failures, version = self._collection, 0, ""
        accept = METADATA if at.metadata_only else JSON
        while True:
            try:
                version = version or await self._list()
                async for event in self._api.watch(at.path, at.selector, version, accept=accept):
                    version, failures = self._take(event), 0
                failures = 0
            except ResourceExpiredError:
                version, failures = "", failures + 1
                self.restarts += 1
                # The first time at once; again and again only when a server cannot serve what it has just listed.
                if failures > 1:
                    await self._wait(failures)
            except (ApiError, ApiServerUnavailableError) as error:
                failures += 1
                self.restarts += 1
                if failures in SAID_AFTER:
                    log.warning("watch of %s broke, failure %d in a row: %s", at.name, failures, error)
                await self._wait(failures)

    async def _list(self) -> str:
        at, present, version = self._collection, set[Name](), 0
        async for page in self._api.pages(at.path, at.selector, METADATA_LIST if at.metadata_only else JSON):
            version = int(page["metadata"]["resourceVersion"])
            for body in page["items"]:
                present.add((body["metadata"].get("namespace", ""), body["metadata"]["name"]))
                self._cache.put(body)
        self._cache.listed(present, version)
        self.synced.set()
        return str(version)

    def _take(self, event: Mapping[str, Any]) -> str:
        """Take one event; the version to go on from."""
        if event["type"] == "DELETED":
            self._cache.delete(event["object"])
        elif event["type"] != "BOOKMARK":
            self._cache.put(event["object"])
        return str(event["object"]["metadata"]["resourceVersion"])

    async def _wait(self, failures: int) -> None:
        await self._pause(pause_after(failures, random.uniform(0.8, 1.2), self._longest))  # noqa: S311 - only to spread requests


def pause_after(failures: int, jitter: float, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after so many failures in a row: doubled up to the longest, spread by `jitter` (0.8 to 1.2)."""
    return float(min(longest, FIRST_PAUSE * 2.0 ** min(failures - 1, 10)) * jitter)
