"""What a path of the API names, and which objects a list or a watch asks for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Body = dict[str, Any]
Matches = Callable[[Mapping[str, Any]], bool]


class Place(NamedTuple):
    """Where one object lies, or with an empty name a collection; an empty namespace means: cluster-wide, or all namespaces."""

    api_version: str
    plural: str
    namespace: str
    name: str

    def holds(self, other: Place) -> bool:
        """Return whether an object belongs to this collection."""
        return self[:2] == other[:2] and self.namespace in ("", other.namespace)


def parsed(path: str) -> tuple[Place, str, dict[str, str]]:
    """Return what a path names, the subresource, and the query."""
    plain, _, query = path.partition("?")
    _, root, *parts = plain.split("/")
    version = "/".join(parts[: 1 if root == "api" else 2])
    rest = parts[1 if root == "api" else 2 :]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, sub = [*rest, "", ""][:3]
    return Place(version, plural, namespace, name), sub, dict(parse_qsl(query))


def selected(query: Mapping[str, str]) -> Matches:
    """Return which objects the selectors of a query let through: `key`, `!key`, `key=value`, and names by field."""
    labels = [_labelled(term) for term in query.get("labelSelector", "").split(",") if term]
    fields = [_named(term) for term in query.get("fieldSelector", "").split(",") if term]
    return lambda body: all(holds(body["metadata"]) for holds in (*labels, *fields))


def _labelled(term: str) -> Matches:
    key, _, value = term.partition("=")
    if value:
        return lambda meta: (meta.get("labels") or {}).get(key) == value
    if key.startswith("!"):
        return lambda meta: key[1:] not in (meta.get("labels") or {})
    return lambda meta: key in (meta.get("labels") or {})


def _named(term: str) -> Matches:
    field, _, name = term.partition("=")
    if field == "metadata.name!":
        return lambda meta: meta["name"] != name
    if field == "metadata.name":
        return lambda meta: meta["name"] == name
    raise ValueError(f"fieldSelector {term}: only metadata.name is known here.")


def merged(live: Any, patch: Any) -> Any:
    """Return what a JSON merge patch makes (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(live) if isinstance(live, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def applied(last: Any, wanted: Any, live: Any) -> Any:
    """Return `live` with what is wanted, without what was wanted last and is no more; what others wrote stays. A list is one value."""
    if not isinstance(wanted, Mapping):
        return wanted
    before = last if isinstance(last, Mapping) else {}
    result = dict(live) if isinstance(live, Mapping) else {}
    for key in before.keys() - wanted.keys():
        result.pop(key, None)
    for key, value in wanted.items():
        result[key] = applied(before.get(key), value, result.get(key))
    return result
