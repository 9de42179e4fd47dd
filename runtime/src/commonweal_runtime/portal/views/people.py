"""People who act for a person, at one body each: who may, letting another one, ending it; and acting for another person oneself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Reply
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import linked, one, own, person_at, stop_first
from commonweal_runtime.portal.views.shown import items_of, missing_of
from commonweal_runtime.portal.views.terms import ACTS, TYPES, word_of
from commonweal_runtime.portal.visitor import Visitor
from commonweal_runtime.portal.visits import Acting

SECTION, PEOPLE = "/account", "/people"
GIVEN = ("Attorney", "Adviser")  # a parent is recorded by a registrar
LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Delegation:
    """One delegation as pages show it. `mine`: it lets another person act for the visitor; else it lets the visitor act for another one."""

    id: str
    department: str
    body: Words
    mine: bool
    other: str
    type: str
    acts: Sequence[str]
    agreements: Sequence[str]
    until: str
    in_force: bool

    @property
    def href(self) -> str:
        """The page of this delegation."""
        return address("people", self.department, self.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A delegation as the form has it."""

    body: str
    code: str
    type: str
    acts: Sequence[str]
    day: str
    month: str
    year: str


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    one_of_them = "/people/{department:str}/{delegation:str}"
    return [
        frame.page(portal, PEOPLE, people),
        frame.page(portal, "/people/add", add),
        frame.form(portal, "/people/add", check),
        frame.form(portal, "/people/give", give),
        frame.page(portal, f"{one_of_them}/end", end),
        frame.form(portal, f"{one_of_them}/end", send_end),
        frame.page(portal, f"{one_of_them}/act", act),
        frame.form(portal, f"{one_of_them}/act", send_act),
        frame.form(portal, "/people/stop", stop),
    ]


async def people(visitor: Visitor) -> Result:
    """Show who may act for the person, and for which people the person may act."""
    stopped = stop_first(visitor, SECTION)
    if stopped is not None:
        return stopped
    names = await linked(visitor)
    replies, codes = await asyncio.gather(own(visitor, "/me/delegations", names), _codes(visitor, names))
    found = [entry for reply in replies for entry in delegations_of(reply, codes.get(reply.department.name, ""), visitor.language)]
    values = {
        "mine": [entry for entry in found if entry.mine],
        "others": [entry for entry in found if not entry.mine],
        "codes": [(visitor.language.words(reply.department.display_name), codes[reply.department.name]) for reply in replies],
        "linked": bool(names),
        "done": visitor.query.get("done", ""),
        "missing": missing_of(replies, visitor.language),
    }
    return Page("people.html", values, section=SECTION, back=SECTION)


async def _codes(visitor: Visitor, names: Sequence[str]) -> Mapping[str, str]:
    return dict(zip(names, await asyncio.gather(*(person_at(visitor, name) for name in names)), strict=True))


def delegations_of(reply: Reply, me: str, language: Language) -> list[Delegation]:
    """Return the delegations of a body's answer that are in force or will be."""
    return [
        Delegation(
            id=str(item["id"]),
            department=reply.department.name,
            body=language.words(reply.department.display_name),
            mine=item.get("subject") == me,
            other=str(item["delegate"] if item.get("subject") == me else item["subject"]),
            type=word_of(TYPES, item.get("type")),
            acts=[word_of(ACTS, act) for act in item.get("acts", [])],
            agreements=[str(name) for name in item.get("agreements") or []],
            until=str(item.get("until") or ""),
            in_force=bool(item.get("inForce")),
        )
        for item in items_of(reply)
        if not item.get("endedAt")
    ]


async def add(visitor: Visitor) -> Result:
    """Ask who is to act for the person, where, in what and until when."""
    stopped = stop_first(visitor, PEOPLE)
    return stopped or await _add(visitor, wanted_of(visitor.query))


async def check(visitor: Visitor) -> Result:
    """Show what was filled in, to be checked before it is given."""
    stopped = stop_first(visitor, PEOPLE)
    if stopped is not None:
        return stopped
    wanted = wanted_of(visitor.form)
    names = await linked(visitor)
    mistakes = mistakes_of(wanted, names, visitor.cookies.now())
    if not mistakes and wanted.code == await person_at(visitor, wanted.body):
        mistakes = [Mistake("code", mark("This is your own code. Enter the code of the other person"))]
    if mistakes:
        return await _add(visitor, wanted, mistakes)
    values = {
        "wanted": wanted,
        "until": day_of(wanted),
        "body": visitor.language.words((await visitor.reached.departments.one(wanted.body)).display_name),
        "type": word_of(TYPES, wanted.type),
        "acts": [word_of(ACTS, act) for act in wanted.acts],
    }
    return Page("people_check.html", values, section=SECTION, back="/people/add")


async def give(visitor: Visitor) -> Result:
    """Let the other person act. What the check showed is sent as it was shown."""
    stopped = stop_first(visitor, PEOPLE)
    if stopped is not None:
        return stopped
    wanted = wanted_of(visitor.form)
    mistakes = mistakes_of(wanted, await linked(visitor), visitor.cookies.now())
    if mistakes:
        return await _add(visitor, wanted, mistakes)
    await visitor.ask(wanted.body, "POST", "/me/delegations", json=sent_of(wanted))
    return Away(f"{PEOPLE}?done=given")


async def _add(visitor: Visitor, wanted: Wanted, mistakes: Sequence[Mistake] = ()) -> Page:
    known = await visitor.reached.departments.all()
    bodies = {name: visitor.language.words(known[name].display_name) for name in await linked(visitor)}
    values = {"wanted": wanted, "bodies": bodies, "types": {name: TYPES[name] for name in GIVEN}, "acts": ACTS}
    return Page("people_add.html", values, 400 if mistakes else 200, mistakes, SECTION, back=PEOPLE)


def wanted_of(fields: Mapping[str, str]) -> Wanted:
    """Return the form as it is filled in."""
    text = {name: fields.get(name, "").strip() for name in ("body", "code", "type", "day", "month", "year")}
    text["code"] = text["code"].lower()
    return Wanted(acts=[name for name in ACTS if name in fields.get("acts", "").split()], **text)


def mistakes_of(wanted: Wanted, names: Iterable[str], now: float) -> list[Mistake]:
    """Return what is wrong, in the order of the page."""
    until, today = day_of(wanted), datetime.fromtimestamp(now, UTC).date()
    checks = (
        (wanted.body in names, Mistake("body", mark("Select a public body"))),
        (
            _is_code(wanted.code),
            Mistake("code", mark("Enter the whole code of the other person")),
        ),
        (wanted.type in GIVEN, Mistake("type", mark("Select attorney or adviser"))),
        (bool(wanted.acts), Mistake("acts", mark("Select what the person may do"))),
        (until is not None, Mistake("until-day", mark("Enter a real date, such as 27 3 2027"))),
        (until is None or until > today, Mistake("until-day", mark("Enter a date after today"))),
    )
    return [mistake for holds, mistake in checks if not holds]


def _is_code(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def day_of(wanted: Wanted) -> date | None:
    """Return the last day of a delegation."""
    try:
        return date(int(wanted.year), int(wanted.month), int(wanted.day))
    except ValueError:
        return None


def sent_of(wanted: Wanted) -> dict[str, Any]:
    """Return the delegation as a body takes it; it ends with its last day. The form has no mistakes."""
    until = day_of(wanted)
    ends = datetime.combine(until, time(23, 59, 59), UTC).isoformat() if until else ""
    return {"delegate": wanted.code, "type": wanted.type, "acts": list(wanted.acts), "until": ends}


async def end(visitor: Visitor) -> Result:
    """Ask whether a delegation is to end."""
    stopped = stop_first(visitor, PEOPLE)
    return stopped or Page("people_end.html", {"delegation": await _one(visitor)}, section=SECTION, back=PEOPLE)


async def send_end(visitor: Visitor) -> Result:
    """End a delegation, from either side."""
    stopped = stop_first(visitor, PEOPLE)
    if stopped is not None:
        return stopped
    found = await _one(visitor)
    await visitor.ask(found.department, "DELETE", f"/me/delegations/{found.id}")
    return Away(f"{PEOPLE}?done=ended")


async def act(visitor: Visitor) -> Result:
    """Say what acting for another person means, before it begins."""
    stopped = stop_first(visitor, PEOPLE)
    return stopped or Page("people_act.html", {"delegation": await _theirs(visitor)}, section=SECTION, back=PEOPLE)


async def send_act(visitor: Visitor) -> Result:
    """Begin to act for another person, at the body where that holds and nowhere else. The body checks at each request whether it still holds."""
    stopped = stop_first(visitor, PEOPLE)
    if stopped is not None:
        return stopped
    found = await _theirs(visitor)
    named = visitor.form.get("label", "").strip()[:LONGEST_LABEL]
    label = f"{named or found.other[-6:]} ({found.body.text})"
    visitor.visit = visitor.visit.model_copy(update={"acting": Acting(department=found.department, subject=found.other, label=label)})
    return Away("/uses")


async def stop(visitor: Visitor) -> Result:
    """Stop acting for another person."""
    visitor.visit = visitor.visit.model_copy(update={"acting": None})
    return Away(PEOPLE)


async def _one(visitor: Visitor) -> Delegation:
    """Return the delegation of the address, as the body has it now."""
    department = await one(visitor)
    [reply] = await own(visitor, "/me/delegations", [department.name])
    me = await person_at(visitor, department.name)
    for found in delegations_of(reply, me, visitor.language):
        if found.id == visitor.params["delegation"]:
            return found
    raise DepartmentAnswerError(
        department.name, 404 if reply.value is not None else 503, "NotFound" if reply.value is not None else "Silent"
    )


async def _theirs(visitor: Visitor) -> Delegation:
    found = await _one(visitor)
    if found.mine or not found.in_force:
        raise DepartmentAnswerError(found.department, 403, "NotDelegated")
    return found
