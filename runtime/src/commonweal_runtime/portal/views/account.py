"""A person's own account: how they may be contacted, and where they are signed in. Both are kept by the issuer, which alone knows the account."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from commonweal_runtime.exceptions import DepartmentAnswerError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.languages import mark
from commonweal_runtime.portal.pages import Away, Mistake, Page, Result
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.asked import stop_first
from commonweal_runtime.portal.visitor import Visitor

SECTION = "/account"
CONTACT, SESSIONS = "/account/contact", "/account/sessions"
CHANNELS = {"email": mark("Email"), "text": mark("Text message"), "letter": mark("Letter"), "app": mark("An app")}
TOPICS = {
    "deadlines": mark("Dates that I must not miss"),
    "changes": mark("Changes to agreements about me"),
    "offers": mark("Help that I may have a right to"),
}
_TIME = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Form:
    """The form as it is filled in."""

    channels: Sequence[str]
    topics: Sequence[str]
    language: str
    quiet: str
    quiet_from: str
    quiet_to: str
    paused: str
    day: str
    month: str
    year: str


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, SECTION, account),
        frame.page(portal, CONTACT, contact),
        frame.form(portal, CONTACT, send_contact),
        frame.page(portal, SESSIONS, sessions),
        frame.form(portal, SESSIONS, end_sessions),
    ]


async def account(_visitor: Visitor) -> Result:
    """Show what there is to do about the account and over all bodies."""
    return Page("account.html", section=SECTION)


async def contact(visitor: Visitor) -> Result:
    """Show how the person may be contacted."""
    stopped = stop_first(visitor, SECTION)
    if stopped is not None:
        return stopped
    kept = await visitor.issuer("GET", "/me/preferences")
    return _contact(form_of(kept), saved=visitor.query.get("saved") == "yes")


async def send_contact(visitor: Visitor) -> Result:
    """Keep how the person may be contacted; a form with a mistake comes back as it was filled in."""
    form = filled_in(visitor.form)
    mistakes = mistakes_of(form, visitor.cookies.now())
    if mistakes:
        return _contact(form, mistakes)
    await visitor.issuer("PUT", "/me/preferences", json=wanted_of(form))
    return Away(f"{CONTACT}?saved=yes")


def _contact(form: Form, mistakes: Sequence[Mistake] = (), *, saved: bool = False) -> Page:
    values = {"form": form, "channels": CHANNELS, "topics": TOPICS, "saved": saved}
    return Page("contact.html", values, 400 if mistakes else 200, mistakes, SECTION, back=SECTION)


def form_of(kept: Mapping[str, Any]) -> Form:
    """Return the form that shows what is kept."""
    quiet, paused = kept.get("quietHours") or {}, str(kept.get("pausedUntil") or "")
    year, month, day = paused.split("-") if paused else ("", "", "")
    return Form(
        channels=[name for name in CHANNELS if kept["channels"].get(name)],
        topics=[name for name in TOPICS if kept["topics"].get(name)],
        language=str(kept.get("language") or "en"),
        quiet="yes" if quiet else "no",
        quiet_from=str(quiet.get("from") or ""),
        quiet_to=str(quiet.get("to") or ""),
        paused="yes" if paused else "no",
        day=day.lstrip("0"),
        month=month.lstrip("0"),
        year=year,
    )


def filled_in(fields: Mapping[str, str]) -> Form:
    """Return the form that a browser sent."""
    text = {
        name: fields.get(name, "").strip() for name in ("language", "quiet", "quiet_from", "quiet_to", "paused", "day", "month", "year")
    }
    return Form(
        channels=[name for name in CHANNELS if name in fields.get("channels", "").split()],
        topics=[name for name in TOPICS if name in fields.get("topics", "").split()],
        **text,
    )


def mistakes_of(form: Form, now: float) -> list[Mistake]:
    """Return what is wrong, in the order of the page."""
    found = []
    if form.language not in ("en", "cy"):
        found.append(Mistake("language", mark("Select English or Welsh")))
    if form.quiet == "yes":
        found += _quiet_mistakes(form)
    if form.paused == "yes":
        until, today = day_of(form), datetime.fromtimestamp(now, UTC).date()
        if until is None:
            found.append(Mistake("paused-day", mark("Enter a real date, such as 27 3 2027")))
        elif not 0 <= (until - today).days <= 366:
            found.append(Mistake("paused-day", mark("Enter a date from today to a year from now")))
    return found


def _quiet_mistakes(form: Form) -> list[Mistake]:
    begins, ends = time_of(form.quiet_from), time_of(form.quiet_to)
    found = []
    if not begins:
        found.append(Mistake("quiet_from", mark("Enter when quiet hours start, such as 22:00")))
    if not ends:
        found.append(Mistake("quiet_to", mark("Enter when quiet hours end, such as 7:00")))
    if begins and begins == ends:
        found.append(Mistake("quiet_to", mark("Quiet hours must end at another time than they start")))
    return found


def time_of(text: str) -> str:
    """Return a time of day as it is kept, empty for what is none."""
    found = _TIME.fullmatch(text)
    return f"{int(found[1]):02}:{found[2]}" if found else ""


def day_of(form: Form) -> date | None:
    """Return the day that three fields name."""
    try:
        return date(int(form.year), int(form.month), int(form.day))
    except ValueError:
        return None


def wanted_of(form: Form) -> dict[str, Any]:
    """Return what the issuer is to keep; the form has no mistakes."""
    until = day_of(form) if form.paused == "yes" else None
    quiet = {"from": time_of(form.quiet_from), "to": time_of(form.quiet_to)} if form.quiet == "yes" else None
    return {
        "channels": {name: name in form.channels for name in CHANNELS},
        "language": form.language,
        "quietHours": quiet,
        "topics": {name: name in form.topics for name in TOPICS},
        "pausedUntil": until.isoformat() if until else None,
    }


async def sessions(visitor: Visitor) -> Result:
    """Show where the person is signed in."""
    stopped = stop_first(visitor, SECTION)
    if stopped is not None:
        return stopped
    found = await visitor.issuer("GET", "/me/sessions")
    values = {"sessions": found["sessions"], "ended": visitor.query.get("ended") == "yes"}
    return Page("sessions.html", values, section=SECTION, back=SECTION)


async def end_sessions(visitor: Visitor) -> Result:
    """End one of the person's other sessions, or all others. One that is over already is no mistake."""
    which = visitor.form.get("session", "")
    if which != "others" and not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", which):
        return Away(SESSIONS)
    try:
        await visitor.issuer("DELETE", "/me/sessions" if which == "others" else f"/me/sessions/{which}")
    except DepartmentAnswerError as error:
        if error.status != 404:
            raise
    return Away(f"{SESSIONS}?ended=yes")
