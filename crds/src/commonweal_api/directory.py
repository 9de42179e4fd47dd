"""The departments of one site as people and their applications find them: what anybody may know of each, in one text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from commonweal_api.signatures import canonical

FILE = "directory.json"
LARGEST = 900_000  # bytes: the ConfigMap in which it reaches the issuer holds 1 MiB
_FRAME_BYTES = 100


class Listed(NamedTuple):
    """What is known of one department. It can be compared and hashed, so that whoever keeps a directory sees that one has changed."""

    name: str
    display_name: str = ""
    contact: str = ""
    data_api: str = ""
    models: str = ""
    keys: tuple[bytes, ...] = ()
    display_name_cy: str = ""

    @classmethod
    def of(cls, name: str, display_name: str, contact: str, status: Mapping[str, Any], display_name_cy: str = "") -> Listed:
        """Return a department by what its object says and what its status does; a member of the status that is missing is left empty."""
        keys = tuple(sorted(canonical(key) for key in status.get("keys") or ()))
        return cls(name, display_name, contact, status.get("dataApi") or "", status.get("models") or "", keys, display_name_cy)


class Directory(NamedTuple):
    """The text of `directory.json`, and how many of the departments found no room in it."""

    text: str
    left_out: int


def directory(site: str, departments: Iterable[Listed]) -> Directory:
    """Return the directory of a site: its departments that have a data API, by name; the first ones that fit."""
    entries, room, left_out = list[bytes](), LARGEST - _FRAME_BYTES - len(canonical(site)), 0
    for each in sorted(departments):
        if not each.data_api:
            continue
        entry = _entry(each)
        if left_out or len(entry) + 1 > room:
            left_out += 1
            continue
        room -= len(entry) + 1
        entries.append(entry)
    return Directory(_framed(site, entries), left_out)


def _entry(one: Listed) -> bytes:
    keys = b",".join(one.keys)
    shown = {"en": one.display_name} | ({"cy": one.display_name_cy} if one.display_name_cy else {})
    said = {"name": one.name, "displayName": shown, "contact": one.contact, "dataApi": one.data_api}
    said |= {"models": one.models} if one.models else {}
    return canonical(said)[:-1] + b',"keys":[' + keys + b"]}"


def _framed(site: str, entries: Sequence[bytes]) -> str:
    return (b'{"departments":[' + b",".join(entries) + b'],"site":' + canonical(site) + b"}").decode()
