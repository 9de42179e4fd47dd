"""Receipts of what a person said: all of them over all bodies, one as a page to keep, and the file that others can check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from commonweal_runtime.audit.receipts import Receipt
from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department
from commonweal_runtime.portal.languages import Language, Words
from commonweal_runtime.portal.merging import Item, merged, places_of, question
from commonweal_runtime.portal.pages import File, Page, Result, address
from commonweal_runtime.portal.proving import receipt_of
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import asked, keys_of, one
from commonweal_runtime.portal.views.checking import number_of
from commonweal_runtime.portal.views.shown import missing_of
from commonweal_runtime.portal.visitor import Visitor
from commonweal_runtime.portal.words_of import SAID, word_of

SECTION = "/receipts"
ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt as pages show it. `valid`: its signature and its own link of the chain hold under the body's published keys."""

    body: Words
    department: str
    number: str
    at: str
    said: str
    agreement: str
    valid: bool
    facts: Mapping[str, Any]

    @property
    def href(self) -> str:
        """The page of this receipt."""
        return address("receipts", self.department, self.number)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, SECTION, receipts),
        frame.page(portal, "/receipts/{department:str}/{number:str}", receipt),
        frame.page(portal, "/receipts/{department:str}/{number:str}/json", receipt_json),
    ]


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


async def receipt(visitor: Visitor) -> Result:
    """Show one receipt, to keep."""
    item = await _one(visitor)
    kept = kept_of(item, await keys_of(visitor, item.department), visitor.language)
    return Page("receipt_kept.html", {"receipt": kept, "saved": visitor.query.get("saved", "")}, section=SECTION, back=SECTION)


async def receipt_json(visitor: Visitor) -> Result:
    """Give a receipt as the body gave it: what `commonweal receipt verify` reads."""
    item = await _one(visitor)
    content = orjson.dumps({"items": [item.value], "next": None})
    return File(content, "application/json", f"receipt-{item.department.name}-{item.value['event']}.json")


async def _one(visitor: Visitor) -> Item:
    department, number = await one(visitor), number_of(visitor)
    found = await visitor.ask(department.name, "GET", question("/me/receipts", 1, int(number) + 1))
    items = [entry for entry in found["items"] if entry["event"] == number]
    if not items:
        raise DepartmentAnswerError(department.name, 404, "NoSuchRecord")
    return Item(department, items[0])


async def _keys(visitor: Visitor, departments: Mapping[str, Department]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the keys of bodies. Of one whose keys cannot be had there are none: then its receipts are not called valid."""
    found = await asyncio.gather(*(keys_of(visitor, department) for department in departments.values()), return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, (DepartmentAnswerError, DepartmentSilentError)):
            raise error
    return {name: [] if isinstance(keys, BaseException) else keys for name, keys in zip(departments, found, strict=True)}


def kept_of(item: Item, keys: Sequence[Mapping[str, Any]], language: Language) -> Kept:
    """Return a receipt as pages show it. What it says of itself is shown only where its signature holds."""
    opened = receipt_of(item.value.get("receipt"), keys)
    return Kept(
        body=language.words(item.department.display_name),
        department=item.department.name,
        number=str(item.value["event"]),
        at=str(item.value.get("at") or ""),
        said=word_of(SAID, item.value.get("state")),
        agreement=str(item.value.get("agreement") or ""),
        valid=opened is not None,
        facts=facts_of(opened, language) if opened else {},
    )


def facts_of(opened: Receipt, language: Language) -> Mapping[str, Any]:
    """Return what a receipt says, as a person reads it."""
    held = opened.body["dpv:hasRecordOfActivity"]
    process, status = held["dpv:hasProcess"], held["dpv:hasConsentStatus"]
    return {
        "id": str(opened.body["dct:identifier"]),
        "person": opened.person,
        "consumer": str(process["dpv:hasRecipient"].get("dct:identifier") or ""),
        "fields": [str(field["dct:title"]) for field in process.get("dpv:hasPersonalData", [])],
        "purposes": [language.words(p.get("dct:description") or p.get("dct:identifier")) for p in process.get("dpv:hasPurpose", [])],
        "until": str(status.get("dct:valid") or ""),
        "hash": opened.hash,
    }
