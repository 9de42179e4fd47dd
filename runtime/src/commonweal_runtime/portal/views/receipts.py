"""All receipts of what a person said, newest first over all bodies, each with whether it is valid: decided from its signature, not from its word."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department
from commonweal_runtime.portal.languages import Language, Words
from commonweal_runtime.portal.merging import Item, merged, places_of, question
from commonweal_runtime.portal.pages import Page, Result, address
from commonweal_runtime.portal.proving import receipt_of
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import asked, keys_of
from commonweal_runtime.portal.views.shown import missing_of
from commonweal_runtime.portal.views.terms import SAID, word_of
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/receipts"
ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt as the list shows it. `valid`: its signature and its own link of the chain hold under the body's published keys."""

    body: Words
    department: str
    number: str
    at: str
    said: str
    agreement: str
    valid: bool

    @property
    def href(self) -> str:
        """The page of this receipt."""
        return address("receipts", self.department, self.number)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [frame.page(portal, SECTION, receipts)]


async def receipts(visitor: Visitor) -> Result:
    """Show a part of the list."""
    bodies, places = await asked(visitor), places_of(visitor.query.get("on", ""))
    named = [name for name in bodies if not places or name in places]
    parts = await asyncio.gather(*(visitor.gather(question("/me/receipts", ON_A_PAGE, places.get(name, 0)), [name]) for name in named))
    replies = [reply for part in parts for reply in part]
    part = merged(replies, places, number="event", most=ON_A_PAGE)
    keys = await _keys(visitor, {item.department.name: item.department for item in part.items})
    values = {
        "receipts": [kept_of(item, keys[item.department.name], visitor.language) for item in part.items],
        "older": f"{SECTION}?{urlencode({'on': part.older})}" if part.older else "",
        "linked": bool(bodies),
        "missing": missing_of(replies, visitor.language),
    }
    return Page("receipts.html", values, section=SECTION)


async def _keys(visitor: Visitor, departments: Mapping[str, Department]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the keys of bodies. Of one whose keys cannot be had there are none: then its receipts are not called valid."""
    found = await asyncio.gather(*(keys_of(visitor, department) for department in departments.values()), return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, (DepartmentAnswerError, DepartmentSilentError)):
            raise error
    return {name: [] if isinstance(keys, BaseException) else keys for name, keys in zip(departments, found, strict=True)}


def kept_of(item: Item, keys: Sequence[Mapping[str, Any]], language: Language) -> Kept:
    """Return a receipt as the list shows it."""
    return Kept(
        body=language.words(item.department.display_name),
        department=item.department.name,
        number=str(item.value["event"]),
        at=str(item.value.get("at") or ""),
        said=word_of(SAID, item.value.get("state")),
        agreement=str(item.value.get("agreement") or ""),
        valid=receipt_of(item.value.get("receipt"), keys) is not None,
    )
