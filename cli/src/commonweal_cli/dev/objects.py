"""The objects of a stack in memory, behind the calls that the operator makes of an API server: what it writes is kept, and who watches is told.

Fulfils what `commonweal_kube.client.Api` does for the operator's engine; nothing here knows what the objects mean. Not for several threads.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from commonweal_api.common import API_VERSION
from commonweal_cli.dev.places import Body, Place, applied, merged, parsed, selected
from commonweal_kube.client import FIELD_MANAGER
from commonweal_kube.exceptions import ApiError, ResourceExpiredError
from commonweal_kube.protocol import JSON, METADATA

REMEMBERED = 20_000  # changes that a watch may be behind
Admit = Callable[[Body, Body | None], Body]


class Change(NamedTuple):
    """One change; without `new` the object is gone."""

    version: int
    place: Place
    old: Body | None
    new: Body | None


class Objects:
    """All objects. `admit(new, old)` returns an object as it is kept, or refuses it with an ApiError; `now` gives the time."""

    def __init__(self, admit: Admit, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._admit, self._now = admit, now
        self._kept: dict[Place, Body] = {}
        self._applied: dict[tuple[Place, str], Body] = {}
        self._log: deque[Change] = deque(maxlen=REMEMBERED)
        self._news = asyncio.Event()
        self.version = 0

    # What the operator's engine calls -----------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: bytes | None = None, **_: Any) -> Body:
        """Answer one request; ApiError as an API server would raise it."""
        place, sub, query = parsed(path)
        if method == "GET":
            return deepcopy(self._found(place)) if place.name else next(iter([page async for page in self.pages(path)]))
        if method == "DELETE":
            return self.delete(place)
        given = orjson.loads(body or b"{}")
        if method == "POST":
            return self._create(place, given)
        if query.get("force"):
            return self.apply_as(query["fieldManager"], place, given)
        return self.patch(place, given, sub)

    async def apply(self, path: str, body: bytes) -> Body:
        """Apply server-side as the operator."""
        return {"metadata": self.apply_as(FIELD_MANAGER, parsed(path)[0], orjson.loads(body))["metadata"]}

    async def create(self, path: str, body: bytes) -> Body:
        """Create in a collection; ApiError 409 when there is one of that name."""
        return {"metadata": self._create(parsed(path)[0], orjson.loads(body))["metadata"]}

    async def metadata(self, path: str) -> Body | None:
        """Return an object's metadata, or None."""
        found = self._kept.get(parsed(path)[0])
        return deepcopy(found["metadata"]) if found is not None else None

    async def pages(self, path: str, selector: str = "", accept: str = JSON, size: int = 500) -> AsyncIterator[Body]:  # noqa: ARG002
        """Yield one page with all that is selected."""
        place, _, query = parsed(_with(path, selector))
        matches = selected(query)
        items = [deepcopy(b) for p, b in sorted(self._kept.items()) if place.holds(p) and matches(b)]
        yield {"apiVersion": place.api_version, "metadata": {"resourceVersion": str(self.version)}, "items": items}

    async def watch(self, path: str, selector: str, version: str, *, accept: str = METADATA, seconds: int = 0) -> AsyncIterator[Body]:  # noqa: ARG002
        """Yield each change after a version, for ever."""
        place, _, query = parsed(_with(path, selector))
        matches, seen = selected(query), int(version)
        while True:
            if self._log and self._log[0].version > seen + 1 and len(self._log) == REMEMBERED:
                raise ResourceExpiredError
            news, self_version = self._news, self.version
            for change in [c for c in self._log if c.version > seen and place.holds(c.place)]:
                event = _event(
                    change, had=change.old is not None and matches(change.old), has=change.new is not None and matches(change.new)
                )
                if event is not None:
                    yield event
            seen = self_version
            await news.wait()

    # What the stage calls -----------------------------------------------------------------------------------------

    def get(self, place: Place) -> Body | None:
        """Return an object, not to be changed, or None."""
        return self._kept.get(place)

    def of(self, api_version: str, plural: str, namespace: str = "") -> list[Body]:
        """Return the objects of a collection, not to be changed."""
        collection = Place(api_version, plural, namespace, "")
        return [body for place, body in sorted(self._kept.items()) if collection.holds(place)]

    def dump(self) -> list[Any]:
        """Return all that another run needs to go on from here, as JSON can hold it."""
        return [
            [[*place] for place in self._kept],
            list(self._kept.values()),
            [[*place, manager, body] for (place, manager), body in self._applied.items()],
        ]

    def load(self, dumped: list[Any]) -> None:
        """Begin with what another run has dumped. How far things had come is forgotten, for nothing runs yet; what was published stays published."""
        places, bodies, applied_ = dumped
        for place, body in zip(places, bodies, strict=True):
            status = body.get("status")
            kept = (
                {**body, "status": {k: v for k, v in status.items() if k == "keys"}}
                if status and body["apiVersion"] == API_VERSION
                else _unstarted(body)
            )
            self._tell(Place(*place), None, kept)
        self._applied = {(Place(*place), manager): body for *place, manager, body in applied_}

    async def changed(self, since: int) -> int:
        """Return the version once it is another than `since`."""
        while self.version == since:
            await self._news.wait()
        return self.version

    def apply_as(self, manager: str, place: Place, given: Body) -> Body:
        """Apply as one field manager: what it applied before and no longer names goes, what others wrote stays."""
        live = self._kept.get(place)
        _same(place, live, given["metadata"])
        wanted = _without(given, "uid", "resourceVersion")
        new = applied(self._applied.get((place, manager), {}), wanted, live or {})
        result = self._keep(place, new)
        self._applied[place, manager] = wanted
        return result

    def applied_by(self, manager: str) -> dict[Place, Body]:
        """Return what a field manager last applied, by place, as it wrote it."""
        return {place: body for (place, writer), body in self._applied.items() if writer == manager}

    def set_status(self, place: Place, status: Mapping[str, Any]) -> None:
        """Write the status of an object that is there."""
        live = self._kept.get(place)
        if live is not None:
            self._keep(place, {**live, "status": dict(status)})

    def delete(self, place: Place) -> Body:
        """Delete an object, or begin to where a finalizer holds it; what it owns goes with it."""
        live = self._found(place)
        if live["metadata"].get("finalizers"):
            ended = live["metadata"].get("deletionTimestamp") or _time(self._now())
            return self._keep(place, {**live, "metadata": {**live["metadata"], "deletionTimestamp": ended}})
        return self._remove(place, live)

    # ----------------------------------------------------------------------------------------------------------------

    def _found(self, place: Place) -> Body:
        found = self._kept.get(place)
        if found is None:
            text = f'{place.plural} "{place.name}" not found'
            raise ApiError(404, {"reason": "NotFound", "message": text})
        return found

    def _create(self, place: Place, given: Body) -> Body:
        place = place._replace(name=given["metadata"]["name"])
        if place in self._kept:
            raise ApiError(409, {"reason": "AlreadyExists", "message": f'{place.plural} "{place.name}" already exists'})
        return self._keep(place, given)

    def patch(self, place: Place, given: Body, sub: str = "") -> Body:
        """Merge a patch into an object, or into its status."""
        live = self._found(place)
        _same(place, live, given.get("metadata") or {})
        if sub == "status":
            return self._keep(place, {**live, "status": merged(live.get("status"), given["status"])})
        return self._keep(place, merged(live, _without(given, "uid", "resourceVersion")))

    def _keep(self, place: Place, new: Body) -> Body:
        old = self._kept.get(place)
        new = _settled(place, self._admit(new, old), old, self._now())
        if old is not None and _same_content(old, new):
            return deepcopy(old)
        if old is not None and old["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            return self._remove(place, new)
        self._tell(place, old, new)
        return deepcopy(new)

    def _remove(self, place: Place, last: Body) -> Body:
        gone = deepcopy(last)
        self._tell(place, last, None)
        uid = last["metadata"]["uid"]
        owned = [p for p, b in self._kept.items() if any(o["uid"] == uid for o in b["metadata"].get("ownerReferences") or ())]
        for other in owned:
            if other in self._kept:
                self.delete(other)
        return gone

    def _tell(self, place: Place, old: Body | None, new: Body | None) -> None:
        self.version += 1
        if new is None:
            self._kept.pop(place)
            old = deepcopy(old)
            for key in [key for key in self._applied if key[0] == place]:
                del self._applied[key]
        else:
            self._kept[place] = new
        (new or old or {})["metadata"]["resourceVersion"] = str(self.version)
        self._log.append(Change(self.version, place, old, new))
        self._news.set()
        self._news = asyncio.Event()


def _settled(place: Place, new: Body, old: Body | None, now: datetime) -> Body:
    """Return the object as it is kept: what the server itself writes into it is right."""
    new = deepcopy(new)
    meta, had = new["metadata"], old["metadata"] if old is not None else {}
    meta["uid"] = had.get("uid") or str(uuid4())
    meta["creationTimestamp"] = had.get("creationTimestamp") or _time(now)
    if place.namespace:
        meta["namespace"] = place.namespace
    given = new.pop("stringData", None) or {}
    if given:
        new["data"] = {**(new.get("data") or {}), **{key: b64encode(str(value).encode()).decode() for key, value in given.items()}}
    kept = had.get("generation", 0)
    meta["generation"] = kept if old is not None and _content(old) == _content(new) else kept + 1
    return new


def _unstarted(body: Body) -> Body:
    return {key: value for key, value in body.items() if key != "status"}


def _content(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def _same_content(old: Body, new: Body) -> bool:
    return _without(old, "resourceVersion") == _without(new, "resourceVersion")


def _same(place: Place, live: Body | None, expected: Mapping[str, Any]) -> None:
    """Refuse a write onto another object or another version than its writer has seen."""
    had = live["metadata"] if live is not None else {}
    if any(key in expected and expected[key] != had.get(key) for key in ("uid", "resourceVersion")):
        text = f'Operation cannot be fulfilled on {place.plural} "{place.name}": the object has been modified'
        raise ApiError(409, {"reason": "Conflict", "message": text})


def _without(body: Body, *keys: str) -> Body:
    return {**body, "metadata": {key: value for key, value in (body.get("metadata") or {}).items() if key not in keys}}


def _event(change: Change, *, had: bool, has: bool) -> Body | None:
    if not had and not has:
        return None
    kind = "DELETED" if not has else ("MODIFIED" if had else "ADDED")
    return {"type": kind, "object": deepcopy(change.new if has else {**(change.old or {}), "metadata": _last(change)})}


def _last(change: Change) -> Body:
    return {**(change.old or {})["metadata"], "resourceVersion": str(change.version)}


def _with(path: str, selector: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}labelSelector={selector}" if selector else path


def _time(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
