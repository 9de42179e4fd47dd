"""Who used a person's information: newest first over all bodies, by body, purpose, basis and outcome; and what is not shown yet, said and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Reply
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.merging import Item, Part, Places, merged, places_of, question
from commonweal_runtime.portal.pages import Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.agreements import BASES
from commonweal_runtime.portal.views.asked import asked
from commonweal_runtime.portal.views.shown import items_of, missing_of
from commonweal_runtime.portal.views.terms import word_of
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/uses"
ON_A_PAGE, SEARCHED = 20, 100
FILTERS = ("body", "purpose", "basis", "outcome")
OUTCOMES = {"given": mark("Shared"), "refused": mark("Not shared"), "look": mark("Looked at by you")}


@dataclass(frozen=True, slots=True)
class Use:
    """One use as the page shows it."""

    body: Words
    at: str
    product: Words
    consumer: Words
    purpose: Words
    basis: str
    legal_power: str
    fields: Sequence[Words]
    outcome: str
    check: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """An agreement whose uses are shown late or never, and how often it was used by now, over all people."""

    body: Words
    product: Words
    days: int
    reason: str
    uses: int | None


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [frame.page(portal, SECTION, uses)]


async def uses(visitor: Visitor) -> Result:
    """Show a part of the list."""
    chosen = {name: visitor.query.get(name, "") for name in FILTERS}
    bodies = await asked(visitor)
    among = [name for name in bodies if chosen["body"] in ("", name)]
    places = places_of(visitor.query.get("on", ""))
    most = SEARCHED if any(chosen[name] for name in FILTERS[1:]) else ON_A_PAGE
    replies, agreements = await asyncio.gather(_read(visitor, among, places, most), visitor.gather("/me/consents", among))
    part = merged(replies, places, number="id", most=ON_A_PAGE, wanted=lambda item: fits(item, chosen))
    labels = labels_of(agreements)
    language = visitor.language
    values = {
        "uses": [use_of(item, labels, language) for item in part.items],
        "older": older_of(part, chosen),
        "begun": not places,
        "linked": bool(bodies),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "bodies": await _named(visitor, bodies),
        "purposes": purposes_of(agreements, language),
        "bases": BASES,
        "outcomes": OUTCOMES,
        "hidden": await _hidden(visitor, agreements) if not places else [],
        "missing": missing_of(replies, language),
    }
    return Page("uses.html", values, section=SECTION)


async def _read(visitor: Visitor, among: Sequence[str], places: Places, most: int) -> list[Reply]:
    """Return what each body has from its place on. A body that is read to its end is not asked again."""
    asked_now = [name for name in among if not places or name in places]
    parts = await asyncio.gather(*(visitor.gather(question("/me/uses", most, places.get(name, 0)), [name]) for name in asked_now))
    return [reply for part in parts for reply in part]


def fits(item: Item, chosen: Mapping[str, str]) -> bool:
    """Return whether a use is one that the person asks for."""
    use = item.value
    facts = {"purpose": _purpose(use).get("key"), "basis": use.get("basis"), "outcome": outcome_of(use)}
    return all(chosen[name] in ("", str(found)) for name, found in facts.items())


def outcome_of(use: Mapping[str, Any]) -> str:
    """Return whether it was given or refused, or the person's own look."""
    return "look" if use.get("look") else "given" if use.get("given") else "refused"


def use_of(item: Item, labels: Mapping[tuple[str, str, str], Any], language: Language) -> Use:
    """Return a use as the page shows it."""
    use, name = item.value, item.department.name
    agreement, number = str(use.get("agreement")), str(use["id"])
    return Use(
        body=language.words(item.department.display_name),
        at=str(use["at"]),
        product=language.words(use.get("title") or use.get("product")),
        consumer=language.words(use.get("consumerName") or use.get("consumer")),
        purpose=language.words(_purpose(use).get("text") or _purpose(use).get("key")),
        basis=word_of(BASES, use.get("basis")),
        legal_power=str(use.get("legalPower") or ""),
        fields=[language.words(labels.get((name, agreement, field)) or field) for field in use.get("fields", [])],
        outcome=outcome_of(use),
        check=address("uses", name, number, "check"),
        wrong=f"/complaints/new?{urlencode({'body': name, 'use': number})}",
    )


def _purpose(use: Mapping[str, Any]) -> Mapping[str, Any]:
    found = use.get("purpose")
    return found if isinstance(found, dict) else {}


def labels_of(replies: Iterable[Reply]) -> Mapping[tuple[str, str, str], Any]:
    """Return what fields are called, by body, agreement and name."""
    return {
        (reply.department.name, str(agreement.get("agreement")), str(field.get("name"))): field["label"]
        for reply in replies
        for agreement in items_of(reply)
        for field in agreement.get("explained") or []
        if field.get("label")
    }


def purposes_of(replies: Iterable[Reply], language: Language) -> Mapping[str, Words]:
    """Return the purposes that a person can ask for, with their words."""
    found = [purpose for reply in replies for agreement in items_of(reply) for purpose in agreement.get("purposes") or []]
    return {str(purpose["key"]): language.words(purpose.get("text") or purpose["key"]) for purpose in found}


def older_of(part: Part, chosen: Mapping[str, str]) -> str:
    """Return the address of the next part, empty at the end."""
    kept = {name: value for name, value in chosen.items() if value}
    return f"{SECTION}?{urlencode({**kept, 'on': part.older})}" if part.older else ""


async def _named(visitor: Visitor, names: Iterable[str]) -> Mapping[str, Words]:
    known = await visitor.reached.departments.all()
    return {name: visitor.language.words(known[name].display_name) for name in names if name in known}


async def _hidden(visitor: Visitor, agreements: Iterable[Reply]) -> list[Hidden]:
    """Return the agreements whose uses are shown late or never, with the count that their body publishes."""
    found = [(reply, agreement) for reply in agreements for agreement in items_of(reply) if is_hidden(agreement)]
    if not found:
        return []
    counts = counts_of(await visitor.reached.departments.gather(None, "/v1/transparency", [reply.department.name for reply, _ in found]))
    return [
        Hidden(
            visitor.language.words(reply.department.display_name),
            visitor.language.words(agreement.get("title") or agreement.get("product")),
            int(agreement["visibility"].get("delayDays") or 0),
            str(agreement["visibility"].get("reason") or ""),
            counts.get((reply.department.name, str(agreement.get("agreement")))),
        )
        for reply, agreement in found
    ]


def is_hidden(agreement: Mapping[str, Any]) -> bool:
    """Return whether uses under an agreement are shown late or never."""
    return str((agreement.get("visibility") or {}).get("visibility", "Immediate")) != "Immediate"


def counts_of(replies: Iterable[Reply]) -> Mapping[tuple[str, str], int]:
    """Return how often each agreement was used, as the bodies publish it."""
    return {
        (reply.department.name, str(agreement.get("agreement"))): int(agreement.get("uses") or 0)
        for reply in replies
        if isinstance(reply.value, dict)
        for agreement in reply.value.get("agreements", [])
    }
