"""Complaints: about a use, an agreement, a link or a body as a whole; and all that were made, with their state, their term and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Reply
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.merging import moment_of
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import asked
from commonweal_runtime.portal.views.shown import items_of, missing_of
from commonweal_runtime.portal.views.terms import STATES, word_of
from commonweal_runtime.portal.visitor import Visitor

SECTION, COMPLAINTS, NEW = "/account", "/complaints", "/complaints/new"
LONGEST = 2000
MOST = 100  # of each body


@dataclass(frozen=True, slots=True)
class About:
    """What a complaint is about: at most one of them is filled in."""

    body: str
    use: str
    agreement: str
    link: str

    @property
    def sent(self) -> dict[str, Any]:
        """What the body takes."""
        if self.use:
            return {"use": self.use}
        if self.agreement:
            return {"agreement": self.agreement}
        return {"link": True} if self.link else {}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint as the list shows it."""

    body: Words
    about: str
    href: str
    text: str
    made: str
    due: str
    open: bool
    overdue: bool
    state: str
    answer: Words
    answered: str


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, COMPLAINTS, complaints),
        frame.page(portal, NEW, new),
        frame.form(portal, NEW, send),
    ]


async def complaints(visitor: Visitor) -> Result:
    """Show all complaints, the newest first."""
    names = await asked(visitor)
    replies = await visitor.gather(f"/me/complaints?limit={MOST}", names)
    now = visitor.cookies.now()
    found = [complaint_of(reply, item, visitor.language, now) for reply in replies for item in items_of(reply)]
    values = {
        "complaints": sorted(found, key=lambda complaint: moment_of(complaint.made), reverse=True),
        "linked": bool(names),
        "sent": visitor.query.get("sent") == "yes",
        "missing": missing_of(replies, visitor.language),
    }
    return Page("complaints.html", values, section=SECTION, back=SECTION)


def complaint_of(reply: Reply, item: Mapping[str, Any], language: Language, now: float) -> Complaint:
    """Return a complaint as the list shows it."""
    about, name = item.get("about") or {}, reply.department.name
    is_open, due = item.get("state") == "Open", str(item.get("due") or "")
    what, href = about_of(about, name)
    return Complaint(
        body=language.words(reply.department.display_name),
        about=what,
        href=href,
        text=str(item.get("text") or ""),
        made=str(item.get("made") or ""),
        due=due,
        open=is_open,
        overdue=is_open and moment_of(due).timestamp() < now,
        state=word_of(STATES, item.get("state")),
        answer=language.words(item.get("answer")),
        answered=str(item.get("answeredAt") or ""),
    )


def about_of(about: Mapping[str, Any], department: str) -> tuple[str, str]:
    """Return what a complaint is about in words, and the page of it where there is one."""
    if "use" in about:
        return mark("A use of your information"), address("uses", department, str(about["use"]), "check")
    if "agreement" in about:
        return mark("An agreement"), address("agreements", department, str(about["agreement"]))
    return (mark("Your link to this body"), address("bodies", department)) if about.get("link") else (mark("The body as a whole"), "")


async def new(visitor: Visitor) -> Result:
    """Ask what is wrong."""
    return await _new(visitor, about_in(visitor.query))


async def send(visitor: Visitor) -> Result:
    """Send a complaint. What was written stays when something is wrong with it."""
    about, text = about_in(visitor.form), visitor.form.get("text", "").replace("\r\n", "\n").strip()
    mistakes = mistakes_of(about, text, await asked(visitor))
    if mistakes:
        return await _new(visitor, about, text, mistakes)
    await visitor.ask(about.body, "POST", "/me/complaints", json={"about": about.sent, "text": text})
    return Away(f"{COMPLAINTS}?sent=yes")


def about_in(fields: Mapping[str, str]) -> About:
    """Return what a complaint is about, as an address or a form has it."""
    return About(*(fields.get(name, "").strip()[:40] for name in ("body", "use", "agreement", "link")))


def mistakes_of(about: About, text: str, names: Sequence[str]) -> list[Mistake]:
    """Return what is wrong, in the order of the page."""
    found = []
    if about.body not in names:
        found.append(Mistake("body", mark("Select a public body")))
    if not text:
        found.append(Mistake("text", mark("Say what is wrong")))
    elif len(text) > LONGEST:
        found.append(Mistake("text", mark("Say it in 2000 characters or fewer")))
    elif not all(character.isprintable() or character == "\n" for character in text):
        found.append(Mistake("text", mark("Use letters, digits and signs only")))
    return found


async def _new(visitor: Visitor, about: About, text: str = "", mistakes: Sequence[Mistake] = ()) -> Page:
    known = await visitor.reached.departments.all()
    bodies = {name: visitor.language.words(known[name].display_name) for name in await asked(visitor)}
    chosen = about if about.body in bodies else About("", "", "", "")
    subject, _ = about_of(chosen.sent, chosen.body)
    here = f"{NEW}?{urlencode({name: value for name in ('body', 'use', 'agreement', 'link') if (value := getattr(chosen, name))})}"
    values = {"about": chosen, "subject": subject if chosen.sent else "", "bodies": bodies, "text": text, "here": here}
    return Page("complaint.html", values, 400 if mistakes else 200, mistakes, SECTION, back=COMPLAINTS)
