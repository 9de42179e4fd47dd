"""The cache of children, fed by watches, by lists of one namespace, and by the replies to our own writes.

Metadata only, but for what the operator must read: the stores' plans, which remember what is in force, reports, the progress of workloads, addresses of
services, whether quotas are counted. Secrets are not here: the operator may not list them, and does not want to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from commonweal_kube.informer import Informer, Name, Reader
from commonweal_kube.protocol import METADATA_LIST
from commonweal_operator.desired.manifest import RESOURCES, Child
from commonweal_operator.engine.observed import ObservedChild, covers, observed_child, plan
from commonweal_operator.engine.watched import DOCUMENTS, LIST_WATCHES, OURS, ListWatch, is_watched

LONGEST_PAUSE = 1.0
Place = tuple[str, str, str]  # kind, namespace, name


class ChildCache:
    """The cache and its watches. `changed(kind, namespace, name)` is called for every change that is not an echo of our own write."""

    def __init__(self, api: Reader, changed: Callable[[str, str, str], None], pause: Callable[[float], Any] = asyncio.sleep) -> None:
        self._api, self._changed = api, changed
        self._known: dict[Place, ObservedChild] = {}
        self._gone: dict[Place, int] = {}
        self._places: dict[ListWatch, set[Place]] = {watch: set() for watch in (*LIST_WATCHES, DOCUMENTS)}
        self._looked: set[str] = set()
        self._looking: dict[str, asyncio.Lock] = {}
        self._informers = {
            watch: Informer(api, watch.collection, _WatchedCache(self, watch), pause, LONGEST_PAUSE) for watch in LIST_WATCHES
        }

    def __len__(self) -> int:
        return len(self._known)

    @property
    def watch_restarts(self) -> int:
        """How many watches broke."""
        return sum(informer.restarts for informer in self._informers.values())

    def get(self, kind: str, namespace: str, name: str) -> ObservedChild | None:
        """Return what is known of a child, or None."""
        return self._known.get((kind, namespace, name))

    def observed(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""
        known = self.get(kind, namespace, name)
        return known.observed if known else None

    def is_current(self, child: Child) -> bool:
        """Return whether applying the child would change nothing."""
        known = self.get(child.kind, child.namespace, child.name)
        if known is None or known.deleting or known.hash != child.digest:
            return False
        if not known.verified and known.claims is not None and covers(known.claims, orjson.loads(child.body)):
            known = replace(known, verified=True, claims=None)
            self._known[child.kind, child.namespace, child.name] = known
        return child.shared or known.verified

    def wrote(self, child: Child, meta: Mapping[str, Any]) -> None:
        """Take the reply to our own write: what our apply answered with is as desired, whoever else owns fields in it."""
        place, new = (child.kind, child.namespace, child.name), replace(observed_child({"metadata": meta}), verified=True, claims=None)
        old = self._known.get(place)
        if old is not None and old.version == new.version:
            self._known[place] = replace(old, verified=True, claims=None)  # the apply changed nothing: verified all the same
        elif self._is_newer(place, new):
            observed = old.observed if old and old.uid == new.uid else None
            self._keep(place, replace(new, observed=_written(child) if child.remembered else observed))

    def invalidate(self) -> None:
        """Have what no watch tells of looked at again."""
        self._looked.clear()

    async def look(self, namespace: str) -> None:
        """List what no watch tells of in a namespace, unless that was done since the last `invalidate`."""
        async with self._looking.setdefault(namespace, asyncio.Lock()):
            if namespace in self._looked:
                return
            present, version = set[Name](), 0
            async for page in self._api.pages(RESOURCES[DOCUMENTS.kind].path(namespace), OURS, METADATA_LIST):
                version = int(page["metadata"]["resourceVersion"])
                for item in page["items"]:
                    if not is_watched(DOCUMENTS.kind, item["metadata"]["name"]):
                        present.add((namespace, item["metadata"]["name"]))
                        self.observe(DOCUMENTS, "LISTED", item)
            self._lost(DOCUMENTS, {p for p in self._places[DOCUMENTS] if p[1] == namespace}, present, version)
            self._looked.add(namespace)

    async def synced(self) -> None:
        """Return when every kind has been listed."""
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers.values()))

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watch, informer in self._informers.items():
                group.create_task(informer.run(), name=f"watch-{watch.kind}")

    def observe(self, watch: ListWatch, event: str, obj: Mapping[str, Any]) -> None:
        """Take one watch event; it may come late or twice. What the first list brings is news to nobody."""
        meta = obj["metadata"]
        place = (watch.kind, meta.get("namespace", ""), meta["name"])
        if event == "DELETED":
            self._drop(watch, place, int(meta["resourceVersion"]))
            return
        seen = observed_child(obj, watch.read(obj) if watch.read else None)
        if watch.kind not in RESOURCES:
            seen = replace(seen, claims=None)  # a tenant's own: we apply none, whatever its field manager calls itself
        if self._put(watch, place, seen) and event != "LISTED":
            self._changed(*place)

    def listed(self, watch: ListWatch, present: set[Name], version: int) -> None:
        """Take a whole list: what it lacks was deleted while nobody looked."""
        self._lost(watch, self._places[watch], present, version)
        self._gone = {place: gone for place, gone in self._gone.items() if gone > version or not watch.has(place[0], place[2])}

    def is_synced(self, watch: ListWatch) -> bool:
        """Return whether the watch has been listed once."""
        return self._informers[watch].synced.is_set()

    def _lost(self, watch: ListWatch, places: set[Place], present: set[Name], version: int) -> None:
        for place in places - {(watch.kind, *name) for name in present}:
            known = self._known.get(place)
            if known is not None and known.version <= version:
                self._drop(watch, place, version)

    def _put(self, watch: ListWatch, place: Place, new: ObservedChild) -> bool:
        """Keep the newer version; return whether anything that matters is new."""
        self._places[watch].add(place)
        old = self._known.get(place)
        if old is not None and old.version == new.version and old.observed != new.observed:
            self._known[place] = replace(old, observed=new.observed)  # the echo of our own write knows the status, the reply did not
            return True
        if not self._is_newer(place, new):
            return False
        if old is not None and old.uid == new.uid:
            untouched = old.mark == new.mark
            new = replace(new, verified=old.verified and untouched, claims=old.claims if untouched else None)
        self._keep(place, new)
        return old is None or (old.mark, old.observed, old.uid, old.verified) != (new.mark, new.observed, new.uid, new.verified)

    def _is_newer(self, place: Place, new: ObservedChild) -> bool:
        old = self._known.get(place)
        # Not newer than a remembered deletion: the reply to a write, overtaken by the event that says it was deleted.
        return (old is None or old.version < new.version) and self._gone.get(place, 0) < new.version

    def _keep(self, place: Place, new: ObservedChild) -> None:
        self._known[place] = new
        self._gone.pop(place, None)

    def _drop(self, watch: ListWatch, place: Place, version: int) -> None:
        old = self._known.get(place)
        self._gone[place] = version
        if old is not None and old.version <= version:
            del self._known[place]
            self._places[watch].discard(place)
            self._changed(*place)


class _WatchedCache:
    """One watch's part of the children, as its informer brings it."""

    def __init__(self, children: ChildCache, watch: ListWatch) -> None:
        self._children, self._watch = children, watch

    def put(self, body: Mapping[str, Any], /) -> None:
        self._children.observe(self._watch, "MODIFIED" if self._children.is_synced(self._watch) else "LISTED", body)

    def delete(self, body: Mapping[str, Any], /) -> None:
        self._children.observe(self._watch, "DELETED", body)

    def listed(self, present: set[Name], version: int, /) -> None:
        self._children.listed(self._watch, present, version)


def _written(child: Child) -> Any:
    """Return what will be read of a child whose content is all our own: the next pass must not decide by what was there before."""
    return plan(orjson.loads(child.body))
