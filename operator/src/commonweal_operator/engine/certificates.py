"""Certificates as they shall be: looked at, and written only where they are not. They are not watched, for the operator lists no Secrets across namespaces."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import orjson

from commonweal_api.certificates import SITE_AUTHORITY, Authority
from commonweal_api.common import AUTHORITY_KEY
from commonweal_kube.exceptions import ApiError
from commonweal_operator.desired.certificates import NOT_AFTER, VALID_FOR, Wanted, certificate, path_of
from commonweal_operator.desired.manifest import Child
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem, is_marked, is_ours
from commonweal_operator.engine.master import authority_key


class Caller(Protocol):
    """What this needs of the client."""

    async def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]: ...
    async def apply(self, path: str, body: bytes) -> dict[str, Any]: ...


class Certificates:
    """Knows which certificates are as they shall be."""

    def __init__(self, platform: PlatformConfig) -> None:
        self._platform = platform
        self._authority: Authority | None = None
        self._current: dict[tuple[str, str], Wanted] = {}

    def invalidate(self) -> None:
        """Have every one looked at again."""
        self._current.clear()

    async def ensure(self, wanted: Iterable[Wanted], api: Caller) -> Problem | None:
        """Have each be there as it follows from its names and its term; return what stands in the way of the first that cannot be.

        What lies there is compared with what is to lie there, byte by byte: one that is broken, forged or old is replaced, and an equal one is not written again.
        """
        for one in wanted:
            place = one.namespace, one.name
            if self._current.get(place) == one:
                continue
            problem = await self._ensure(one, api)
            if problem is not None:
                return problem
            self._current[place] = one
        return None

    async def _ensure(self, wanted: Wanted, api: Caller) -> Problem | None:
        if self._authority is None and not self._platform.issuer_ref.name:
            key = await authority_key(api, self._platform)
            if isinstance(key, Problem):
                return key
            self._authority = Authority(key, SITE_AUTHORITY)
        made = certificate(wanted, self._platform, self._authority)
        if self._platform.authority_before and _stays(await there(path_of(made), api), made, self._platform.authority_before):
            return None
        return await put(made, api, wanted.owner.uid if wanted.owner else "")


def _stays(found: Mapping[str, Any] | None, made: Child, before: str) -> bool:
    """Whether a certificate of the authority from before is left for now: for the same names and the same term, while not everybody believes the new one yet."""
    meta, wanted = (found or {}).get("metadata") or {}, orjson.loads(made.body)["metadata"]
    said = [(each.get("annotations") or {}).get(name) for each in (meta, wanted) for name in (NOT_AFTER, VALID_FOR)]
    authority = ((found or {}).get("data") or {}).get(AUTHORITY_KEY, "")
    return said[:2] == said[2:] and authority == b64encode(before.encode()).decode()


async def put(made: Child, api: Caller, owner: str) -> Problem | None:
    """Have an object be there that is not watched; return what stands in the way. `owner` is the uid that ours must carry, or empty for one that our label marks."""
    found = await there(path_of(made), api)
    body = orjson.loads(made.body)
    if found is not None:
        meta = found["metadata"]
        if not (is_ours(meta, owner) if owner else is_marked(meta)):
            return _foreign(made, "does not belong to this department" if owner else "is not ours")
        if found.get("type") != body.get("type"):
            return _foreign(made, f"is of type {found.get('type')}, which cannot be changed")
        if all(_holds(found.get(part), body[part]) for part in ("data", "spec") if part in body):
            return None
        body["metadata"]["uid"] = meta["uid"]  # a precondition: not onto another one of that name
    await api.apply(path_of(made), orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
    return None


async def there(path: str, api: Caller) -> Mapping[str, Any] | None:
    """Return the object at a path, or None when there is none."""
    try:
        return await api.call("GET", path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _holds(found: Any, wanted: Any) -> bool:
    """Return whether all that is wanted is so, whatever defaults stand beside it."""
    if isinstance(wanted, dict):
        return isinstance(found, Mapping) and all(_holds(found.get(key), value) for key, value in wanted.items())
    return bool(found == wanted)


def _foreign(made: Child, why: str) -> Problem:
    text = f"{made.kind} {made.name} in {made.namespace} exists and {why}; delete it, and it is made again."
    return Problem(made.kind, made.name, "NameConflict", text)
