"""Lists and watches: one of each kind, read once and followed from there. A version that is too old makes a new list, an error a pause."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from commonweal_kube.client import Api, ApiError, Gone, Unavailable
from commonweal_kube.objects import Change, Objects
from commonweal_local.provider.kinds import Source, key_of

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 20.0


def pause_after(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row: doubled up to 20, spread by `jitter` (0.8 to 1.2)."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10)) * jitter)


class Informer:
    """Keeps `objects` of one kind as the API server has them and calls `changed` with every difference."""

    def __init__(
        self,
        api: Api,
        source: Source,
        objects: Objects,
        changed: Callable[[Change], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api, self._source, self._objects, self._changed, self._pause = api, source, objects, changed, pause
        self.synced = asyncio.Event()
        self.lists = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        failures, version = 0, ""
        while True:
            try:
                version = version or await self._list()
                async for event in self._api.watch(self._source.collection, self._source.selector, version, accept=self._source.accept):
                    version = self._take(event)
                    failures = 0
            except Gone:
                version = ""
                failures += 1
                # The first time at once; again and again only when a server cannot serve what it has just listed.
                if failures > 1:
                    await self._pause(pause_after(failures, random.uniform(0.8, 1.2)))
            except (ApiError, Unavailable) as error:
                failures += 1
                if failures in (1, 10):
                    log.warning("%s: %s", self._source.plural, error)
                await self._pause(pause_after(failures, random.uniform(0.8, 1.2)))

    async def _list(self) -> str:
        """Read the whole collection; what was known, is not in it and is not newer was deleted."""
        present, listed = set(), 0
        async for page in self._api.pages(self._source.collection, self._source.selector, self._source.accept_list):
            listed = int(page["metadata"]["resourceVersion"])
            for item in page["items"]:
                body = item | {"kind": self._source.kind.value}
                present.add(key_of(body))
                self._put(body)
        for record in self._objects:
            if record.key.kind == self._source.kind and record.key not in present and record.version <= listed:
                self._dropped(self._objects.drop(record.key, record.uid, listed))
        self._objects.forget_deletions(listed)
        self.lists += 1
        self.synced.set()
        return str(listed)

    def _take(self, event: Mapping[str, Any]) -> str:
        """Take one event; the version to go on from."""
        meta = event["object"]["metadata"]
        body = event["object"] | {"kind": self._source.kind.value}
        if event["type"] == "DELETED":
            self._dropped(self._objects.drop(key_of(body), meta["uid"], int(meta["resourceVersion"])))
        elif event["type"] != "BOOKMARK":
            self._put(body)
        return str(meta["resourceVersion"])

    def _put(self, body: Mapping[str, Any]) -> None:
        self._dropped(self._objects.put(body))

    def _dropped(self, change: Change | None) -> None:
        if change is not None and (change.old is None or change.new is None or change.old.parsed != change.new.parsed):
            self._changed(change)
