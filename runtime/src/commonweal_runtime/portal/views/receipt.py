"""One receipt: what the person said, as a page, as the signed record (JSON) and on paper (PDF). It is asked of the department each time; nothing is kept here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import orjson

from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import File, Page, Result, address
from commonweal_runtime.portal.paper import Paper, drawn
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/receipts"
SAID = {
    "Given": mark("You said yes"),
    "Renewed": mark("You said yes again"),
    "Refused": mark("You said no"),
    "Withdrawn": mark("You took back your yes"),
    "RequestDeferred": mark("You said not now"),
    "Objected": mark("You objected"),
    "ObjectionLifted": mark("You do not object any more"),
}
OTHERWISE = mark("What was recorded")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as pages show it. `record` is what the department signed, `signed` the text with its signature."""

    event: str
    department: str
    holder: Words
    said: str
    at: str
    agreement: str
    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    reader: str
    signed: str
    record: Mapping[str, Any]

    @property
    def href(self) -> str:
        """The page of this receipt."""
        return address("receipts", self.department, self.event)

    @property
    def agreement_href(self) -> str:
        """The page of the agreement that it is about."""
        return address("agreements", self.department, self.agreement)

    @property
    def file(self) -> str:
        """The name of its files, without a suffix."""
        return f"receipt-{self.department}-{self.event}"


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    one = "/receipts/{department:str}/{event:str}"
    return [
        frame.page(portal, one, show),
        frame.page(portal, f"{one}/json", as_json),
        frame.page(portal, f"{one}/pdf", as_pdf),
    ]


async def show(visitor: Visitor) -> Result:
    """Show one receipt."""
    found = await one_receipt(visitor)
    return Page("receipt.html", {"receipt": found, "now": visitor.query.get("said") == "now"}, section=SECTION)


async def as_json(visitor: Visitor) -> Result:
    """Hand out the signed record: the text that the department signed, and the same decoded to be read."""
    found = await one_receipt(visitor)
    content = orjson.dumps({"receipt": found.signed, "record": found.record}, option=orjson.OPT_INDENT_2)
    return File(content, "application/json", f"{found.file}.json")


async def as_pdf(visitor: Visitor) -> Result:
    """Hand out the receipt on paper."""
    found = await one_receipt(visitor)
    return File(drawn(paper_of(found, visitor.language)), "application/pdf", f"{found.file}.pdf")


async def one_receipt(visitor: Visitor) -> Receipt:
    """Return the receipt that the address names; DepartmentAnswerError when the person has none of that number."""
    department = await visitor.reached.departments.one(visitor.params["department"])
    event = visitor.params["event"]
    if not event.isascii() or not event.isdecimal() or len(event) > 18:
        raise DepartmentAnswerError(department.name, 404, "NotFound")
    page = await visitor.ask(department.name, "GET", f"/me/receipts?before={int(event) + 1}&limit=1")
    items = page.get("items") or []
    if not items or str(items[0].get("event")) != event:
        raise DepartmentAnswerError(department.name, 404, "NotFound")
    return receipt_of(department, items[0], visitor.language)


def receipt_of(department: Department, item: Mapping[str, Any], language: Language) -> Receipt:
    """Return a receipt as a department lists it."""
    record = decoded(str(item["receipt"]))
    process = ((record.get("dpv:hasRecordOfActivity") or {}).get("dpv:hasProcess")) or {}
    purposes = [language.words(purpose.get("dct:description")).text for purpose in process.get("dpv:hasPurpose") or []]
    return Receipt(
        event=str(item["event"]),
        department=department.name,
        holder=language.words(department.display_name),
        said=SAID.get(str(item.get("state")), OTHERWISE),
        at=str(item.get("at") or ""),
        agreement=str(item.get("agreement") or ""),
        purposes=tuple(text for text in purposes if text),
        fields=tuple(str(data.get("dct:title")) for data in process.get("dpv:hasPersonalData") or []),
        reader=str((process.get("dpv:hasRecipient") or {}).get("dct:identifier") or ""),
        signed=str(item["receipt"]),
        record=record,
    )


def event_of(answer: Any) -> str:
    """Return the number of the event whose receipt came with the answer to a decision; empty where nothing was said that was not said before."""
    signed = answer.get("receipt") if isinstance(answer, dict) else None
    record = decoded(signed) if isinstance(signed, str) else {}
    return str((record.get("dpv:hasRecordOfActivity") or {}).get("dct:identifier") or "")


def decoded(signed: str) -> Mapping[str, Any]:
    """Return what a signed text says. It came from the department itself; whether its signature holds is shown by the check of a receipt."""
    try:
        record = orjson.loads(jwt.api_jws.PyJWS().decode_complete(signed, options={"verify_signature": False})["payload"])
    except (jwt.PyJWTError, orjson.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


def paper_of(found: Receipt, language: Language) -> Paper:
    """Return what stands on the paper."""
    _ = language.gettext
    rows = [
        (_(mark("Public body")), str(found.holder)),
        (_(mark("When")), language.moment(found.at)),
        (_(mark("What it is for")), " ".join(found.purposes)),
        (_(mark("Facts")), ", ".join(found.fields)),
        (_(mark("Who may read them")), found.reader),
        (_(mark("Agreement")), found.agreement),
        (_(mark("Receipt number")), found.event),
    ]
    return Paper(
        language.code,
        _(mark("Receipt")),
        _(found.said),
        [row for row in rows if row[1]],
        _(mark("The text below is signed by the public body. With it anybody can check this receipt, also without this service.")),
        found.signed,
    )
