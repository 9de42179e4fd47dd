"""Have records erased: per product, with what stands in the way in words, and a page that asks once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commonweal_api.rights import RIGHTS, Erasure
from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department, Reply
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.agreements import BASES
from commonweal_runtime.portal.views.asked import linked, one, own, stop_first
from commonweal_runtime.portal.views.shown import items_of, missing_of
from commonweal_runtime.portal.views.terms import word_of
from commonweal_runtime.portal.visitor import Visitor

SECTION, ERASE = "/account", "/erase"
_ERASABLE = {str(basis) for basis, rights in RIGHTS.items() if rights.erasure is Erasure.ON_REQUEST}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An agreement that rests on a basis which leaves no erasure."""

    href: str
    consumer: Words
    basis: str
    until: str


@dataclass(frozen=True, slots=True)
class Held:
    """A product of a body with records of people, and the agreements that stand in the way of erasing them."""

    department: str
    body: Words
    product: str
    title: Words
    owner: str
    obstacles: Sequence[Obstacle]

    @property
    def href(self) -> str:
        """The page that asks once more."""
        return address("erase", self.department, self.product)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, ERASE, erase),
        frame.page(portal, "/erase/{department:str}/{product:str}", confirm),
        frame.form(portal, "/erase/{department:str}/{product:str}", send),
    ]


async def erase(visitor: Visitor) -> Result:
    """Show what bodies hold, and what can be erased."""
    stopped = stop_first(visitor, SECTION)
    if stopped is not None:
        return stopped
    names = await linked(visitor)
    replies = await own(visitor, "/me/consents", names)
    held = [entry for reply in replies for entry in held_of(reply, visitor.language)]
    values = {"held": held, "linked": bool(names), "missing": missing_of(replies, visitor.language)}
    return Page("erase.html", values, section=SECTION, back=SECTION)


async def confirm(visitor: Visitor) -> Result:
    """Ask once more before records are erased."""
    stopped = stop_first(visitor, ERASE)
    return stopped or Page("erase_confirm.html", {"held": await _one(visitor)}, section=SECTION, back=ERASE)


async def send(visitor: Visitor) -> Result:
    """Have the records erased. Where the body refuses, say what stands in the way."""
    stopped = stop_first(visitor, ERASE)
    if stopped is not None:
        return stopped
    held = await _one(visitor)
    if visitor.form.get("sure") != "yes":
        mistakes = [Mistake("sure", mark("Tick the box to say that you are sure"))]
        return Page("erase_confirm.html", {"held": held}, 400, mistakes, SECTION, back=ERASE)
    try:
        done = await visitor.ask(held.department, "POST", f"/me/erasures/{held.product}")
    except DepartmentAnswerError as error:
        if error.reason != "ErasureNotPossible":
            raise
        return Page("erase_not.html", {"held": held}, 409, section=SECTION, back=ERASE)
    values = {"held": held, "count": int(done.get("erased") or 0), "awaited": done.get("atSource") == "Awaited"}
    return Page("erased.html", values, section=SECTION, back=ERASE)


async def _one(visitor: Visitor) -> Held:
    department = await one(visitor)
    found = await visitor.ask(department.name, "GET", "/me/consents")
    for held in held_among(department, found["items"], visitor.language):
        if held.product == visitor.params["product"]:
            return held
    raise DepartmentAnswerError(department.name, 404, "NotFound")


def held_of(reply: Reply, language: Language) -> list[Held]:
    """Return what a body's answer tells."""
    return held_among(reply.department, items_of(reply), language)


def held_among(department: Department, agreements: Iterable[Mapping[str, Any]], language: Language) -> list[Held]:
    """Return the products of a body's agreements, each with those agreements that stand in the way of erasing."""
    by_product: dict[str, list[Mapping[str, Any]]] = {}
    for agreement in agreements:
        by_product.setdefault(str(agreement["product"]), []).append(agreement)
    return [
        Held(
            department=department.name,
            body=language.words(department.display_name),
            product=product,
            title=language.words(listed[0].get("title") or product),
            owner=str((listed[0].get("owner") or {}).get("complaints") or department.contact),
            obstacles=[_obstacle(department.name, one, language) for one in listed if stands_in_the_way(one)],
        )
        for product, listed in by_product.items()
    ]


def stands_in_the_way(agreement: Mapping[str, Any]) -> bool:
    """Return whether an agreement is in force on a basis that leaves no erasure on request."""
    return bool(agreement.get("inForce")) and str(agreement.get("basis")) not in _ERASABLE


def _obstacle(department: str, agreement: Mapping[str, Any], language: Language) -> Obstacle:
    return Obstacle(
        address("agreements", department, str(agreement["agreement"])),
        language.words(agreement.get("consumerName") or agreement.get("consumer")),
        word_of(BASES, agreement.get("basis")),
        str(agreement.get("until") or ""),
    )
