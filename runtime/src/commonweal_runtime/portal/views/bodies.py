"""Public bodies: which know the person, which can be added, which do not answer; and one of them with what can be done about the link."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.departments import Department, Reply, State
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.shown import missing_of
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/bodies"
LONGEST_DISPUTE = 1000


class Link(StrEnum):
    """How a person stands to a body."""

    LINKED = "Linked"
    UNLINKED = "Unlinked"
    FROZEN = "Frozen"
    REFERRED = "Referred"
    FOUND = "Found"  # confirmed by the body, and not with the issuer yet
    NOT_OFFERED = "NotOffered"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Body:
    """A body as the list shows it."""

    name: str
    title: Words
    link: Link
    since: str
    contact: str

    @property
    def href(self) -> str:
        """The page of this body."""
        return address("bodies", self.name)


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    one = "/bodies/{department:str}"
    return [
        frame.page(portal, "/bodies", bodies),
        frame.page(portal, one, body),
        frame.page(portal, f"{one}/wrong", dispute),
        frame.form(portal, f"{one}/wrong", send_dispute),
        frame.page(portal, f"{one}/remove", remove),
        frame.form(portal, f"{one}/remove", send_removal),
    ]


async def bodies(visitor: Visitor) -> Result:
    """Show all bodies of the site."""
    replies, linked = await asyncio.gather(visitor.gather("/me/link"), links(visitor))
    listed = bodies_of(replies, linked, visitor.language)
    return Page("bodies.html", {"groups": groups_of(listed), "missing": missing_of(replies, visitor.language)}, section=SECTION)


async def links(visitor: Visitor) -> Mapping[str, str]:
    """Return since when the person is linked, by department, as the issuer has it."""
    found = await visitor.issuer("GET", "/me/links")
    listed = found.get("links", []) if isinstance(found, dict) else []
    return {entry["department"]: str(entry.get("since") or "") for entry in listed}


def bodies_of(replies: Iterable[Reply], linked: Mapping[str, str], language: Language) -> list[Body]:
    """Return the bodies with how the person stands to each: what the body says itself, or while it does not, what the issuer has."""
    return [body_of(reply, linked, language) for reply in replies]


def body_of(reply: Reply, linked: Mapping[str, str], language: Language) -> Body:
    """Return one body."""
    department, told = reply.department, reply.value if isinstance(reply.value, dict) else {}
    return Body(
        department.name,
        language.words(department.display_name),
        _link(reply, told, linked=department.name in linked),
        str(told.get("since") or linked.get(department.name, "")),
        department.contact,
    )


def _link(reply: Reply, told: Mapping[str, Any], *, linked: bool) -> Link:
    if reply.reason == "LinkFrozen":
        return Link.FROZEN
    if reply.state is State.ANSWERED and told.get("state") in {link.value for link in Link}:
        return Link(told["state"])
    if linked:
        return Link.LINKED
    return Link.UNKNOWN if reply.state in (State.SLOW, State.DOWN) else Link.NOT_OFFERED


def groups_of(listed: Iterable[Body]) -> Mapping[str, list[Body]]:
    """Return the bodies by what a person can do about them, each group by name."""
    ordered = sorted(listed, key=lambda body: body.title.text.lower())
    return {
        "linked": [b for b in ordered if b.link in (Link.LINKED, Link.FROZEN)],
        "open": [b for b in ordered if b.link in (Link.UNLINKED, Link.REFERRED, Link.FOUND)],
        "closed": [b for b in ordered if b.link is Link.NOT_OFFERED],
        "unknown": [b for b in ordered if b.link is Link.UNKNOWN],
    }


async def one_body(visitor: Visitor) -> tuple[Department, Body]:
    """Return the department of the address with how the person stands to it. Raises DepartmentAnswerError for one that there is not."""
    department = await visitor.reached.departments.one(visitor.params["department"])
    replies, linked = await asyncio.gather(visitor.gather("/me/link", [department.name]), links(visitor))
    return department, body_of(replies[0], linked, visitor.language)


async def body(visitor: Visitor) -> Result:
    """Show one body."""
    _, found = await one_body(visitor)
    return Page("body.html", {"body": found}, section=SECTION, back=SECTION)


async def dispute(visitor: Visitor) -> Result:
    """Ask what is wrong about a link."""
    return _dispute(await _linked(visitor))


async def send_dispute(visitor: Visitor) -> Result:
    """Tell the body that the link is wrong, which stops it at once."""
    found = await _linked(visitor)
    text = visitor.form.get("text", "").strip()
    if not text:
        return _dispute(found, Mistake("text", mark("Say what is wrong")))
    if len(text) > LONGEST_DISPUTE:
        return _dispute(found, Mistake("text", mark("Say it in 1000 characters or fewer")), text)
    await visitor.ask(found.name, "POST", "/me/link/dispute", json={"text": text})
    return Away(found.href)


async def remove(visitor: Visitor) -> Result:
    """Ask whether a link is to end."""
    found = await _linked(visitor)
    return Page("body_remove.html", {"body": found}, section=SECTION, back=found.href)


async def send_removal(visitor: Visitor) -> Result:
    """End a link: the body records it, then the issuer forgets who the person is to it."""
    found = await _linked(visitor)
    if visitor.form.get("remove") not in ("yes", "no"):
        mistakes = [Mistake("remove", mark("Select yes or no"))]
        return Page("body_remove.html", {"body": found}, 400, mistakes, SECTION, back=found.href)
    if visitor.form["remove"] == "no":
        return Away(found.href)
    await visitor.ask(found.name, "DELETE", "/me/link")
    await visitor.issuer("DELETE", f"/me/links/{found.name}")
    visitor.reached.tokens.forget_at(visitor.session, found.name)
    return Away(SECTION)


async def _linked(visitor: Visitor) -> Body:
    department, found = await one_body(visitor)
    if found.link is Link.UNKNOWN:
        raise DepartmentSilentError(department.name)
    if found.link is Link.FROZEN:
        raise DepartmentAnswerError(department.name, 403, "LinkFrozen")
    if found.link is not Link.LINKED:
        raise DepartmentAnswerError(department.name, 404, "NotFound")
    return found


def _dispute(found: Body, mistake: Mistake | None = None, text: str = "") -> Page:
    mistakes = [mistake] if mistake else []
    return Page("body_wrong.html", {"body": found, "text": text}, 400 if mistake else 200, mistakes, SECTION, back=found.href)
