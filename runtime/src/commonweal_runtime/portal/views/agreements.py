"""Agreements: all that concern the person, over all bodies, by what is to be done about them; and one in full, with the person's own values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department, Reply, State
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.shown import items_of, missing_of, value_in_words
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/agreements"
SOON = timedelta(days=60)
MOST_RECORDS = 5
AWAITED = ("NotGiven", "Requested", "RequestDeferred", "Expired", "Invalidated")

_PARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_-]+")
STATES = {
    "Given": mark("You said yes"),
    "Withdrawn": mark("You took back your yes"),
    "Refused": mark("You said no"),
    "RequestDeferred": mark("You said not now"),
    "Requested": mark("Waiting for your answer"),
    "NotGiven": mark("Waiting for your answer"),
    "Expired": mark("Your yes has ended"),
    "Invalidated": mark("Your yes has ended"),
    "Revoked": mark("Your yes was ended"),
    "NotNeeded": mark("Allowed by law"),
    "Objected": mark("You objected"),
}
BASES = {
    "Consent": mark("Your yes"),
    "PublicTask": mark("A public task"),
    "LegalObligation": mark("A duty in law"),
    "VitalInterests": mark("To protect a life"),
    "Contract": mark("Something you agreed with this body"),
    "RecognisedLegitimateInterest": mark("A reason that the law allows"),
}
DELEGATES = {
    "Parent": mark("a parent or guardian"),
    "Attorney": mark("a person with power of attorney"),
    "Deputy": mark("a person named by a court"),
    "Adviser": mark("an adviser you choose"),
    "Agent": mark("an agent you choose"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field that would leave: what it is called, what is told of it, and the person's own values."""

    label: Words
    told: Words
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement as pages show it."""

    name: str
    department: str
    holder: Words
    reader: Words
    title: Words
    purposes: Sequence[Words]
    benefits: Words
    basis: str
    law: Words
    rights: Words
    state: str
    since: str
    until: str
    ends: str
    in_force: bool
    delegates: Sequence[str]
    contact: str
    can_consent: bool
    can_object: bool
    objected: bool
    explained: Sequence[Mapping[str, Any]]

    @property
    def href(self) -> str:
        """The page of this agreement."""
        return address("agreements", self.department, self.name)

    @property
    def state_text(self) -> str:
        """How things stand, marked for translation."""
        return STATES["Objected"] if self.objected else STATES.get(self.state, STATES["NotGiven"])

    @property
    def awaited(self) -> bool:
        """Whether an answer of the person is waited for."""
        return self.can_consent and self.in_force and self.state in AWAITED

    @property
    def shared(self) -> bool:
        """Whether something may be read under it now, as far as it depends on the person."""
        return self.in_force and not self.objected and (not self.can_consent or self.state == "Given")

    def ends_soon(self, now: datetime) -> bool:
        """Whether it, or the yes to it, ends within `SOON`."""
        ends = [_moment(text) for text in (self.ends, self.until) if text]
        return self.shared and any(end is not None and now <= end <= now + SOON for end in ends)

    @property
    def partly_english(self) -> bool:
        """Whether some of it is in another language than the page."""
        texts = [self.holder, self.reader, self.title, *self.purposes, self.benefits, self.rights]
        return any(text and text.foreign for text in texts)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [frame.page(portal, "/agreements", agreements), frame.page(portal, "/agreements/{department:str}/{agreement:str}", agreement)]


async def agreements(visitor: Visitor) -> Result:
    """Show all agreements that concern the person."""
    replies = await visitor.gather("/me/consents")
    listed = agreements_of(replies, await visitor.reached.departments.all(), visitor.language)
    values = {
        "groups": groups_of(listed),
        "missing": missing_of(replies, visitor.language),
        "linked": any(reply.state is State.ANSWERED and items_of(reply) for reply in replies),
        "partly_english": any(one.partly_english for one in listed),
    }
    return Page("agreements.html", values, section=SECTION)


def agreements_of(replies: Iterable[Reply], known: Mapping[str, Department], language: Language) -> list[Agreement]:
    """Return the agreements of all departments that answered, in the order of the replies."""
    return [agreement_of(reply.department, item, known, language) for reply in replies for item in items_of(reply)]


def agreement_of(department: Department, item: Mapping[str, Any], known: Mapping[str, Department], language: Language) -> Agreement:
    """Return an agreement as a department tells it. Who reads is called as the directory has it, for it may know the name in both languages."""
    consumer = str(item.get("consumer", ""))
    reader = known[consumer].display_name if consumer in known else item.get("consumerName") or consumer
    consent, objected = item.get("consent") or {}, item.get("objected") or {}
    purposes = [language.words(purpose.get("text")) for purpose in item.get("purposes") or []]
    return Agreement(
        name=str(item["agreement"]),
        department=department.name,
        holder=language.words(department.display_name),
        reader=language.words(reader),
        title=language.words(item.get("title") or item.get("product")),
        purposes=[text for text in purposes if text],
        benefits=language.words(item.get("benefits")),
        basis=str(item.get("basis", "")),
        law=language.words(item.get("legalPower")),
        rights=language.words(item.get("rights")),
        state=str(consent.get("state", "")),
        since=str(objected.get("since") or consent.get("since") or ""),
        until=str(consent.get("until") or ""),
        ends=str(item.get("until") or ""),
        in_force=bool(item.get("inForce", True)),
        delegates=[DELEGATES[name] for name in item.get("delegates") or [] if name in DELEGATES],
        contact=contact_of(item, department),
        can_consent=consent.get("state") != "NotNeeded",
        can_object=objected.get("state") not in (None, "NotApplicable"),
        objected=objected.get("state") == "Objected",
        explained=item.get("explained") or [{"name": name} for name in item.get("fields") or []],
    )


def contact_of(item: Mapping[str, Any], department: Department) -> str:
    """Return the address to ask about an agreement, if it is one that a page may link to."""
    owner = item.get("owner") if isinstance(item.get("owner"), dict) else {}
    found = [item.get("contact"), owner.get("complaints"), owner.get("steward"), department.contact]  # type: ignore[union-attr]
    return next((text for text in found if isinstance(text, str) and text.startswith(("https://", "mailto:"))), "")


def groups_of(listed: Iterable[Agreement]) -> Mapping[str, list[Agreement]]:
    """Return the agreements by what there is to do: those that wait for an answer first."""
    found = list(listed)
    return {
        "awaited": [one for one in found if one.awaited],
        "shared": [one for one in found if one.shared],
        "closed": [one for one in found if not one.awaited and not one.shared],
    }


async def find(visitor: Visitor) -> Agreement:
    """Return the agreement that the address names; DepartmentAnswerError when none of that name concerns the person."""
    department = await visitor.reached.departments.one(visitor.params["department"])
    answer = await visitor.ask(department.name, "GET", "/me/consents")
    for item in items_of(Reply(department, State.ANSWERED, answer)):
        if item.get("agreement") == visitor.params["agreement"]:
            return agreement_of(department, item, await visitor.reached.departments.all(), visitor.language)
    raise DepartmentAnswerError(department.name, 404, "NoAgreement")


async def agreement(visitor: Visitor) -> Result:
    """Show one agreement, with the values that would leave under it."""
    found, looked = await asyncio.gather(find(visitor), look(visitor))
    values = {
        "agreement": found,
        "basis": BASES.get(found.basis, ""),
        "fields": fields_of(found, looked, visitor.language),
        "looked": looked is not None,
        "held": bool(looked and looked.get("records")),
        "more": more_than_shown(looked),
    }
    return Page("agreement.html", values, section=SECTION, back=SECTION)


async def look(visitor: Visitor) -> Mapping[str, Any] | None:
    """Return the person's own values as the reader would see them; None when they cannot be had now."""
    name, agreement_name = visitor.params["department"], visitor.params["agreement"]
    try:
        found = await visitor.ask(name, "GET", address("me", "consents", agreement_name, "preview"))
    except (DepartmentAnswerError, DepartmentSilentError):
        return None
    return found if isinstance(found, dict) else None


def fields_of(found: Agreement, looked: Mapping[str, Any] | None, language: Language) -> list[Field]:
    """Return the fields in the agreement's order, each with its values in the first few records."""
    records = (looked or {}).get("records") or []
    return [
        Field(
            language.words(entry.get("label") or readable(str(entry.get("name", "")))),
            language.words(entry.get("description")),
            [value_in_words(record.get(entry.get("name")), language) for record in records[:MOST_RECORDS]],
        )
        for entry in found.explained
    ]


def readable(name: str) -> str:
    """Return a field's name as words, for a product that gives its fields no labels."""
    words = _PARTS.sub(" ", name).lower()
    return words[:1].upper() + words[1:]


def more_than_shown(looked: Mapping[str, Any] | None) -> int:
    """Return how many records there are besides those that the page shows."""
    return max(len((looked or {}).get("records") or []) - MOST_RECORDS, 0)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
