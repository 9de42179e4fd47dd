"""What a view gives back, before it is drawn: a page, an address to go on to, or a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote


class Mistake(NamedTuple):
    """One thing that is wrong in a form: the field's id, and what to do, translated already or marked."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    `section` is the part of the portal that it belongs to; `sensitive` gives it a button to leave at once; `back` is where its back link leads, `here`
    where it can be looked at again, where that is not its own address.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    mistakes: Sequence[Mistake] = ()
    section: str = ""
    sensitive: bool = True
    back: str = ""
    here: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Away(NamedTuple):
    """Go on to another address."""

    location: str


class File(NamedTuple):
    """A file to keep."""

    content: bytes
    kind: str
    name: str


class Flow(NamedTuple):
    """A file to keep whose content is made while it is sent."""

    parts: AsyncIterator[bytes]
    kind: str
    name: str


Result = Page | Away | File | Flow


def address(*parts: str) -> str:
    """Return an address of the portal from its parts, each of which may hold anything."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
