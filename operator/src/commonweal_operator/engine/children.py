"""The cache of children, fed by watches and by the replies to our own writes.

Metadata only, but for what the operator must read: the stores' plans, which remember what is in force, reports, the progress of workloads, addresses of
services, whether quotas are counted. Secrets are not here: the operator may not list them across namespaces, and does not want to.

One kind is watched that we do not make: volume claims that their owners have opened to their store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from commonweal_api.plan import STORE_PLAN
from commonweal_kube.client import JSON, METADATA, METADATA_LIST, WATCH_SECONDS, ApiError, Gone, Unavailable
from commonweal_operator.desired.manifest import (
    DEPARTMENT_LABEL,
    MANAGED_BY,
    MANAGED_LABEL,
    REPORT_LABEL,
    RESOURCES,
    SOURCE_LABEL,
    VOLUME_CLAIMS,
    Child,
)
from commonweal_operator.engine.seen import Seen, address, counted, covers, plan, report, seen, there, workload

log = logging.getLogger(__name__)

# Label selectors, escaped for a URL. What the platform layer makes carries the first label too, but belongs to no department.
OURS = quote(f"{MANAGED_LABEL}={MANAGED_BY},{DEPARTMENT_LABEL}")
REPORTS = f"{OURS},{quote(REPORT_LABEL)}"
# By name, not by a label of its own: a child that came under another selector would look deleted to the old one.
PLANS = f"{OURS}&fieldSelector={quote(f'metadata.name={STORE_PLAN}')}"
OTHERS = f"{OURS},{quote(f'!{REPORT_LABEL}')}&fieldSelector={quote(f'metadata.name!={STORE_PLAN}')}"
SOURCES = quote(f"{SOURCE_LABEL}=true")
WATCHED = {**RESOURCES, "PersistentVolumeClaim": VOLUME_CLAIMS}
PAUSE_SECONDS = 1.0
Place = tuple[str, str, str]  # kind, namespace, name


class Reader(Protocol):
    """What the cache needs of the client."""

    def pages(self, path: str, selector: str = "", accept: str = JSON, size: int = 500) -> Any: ...
    def watch(self, path: str, selector: str, version: str, *, accept: str = METADATA, seconds: int = WATCH_SECONDS) -> Any: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """One list and watch. Without `read` only metadata is asked for."""

    kind: str
    selector: str = OURS
    read: Callable[[Mapping[str, Any]], Any] | None = None


FEEDS = (
    *(Feed(kind) for kind in ("Namespace", "LimitRange", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy")),
    Feed("ConfigMap", OTHERS),
    Feed("ConfigMap", PLANS, plan),
    Feed("ConfigMap", REPORTS, report),
    Feed("Deployment", read=workload),
    Feed("StatefulSet", read=workload),
    Feed("Service", read=address),
    Feed("ResourceQuota", read=counted),
    Feed("PersistentVolumeClaim", SOURCES, there),
)


class Children:
    """The cache and its watches. `changed(kind, namespace, name)` is called for every change that is not an echo of our own write."""

    def __init__(self, api: Reader, changed: Callable[[str, str, str], None], pause: Callable[[float], Any] = asyncio.sleep) -> None:
        self._api, self._changed, self._pause = api, changed, pause
        self._known: dict[Place, Seen] = {}
        self._gone: dict[Place, int] = {}
        self._places: dict[Feed, set[Place]] = {feed: set() for feed in FEEDS}
        self._synced = {feed: asyncio.Event() for feed in FEEDS}
        self.watch_restarts = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, kind: str, namespace: str, name: str) -> Seen | None:
        """Return what is known of a child, or None."""
        return self._known.get((kind, namespace, name))

    def facts(self, kind: str, namespace: str, name: str) -> Any:
        """Return what was read of a child's status or data, or None."""
        known = self.get(kind, namespace, name)
        return known.facts if known else None

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
        place, new = (child.kind, child.namespace, child.name), replace(seen({"metadata": meta}), verified=True, claims=None)
        old = self._known.get(place)
        if old is not None and old.version == new.version:
            self._known[place] = replace(old, verified=True, claims=None)  # the apply changed nothing: verified all the same
        elif self._is_newer(place, new):
            facts = old.facts if old and old.uid == new.uid else None
            self._keep(place, replace(new, facts=_written(child) if child.remembered else facts))

    async def synced(self) -> None:
        """Return when every kind has been listed."""
        await asyncio.gather(*(event.wait() for event in self._synced.values()))

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for feed in FEEDS:
                group.create_task(self._follow(feed), name=f"watch-{feed.kind}")

    def observe(self, feed: Feed, event: str, obj: Mapping[str, Any]) -> None:
        """Take one watch event; it may come late or twice."""
        meta = obj["metadata"]
        place = (feed.kind, meta.get("namespace", ""), meta["name"])
        if event == "DELETED":
            self._drop(feed, place, int(meta["resourceVersion"]))
        elif self._put(feed, place, seen(obj, feed.read(obj) if feed.read else None)):
            self._changed(*place)

    def _put(self, feed: Feed, place: Place, new: Seen) -> bool:
        """Keep the newer version; return whether anything that matters is new."""
        self._places[feed].add(place)
        old = self._known.get(place)
        if old is not None and old.version == new.version and old.facts != new.facts:
            self._known[place] = replace(old, facts=new.facts)  # the echo of our own write knows the status, the reply did not
            return True
        if not self._is_newer(place, new):
            return False
        if old is not None and old.uid == new.uid:
            untouched = old.mark == new.mark
            new = replace(new, verified=old.verified and untouched, claims=old.claims if untouched else None)
        self._keep(place, new)
        return old is None or (old.mark, old.facts, old.uid, old.verified) != (new.mark, new.facts, new.uid, new.verified)

    def _is_newer(self, place: Place, new: Seen) -> bool:
        old = self._known.get(place)
        # Not newer than a remembered deletion: the reply to a write, overtaken by the event that says it was deleted.
        return (old is None or old.version < new.version) and self._gone.get(place, 0) < new.version

    def _keep(self, place: Place, new: Seen) -> None:
        self._known[place] = new
        self._gone.pop(place, None)

    def _drop(self, feed: Feed, place: Place, version: int) -> None:
        old = self._known.get(place)
        self._gone[place] = version
        if old is not None and old.version <= version:
            del self._known[place]
            self._places[feed].discard(place)
            self._changed(*place)

    async def _follow(self, feed: Feed) -> None:
        version, path = "", WATCHED[feed.kind].path("")
        while True:
            try:
                version = version or await self._relist(feed)
                async for event in self._api.watch(path, feed.selector, version, accept=JSON if feed.read else METADATA):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self.observe(feed, event["type"], event["object"])
            except Gone:
                version = ""
                self.watch_restarts += 1
            except (ApiError, Unavailable) as error:
                log.warning("watch of %s broke, again in %.0f s: %s", feed.kind, PAUSE_SECONDS, error)
                self.watch_restarts += 1
                await self._pause(PAUSE_SECONDS)

    async def _relist(self, feed: Feed) -> str:
        """Take a whole list; what it lacks was deleted while nobody looked."""
        first, present, listed = not self._synced[feed].is_set(), set(), 0
        async for page in self._api.pages(WATCHED[feed.kind].path(""), feed.selector, JSON if feed.read else METADATA_LIST):
            listed = int(page["metadata"]["resourceVersion"])
            for obj in page["items"]:
                place = (feed.kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
                present.add(place)
                if self._put(feed, place, seen(obj, feed.read(obj) if feed.read else None)) and not first:
                    self._changed(*place)
        for place in self._places[feed] - present:
            known = self._known.get(place)
            if known is not None and known.version <= listed:
                self._drop(feed, place, listed)
        self._gone = {place: version for place, version in self._gone.items() if version > listed or place[0] != feed.kind}
        self._synced[feed].set()
        return str(listed)


def _written(child: Child) -> Any:
    """Return what will be read of a child whose content is all our own: the next pass must not decide by what was there before."""
    return plan(orjson.loads(child.body))
