"""Bringing children to what is desired: server-side apply, skipped when it would change nothing, never onto what is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_operator.desired.manifest import MANAGED_BY, MANAGED_LABEL, Child, Stage
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.metrics import Counters
from commonweal_operator.engine.watched import is_watched


class Writer(Protocol):
    """What applying needs of the client."""

    async def apply(self, path: str, body: bytes) -> dict[str, Any]: ...
    async def create(self, path: str, body: bytes) -> dict[str, Any]: ...
    async def metadata(self, path: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a child could not be brought about. `final` problems are not tried again until something changes."""

    kind: str
    name: str
    reason: str  # NameConflict | Terminating | Refused
    message: str


@dataclass(slots=True)
class Applied:
    """What one pass over the children came to. `failure` is the first error that asking again may cure; `written` counts the children applied."""

    problems: list[Problem] = field(default_factory=list)
    failure: Exception | None = None
    written: int = 0


class Applier:
    """Applies children stage by stage; inside a stage all at once. One child that fails does not keep the others back, but for the namespaces and the right to them."""

    def __init__(self, children: ChildCache, counters: Counters) -> None:
        self._children, self._counters = children, counters

    async def stage(self, api: Writer, owner: str, children: Iterable[Child], result: Applied) -> None:
        """Apply the children of one stage that are not current, adding to `result`; `owner` is the uid that ours must carry."""
        wanted = list(children)
        try:
            for namespace in {c.namespace for c in wanted if not is_watched(c.kind, c.name)}:
                await self._children.look(namespace)
        except (ApiError, ApiServerUnavailableError) as error:
            result.failure = result.failure or error
            return
        stale = [child for child in wanted if not self._children.is_current(child)]
        self._counters.skips += len(wanted) - len(stale)
        await self._each(self._one, api, owner, stale, result)

    async def all(self, api: Writer, owner: str, children: Sequence[Child]) -> Applied:
        """Apply every stage in order; a namespace that is not ours, or not there, ends it, and so does a right to write there that is missing or too new to be known.

        Missing namespaces come first of all, and by POST: the right to apply one is given in it.
        """
        result = Applied()
        missing = [c for c in children if c.kind == "Namespace" and not self._children.is_current(c)]
        await self._each(self._make, api, owner, missing, result)
        for stage in Stage:
            if stage <= Stage.CLOSING and (result.problems or result.failure):
                break
            before = result.written
            await self.stage(api, owner, (c for c in children if c.stage is stage), result)
            if stage is Stage.GRANT:
                granted = result.written > before
            if stage is Stage.CLOSING and granted and _forbidden(result.failure):
                break
        return result

    async def _each(self, how: How, api: Writer, owner: str, children: Sequence[Child], result: Applied) -> None:
        outcomes = await asyncio.gather(*(how(api, owner, child) for child in children), return_exceptions=True)
        for child, outcome in zip(children, outcomes, strict=True):
            if isinstance(outcome, Problem):
                result.problems.append(outcome)
            elif isinstance(outcome, ApiError) and (outcome.terminating or outcome.status in (400, 404, 413, 422)):
                result.problems.append(_refused(child, outcome))
                result.failure = result.failure or (None if outcome.terminating else outcome)
            elif isinstance(outcome, Exception):
                result.failure = result.failure or outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                result.written += outcome

    async def _make(self, api: Writer, owner: str, child: Child) -> bool | Problem:
        found = await self._found(api, owner, child)
        if found:
            return found if isinstance(found, Problem) else False
        reply = await api.create(child.collection, child.body)
        self._counters.applies += 1
        self._children.wrote(child, reply["metadata"])
        return True

    async def _one(self, api: Writer, owner: str, child: Child) -> bool | Problem:
        found = await self._found(api, owner, child)
        if isinstance(found, Problem):
            return found
        had = self._children.get(child.kind, child.namespace, child.name)
        reply = await api.apply(child.path, _with_uid(child.body, found) if found else child.body)
        self._counters.applies += 1
        if had is not None and int(reply["metadata"]["resourceVersion"]) == had.version:
            self._counters.unchanged_applies += 1
        self._children.wrote(child, reply["metadata"])
        return True

    async def _found(self, api: Writer, owner: str, child: Child) -> str | Problem:
        """Return the uid of what is there, empty when nothing is; or the problem that it is not ours, or is going away."""
        had = self._children.get(child.kind, child.namespace, child.name)
        if had is None or not is_watched(child.kind, child.name):
            # Not known, or not of this moment: it may be missing, or somebody else's. Ours are recognised by label and owner, and only then taken over.
            meta = await api.metadata(child.path)
            if meta is None:
                return ""
            uid, ours, terminating = str(meta["uid"]), is_ours(meta, owner), "deletionTimestamp" in meta
            if not ours and not is_watched(child.kind, child.name) and is_marked(meta):
                raise ApiError(409, {"message": f"{child.kind} {child.name} is of an object that was deleted, and goes with it"})
        else:
            uid, ours, terminating = had.uid, had.owner == owner or had.deleting, had.deleting
        if not ours:
            return Problem(child.kind, child.name, "NameConflict", _conflict(child))
        return Problem(child.kind, child.name, "Terminating", f"{child.kind} {child.name} is being deleted.") if terminating else uid


How = Callable[[Writer, str, Child], Awaitable[bool | Problem]]


def _forbidden(failure: Exception | None) -> bool:
    return isinstance(failure, ApiError) and failure.status == 403


def is_marked(meta: Mapping[str, Any]) -> bool:
    """Return whether an object carries our label."""
    return (meta.get("labels") or {}).get(MANAGED_LABEL) == MANAGED_BY


def is_ours(meta: Mapping[str, Any], owner: str) -> bool:
    """Return whether an object carries our label and the department's uid as its controller."""
    return is_marked(meta) and any(o.get("controller") and o.get("uid") == owner for o in meta.get("ownerReferences") or ())


def _with_uid(body: bytes, uid: str) -> bytes:
    # A precondition: if the object was deleted and made again by somebody else meanwhile, the server answers 409.
    content = orjson.loads(body)
    content["metadata"]["uid"] = uid
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _conflict(child: Child) -> str:
    return (
        f"{child.kind} {child.name} exists and does not belong to this department; it is left alone. Rename or delete it "
        f"(kubectl delete {child.kind.lower()} {child.name}{' -n ' + child.namespace if child.namespace else ''}), and it is made again."
    )


def _refused(child: Child, error: ApiError) -> Problem:
    reason = "Terminating" if error.terminating else "Refused"
    return Problem(child.kind, child.name, reason, f"{child.kind} {child.name}: the API server answers: {error.message[:500]}")
