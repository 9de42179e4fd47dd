"""The objects of one kind in the provider's cache, as an informer brings them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from commonweal_kube.informer import Name
from commonweal_kube.objects import Change, ObjectCache
from commonweal_local.provider.kinds import Kind, key_of


class KindCache:
    """Keeps `objects` of one kind and calls `changed` with every difference that is one to the provider."""

    def __init__(self, kind: Kind, objects: ObjectCache, changed: Callable[[Change], None]) -> None:
        self._kind, self._objects, self._changed = kind, objects, changed

    def put(self, body: Mapping[str, Any], /) -> None:
        """Take a version."""
        self._tell(self._objects.put(self._named(body)))

    def delete(self, body: Mapping[str, Any], /) -> None:
        """Forget an object, unless another of the same name has come since."""
        meta = body["metadata"]
        self._tell(self._objects.drop(key_of(self._named(body)), meta["uid"], int(meta["resourceVersion"])))

    def listed(self, present: set[Name], version: int, /) -> None:
        """Forget what the list lacks and is not newer than it."""
        for record in self._objects:
            place = (record.key.tenant, record.key.name)
            if record.key.kind == self._kind and place not in present and record.version <= version:
                self._tell(self._objects.drop(record.key, record.uid, version))
        self._objects.forget_deletions(version)

    def _named(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Items of a list do not say of which kind they are."""
        return {**body, "kind": self._kind.value}

    def _tell(self, change: Change | None) -> None:
        if change is not None and (change.old is None or change.new is None or change.old.parsed != change.new.parsed):
            self._changed(change)
