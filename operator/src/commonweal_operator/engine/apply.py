"""Bringing children to what is desired: server-side apply, skipped when it would change nothing, never onto what is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from commonweal_kube.exceptions import ApiError
from commonweal_operator.desired.manifest import MANAGED_BY, MANAGED_LABEL, Child, Stage
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.metrics import Counters


class Writer(Protocol):
    """What applying needs of the client."""

    async def apply(self, path: str, body: bytes) -> dict[str, Any]: ...
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
    """Applies children stage by stage; inside a stage all at once. One child that fails does not keep the others back, but for the namespace."""

    def __init__(self, children: ChildCache, counters: Counters) -> None:
        self._children, self._counters = children, counters

    async def stage(self, api: Writer, owner: str, children: Iterable[Child], result: Applied) -> None:
        """Apply the children of one stage that are not current, adding to `result`; `owner` is the uid that ours must carry."""
        wanted = list(children)
        stale = [child for child in wanted if not self._children.is_current(child)]
        self._counters.skips += len(wanted) - len(stale)
        outcomes = await asyncio.gather(*(self._one(api, owner, child) for child in stale), return_exceptions=True)
        for child, outcome in zip(stale, outcomes, strict=True):
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
                result.written += 1

    async def all(self, api: Writer, owner: str, children: Sequence[Child]) -> Applied:
        """Apply every stage in order; a namespace that is not ours, or not there, ends it."""
        result = Applied()
        for stage in Stage:
            await self.stage(api, owner, (c for c in children if c.stage is stage), result)
            if stage is Stage.NAMESPACE and (result.problems or result.failure):
                break
        return result

    async def _one(self, api: Writer, owner: str, child: Child) -> Problem | None:
        had = self._children.get(child.kind, child.namespace, child.name)
        if had is None:
            # Not in the cache: it may be missing, or somebody else's. Ours are recognised by label and owner, and only then taken over.
            meta = await api.metadata(child.path)
            if meta is not None and not is_ours(meta, owner):
                return Problem(child.kind, child.name, "NameConflict", _conflict(child))
            uid = str(meta["uid"]) if meta is not None else ""
            terminating = meta is not None and "deletionTimestamp" in meta
        else:
            if had.owner != owner and not had.deleting:
                return Problem(child.kind, child.name, "NameConflict", _conflict(child))
            uid, terminating = had.uid, had.deleting
        if terminating:
            return Problem(child.kind, child.name, "Terminating", f"{child.kind} {child.name} is being deleted.")
        reply = await api.apply(child.path, _with_uid(child.body, uid) if uid else child.body)
        self._counters.applies += 1
        if had is not None and int(reply["metadata"]["resourceVersion"]) == had.version:
            self._counters.unchanged_applies += 1
        self._children.wrote(child, reply["metadata"])
        return None


def is_ours(meta: Mapping[str, Any], owner: str) -> bool:
    """Return whether an object carries our label and the department's uid as its controller."""
    labels, owners = meta.get("labels") or {}, meta.get("ownerReferences") or ()
    return labels.get(MANAGED_LABEL) == MANAGED_BY and any(o.get("controller") and o.get("uid") == owner for o in owners)


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
