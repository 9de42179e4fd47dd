"""The cache of our own kinds. The newest version wins, whether a watch, a list or the reply to a write brought it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commonweal_kube.queue import Key


@dataclass(frozen=True, slots=True)
class Record:
    """One object of ours. Either `parsed` is set or `invalid` says why not, naming the field.

    `arriving`: a move brings it, and has not finished; `splitting`: its store is being moved to another namespace of it. `ending` is when it was deleted, if
    it was; `held`: it does not go before the operator lets it; `let_go`: it may go although something has not answered.
    """

    key: Key
    uid: str
    version: int
    generation: int
    deleting: bool
    parsed: Any
    invalid: str
    status: Mapping[str, Any]
    arriving: bool = False
    splitting: bool = False
    ending: datetime | None = None
    held: bool = False
    let_go: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a version brought: None on one side means that the object came or went."""

    old: Record | None
    new: Record | None

    @property
    def key(self) -> Key:
        """The key of the object."""
        record = self.new or self.old
        assert record is not None, "a change has at least one side"  # noqa: S101 - holds by construction
        return record.key


Read = Callable[[Mapping[str, Any], Record | None], Record]


class ObjectCache:
    """The cache.

    `read(body, old)` makes the record of a body, given the known record of its key; it never raises, for a body that does not parse is a record too.
    """

    def __init__(self, key_of: Callable[[Mapping[str, Any]], Key], read: Read) -> None:
        self.key_of, self._read = key_of, read
        self._known: dict[Key, Record] = {}
        self._tenants: dict[tuple[str, str], dict[str, Record]] = {}
        self._gone: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._known.values()))

    def get(self, key: Key) -> Record | None:
        """Return the object, or None."""
        return self._known.get(key)

    def of(self, kind: str, tenant: str) -> list[Record]:
        """Return a tenant's objects of one kind, by name."""
        return [record for _, record in sorted(self._tenants.get((kind, tenant), {}).items())]

    def put(self, body: Mapping[str, Any]) -> Change | None:
        """Keep the version if it is newer than the known one; return the change, or None for nothing new."""
        key, version = self.key_of(body), int(body["metadata"]["resourceVersion"])
        old = self._known.get(key)
        if old is not None and old.version >= version:
            return None
        if old is None and self._gone.get(key, 0) >= version:
            return None  # the reply to a status patch, overtaken by the deletion
        new = self._known[key] = self._read(body, old)
        self._tenants.setdefault((key.kind, key.tenant), {})[key.name] = new
        self._gone.pop(key, None)
        return Change(old, new)

    def drop(self, key: Key, uid: str | None = None, version: int = 0) -> Change | None:
        """Forget the object, unless it is another one (uid) of the same name; return the change, or None when there was nothing."""
        old = self._known.get(key)
        self._gone[key] = max(version, self._gone.get(key, 0))
        if old is None or (uid is not None and old.uid != uid):
            return None
        del self._known[key]
        self._tenants[key.kind, key.tenant].pop(key.name, None)
        return Change(old, None)

    def forget_deletions(self, listed: int) -> None:
        """Forget deletions that a list at version `listed` is newer than."""
        self._gone = {key: version for key, version in self._gone.items() if version > listed}
