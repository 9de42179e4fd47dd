"""Adding a body: what it wants as proof, whether it found the right person, and the link. Nothing tells whether there is a record before the person has proved it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.languages import Language, Words, mark
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result, address
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.bodies import SECTION, Body, Link, one_body
from commonweal_runtime.portal.visitor import Visitor

WRONG_CODE = "CodeWrong"
MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a body wants as proof, with what was typed."""

    name: str
    kind: str
    label: Words
    hint: Words
    typed: Mapping[str, str]

    @property
    def id(self) -> str:
        """The id of the field, or of the first of a date's three, which an error leads to."""
        return f"proof-{self.name}-day" if self.kind == "date" else f"proof-{self.name}"


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    one = "/bodies/{department:str}"
    return [
        frame.page(portal, f"{one}/add", prove),
        frame.form(portal, f"{one}/add", send_proof),
        frame.form(portal, f"{one}/add/found", confirm),
        frame.page(portal, f"{one}/added", added),
    ]


async def prove(visitor: Visitor) -> Result:
    """Ask for what the body wants as proof."""
    found, told = await _offer(visitor)
    if found.link is Link.LINKED:
        return Away(found.href)
    return _proof_page(found, asked_of(told, visitor.language, {}), [])


async def send_proof(visitor: Visitor) -> Result:
    """Take the proof, and show what the body found with it."""
    found, told = await _offer(visitor)
    asked = asked_of(told, visitor.language, visitor.form)
    values, mistakes = values_of(asked)
    if mistakes:
        return _proof_page(found, asked, mistakes)
    answer = await visitor.ask(found.name, "POST", "/me/link", json={"values": values})
    if answer.get("state") == "Found":
        return _found_page(visitor, found, answer, [])
    return Page("add_referred.html", {"body": found, "told": _referred(answer)}, section=SECTION, back=SECTION)


async def confirm(visitor: Visitor) -> Result:
    """Take the answer to "is this you?", and link."""
    found, _ = await _offer(visitor)
    answer = orjson.loads(visitor.unwrap(visitor.form.get("found", "")))
    said, code = visitor.form.get("you"), visitor.form.get("code", "").strip()
    mistakes = mistakes_of(said, code, wants_code=bool(answer.get("code")))
    if mistakes:
        return _found_page(visitor, found, answer, mistakes)
    if said == "no":
        return Page("add_not_you.html", {"body": found}, section=SECTION, back=SECTION)
    try:
        given = await visitor.ask(
            found.name, "POST", "/me/link/confirmation", json={"ticket": answer["ticket"], **({"code": code} if code else {})}
        )
    except DepartmentAnswerError as error:
        if error.reason != WRONG_CODE:
            raise
        return _found_page(visitor, found, answer, [Mistake("code", mark("Enter the code as it is in the message"))])
    await visitor.issuer("POST", "/me/links", json={"linkToken": given["linkToken"]})
    visitor.reached.tokens.forget_at(visitor.session, found.name)
    visitor.reached.departments.forget(visitor.session, found.name)
    return Away(f"{found.href}/added")


async def added(visitor: Visitor) -> Result:
    """Say that a body was added, and what comes next."""
    _, found = await one_body(visitor)
    if found.link is not Link.LINKED:
        return Away(found.href)
    return Page("added.html", {"body": found}, section=SECTION)


def asked_of(told: Mapping[str, Any], language: Language, form: Mapping[str, str]) -> list[Asked]:
    """Return what a body wants as proof, with what a form holds of it; nothing where it found the person before, and only the link was lost."""
    if told.get("state") == Link.FOUND.value:
        return []
    listed = [entry for entry in told.get("proof") or [] if isinstance(entry, dict) and isinstance(entry.get("field"), str)]
    return [
        Asked(
            entry["field"],
            str(entry.get("kind") or "text"),
            language.words(entry.get("label") or entry["field"]),
            language.words(entry.get("description")),
            {part: form.get(f"{entry['field']}-{part}", "").strip() for part in ("day", "month", "year")}
            if entry.get("kind") == "date"
            else {"text": form.get(entry["field"], "").strip()},
        )
        for entry in listed[:MOST_FIELDS]
    ]


def values_of(asked: Iterable[Asked]) -> tuple[dict[str, str], list[Mistake]]:
    """Return the values as the body takes them, and what is wrong about those that cannot be."""
    values, mistakes = {}, []
    for one in asked:
        value, wrong = _date_of(one.typed) if one.kind == "date" else _text_of(one)
        values[one.name] = value
        if wrong:
            mistakes.append(Mistake(one.id, wrong))
    return values, mistakes


def mistakes_of(said: str | None, code: str, *, wants_code: bool) -> list[Mistake]:
    """Return what is wrong about the answer to "is this you?"."""
    if said not in ("yes", "no"):
        return [Mistake("you", mark("Select yes if this is you"))]
    return [Mistake("code", mark("Enter the code that we sent you"))] if said == "yes" and wants_code and not code else []


def _text_of(one: Asked) -> tuple[str, str]:
    text = one.typed["text"]
    if not text:
        return "", mark("Enter what is asked for")
    if one.kind == "digits" and not text.replace(" ", "").isdecimal():
        return text, mark("Enter numbers only")
    return text, "" if len(text) <= 200 else mark("Enter 200 characters or fewer")


def _date_of(typed: Mapping[str, str]) -> tuple[str, str]:
    if not any(typed.values()):
        return "", mark("Enter a date")
    try:
        return date(int(typed["year"]), int(typed["month"]), int(typed["day"])).isoformat(), ""
    except ValueError:
        return "", mark("Enter a real date, for example 27 3 1987")


async def _offer(visitor: Visitor) -> tuple[Body, Mapping[str, Any]]:
    """Return the body, and how it links people. Raises DepartmentAnswerError where it does not."""
    department, found = await one_body(visitor)
    told = await visitor.ask(department.name, "GET", "/me/link")
    if told.get("state") == "NotOffered":
        raise DepartmentAnswerError(department.name, 404, "LinkNotOffered")
    return found, told


def _proof_page(found: Body, asked: Sequence[Asked], mistakes: Sequence[Mistake]) -> Page:
    return Page("add.html", {"body": found, "asked": asked}, 400 if mistakes else 200, mistakes, SECTION, back=SECTION)


def _found_page(visitor: Visitor, found: Body, answer: Mapping[str, Any], mistakes: Sequence[Mistake]) -> Page:
    kept = {key: answer.get(key) for key in ("preview", "ticket", "code")}
    values = {
        "body": found,
        "preview": [(visitor.language.words(entry.get("label")), str(entry.get("value", ""))) for entry in answer.get("preview") or []],
        "hint": (answer.get("code") or {}).get("hint", ""),
        "wants_code": bool(answer.get("code")),
        "said": visitor.form.get("you", ""),
        "found": visitor.wrap(orjson.dumps(kept).decode()),
        "action": address("bodies", found.name, "add", "found"),
    }
    return Page("add_found.html", values, 400 if mistakes else 200, mistakes, SECTION, back=f"{found.href}/add", here=f"{found.href}/add")


def _referred(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"reference": str(answer.get("reference") or ""), "says": answer.get("says") or ""}
