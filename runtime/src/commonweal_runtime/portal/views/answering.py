"""Saying yes, no, not now, and objecting: one question, a check of the answer, and the receipt of what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from commonweal_runtime.portal import frame
from commonweal_runtime.portal.languages import mark
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.agreements import SECTION, Agreement, find
from commonweal_runtime.portal.views.receipt import event_of
from commonweal_runtime.portal.visitor import Visitor


class Choice(NamedTuple):
    """One answer: what it is called in addresses and in the API, what the person chooses, and what it does."""

    value: str
    text: str
    does: str


YES = Choice("Given", mark("Yes"), mark("The facts in the agreement can be read from now on."))
NO = Choice("Refused", mark("No"), mark("Nothing of yours is read under this agreement."))
LATER = Choice("RequestDeferred", mark("Not now"), mark("Nothing is read. We ask you again later."))
STAY = Choice("Given", mark("Yes, go on"), mark("Nothing changes, and your yes counts from today."))
STOP = Choice("Withdrawn", mark("No, stop"), mark("Nothing more is read from this moment on."))
OBJECT = Choice("Objected", mark("Yes, I object"), mark("Your record is closed to this body at once."))
LIFT = Choice("Lifted", mark("I do not object any more"), mark("Your record can be read again under this agreement."))
LEAVE = "leave"  # as it is: nothing is sent
# A no is said once: after it, and after a yes that ended, only a yes is news to the body.
_BEFORE_A_YES = {"NotGiven": (YES, NO, LATER), "Requested": (YES, NO, LATER), "Unknown": (YES, NO, LATER), "RequestDeferred": (YES, NO)}


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    one = "/agreements/{department:str}/{agreement:str}"
    return [
        frame.page(portal, f"{one}/answer", question),
        frame.form(portal, f"{one}/answer", choose),
        frame.page(portal, f"{one}/object", objection),
        frame.form(portal, f"{one}/object", choose_objection),
        frame.page(portal, f"{one}/check", check),
        frame.form(portal, f"{one}/check", say),
    ]


def choices_of(found: Agreement) -> Sequence[Choice]:
    """Return what a person can answer as things stand; nothing where the basis asks for no yes."""
    if not found.can_consent:
        return ()
    if found.state == "Given":
        return STAY, STOP
    return _BEFORE_A_YES.get(found.state, (YES,)) if found.in_force else ()


def objections_of(found: Agreement) -> Sequence[Choice]:
    """Return what a person can say about an objection."""
    return () if not found.can_object else (LIFT,) if found.objected else (OBJECT,)


async def question(visitor: Visitor) -> Result:
    """Ask for the person's yes."""
    return _question(await find(visitor), [])


async def choose(visitor: Visitor) -> Result:
    """Take the choice on to the check."""
    found = await find(visitor)
    said = visitor.form.get("say", "")
    if said == LEAVE:
        return Away(found.href)
    if said not in {choice.value for choice in choices_of(found)}:
        return _question(found, [Mistake("say", mark("Select your answer"))])
    return Away(f"{found.href}/check?say={said}")


async def objection(visitor: Visitor) -> Result:
    """Ask whether the person objects."""
    return _objection(await find(visitor), [])


async def choose_objection(visitor: Visitor) -> Result:
    """Take the objection on to the check."""
    found = await find(visitor)
    said = visitor.form.get("say", "")
    if said == LEAVE:
        return Away(found.href)
    if said not in {choice.value for choice in objections_of(found)}:
        return _objection(found, [Mistake("say", mark("Select your answer"))])
    return Away(f"{found.href}/check?say={said}")


async def check(visitor: Visitor) -> Result:
    """Show the answer before it is sent."""
    found = await find(visitor)
    choice = choice_of(found, visitor.query.get("say", ""))
    if choice is None:
        return Away(found.href)
    back = f"{found.href}/{'answer' if choice in choices_of(found) else 'object'}"
    return Page("check.html", {"agreement": found, "choice": choice, "change": back}, section=SECTION, back=back)


async def say(visitor: Visitor) -> Result:
    """Send the answer to the body, and show its receipt."""
    found = await find(visitor)
    choice = choice_of(found, visitor.form.get("say", ""))
    if choice is None:
        return Away(found.href)
    kind = "objections" if choice in (OBJECT, LIFT) else "consents"
    answer = await visitor.ask(found.department, "PUT", address("me", kind, found.name), json={"state": choice.value})
    event = event_of(answer)
    return Away(address("receipts", found.department, event) + "?said=now" if event else found.href)


def choice_of(found: Agreement, value: str) -> Choice | None:
    """Return the choice of that name if it can be made as things stand."""
    return next((choice for choice in (*choices_of(found), *objections_of(found)) if choice.value == value), None)


def _question(found: Agreement, mistakes: Sequence[Mistake]) -> Page:
    values: Mapping[str, Any] = {"agreement": found, "choices": choices_of(found)}
    return Page("answer.html", values, 400 if mistakes else 200, mistakes, SECTION, back=found.href)


def _objection(found: Agreement, mistakes: Sequence[Mistake]) -> Page:
    values: Mapping[str, Any] = {"agreement": found, "choices": objections_of(found)}
    return Page("object.html", values, 400 if mistakes else 200, mistakes, SECTION, back=found.href)
