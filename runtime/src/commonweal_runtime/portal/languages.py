"""The portal's two languages: its own texts from catalogues, dates and lists in words, and what departments wrote, with the language that it is in.

English is in the code and the templates; `locale/cy/*.po` has the Welsh. All catalogues of the folder together are one.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LOCALE = Path(__file__).with_name("locale")
ENGLISH, WELSH = "en", "cy"
NAMES: Mapping[str, str] = {ENGLISH: "English", WELSH: "Cymraeg"}


def mark(text: str) -> str:
    """Return the text as it is. Texts in Python that templates translate are marked with it, so that they are found for the catalogues."""
    return text


@dataclass(frozen=True, slots=True)
class Words:
    """What a department wrote, and the language that it is in. `foreign` says that the page is in another one."""

    text: str
    language: str
    foreign: bool

    def __html__(self) -> Markup:
        """Return the text for a page, marked with its language where that is another than the page's."""
        return Markup('<span lang="{}">{}</span>').format(self.language, self.text) if self.foreign else escape(self.text)

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)


class Language:
    """One language of the pages."""

    def __init__(self, code: str, texts: gettext.NullTranslations) -> None:
        self.code, self._texts = code, texts

    def gettext(self, text: str) -> str:
        """Return a text of ours in this language."""
        return self._texts.gettext(text)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return a text of ours in the form that the number asks for; Welsh has six."""
        return self._texts.ngettext(one, many, count)

    def pgettext(self, context: str, text: str) -> str:
        """Return a text of ours that means something of its own in a context."""
        return self._texts.pgettext(context, text)

    def npgettext(self, context: str, one: str, many: str, count: int) -> str:
        """Return a text with a context in the form that the number asks for."""
        return self._texts.npgettext(context, one, many, count)

    def words(self, value: Any) -> Words:
        """Return what a department wrote: in this language if it did, else in the one that there is. A bare text is English."""
        given = {ENGLISH: value} if isinstance(value, str) else value if isinstance(value, Mapping) else {}
        texts = {code: text for code, text in given.items() if code in NAMES and isinstance(text, str) and text.strip()}
        code = self.code if self.code in texts else next(iter(texts), self.code)
        return Words(texts.get(code, ""), code, code != self.code)

    def day(self, value: str | date | None) -> str:
        """Return a day in words; what is no day comes back as it is."""
        found = _moment(value)
        return format_date(found, "d MMMM y", locale=self.code) if found else str(value or "")

    def moment(self, value: str | datetime | None) -> str:
        """Return a day and the time of day where people are."""
        found = _moment(value)
        if not isinstance(found, datetime):
            return self.day(value)
        here = found.astimezone(_zone())
        return self.gettext(mark("%(day)s at %(time)s")) % {
            "day": format_date(here, "d MMMM y", locale=self.code),
            "time": format_time(here, "H:mm", locale=self.code),
        }

    def listed(self, values: Iterable[object]) -> str:
        """Return several things as one says them: a, b and c."""
        return format_list([str(value) for value in values], locale=self.code)


@cache
def languages() -> Mapping[str, Language]:
    """Return the languages by their codes, read once."""
    return {ENGLISH: Language(ENGLISH, gettext.NullTranslations()), WELSH: Language(WELSH, _compiled(catalogue(LOCALE / WELSH)))}


def catalogue(folder: Path) -> Catalog:
    """Return the catalogues of a folder as one; ValueError when two of them hold the same text."""
    whole: Catalog | None = None
    for file in sorted(folder.glob("*.po")):
        with file.open("rb") as opened:
            one = read_po(opened, locale=folder.name, abort_invalid=True)
        if whole is None:
            whole = one
            continue
        for message in one:
            if message.id and (message.id, message.context) in {(m.id, m.context) for m in whole}:
                raise ValueError(f"{file.name}: {message.id!r} is in another catalogue, too. Take it out of one.")
            if message.id:
                whole[message.id] = message
    if whole is None:
        raise ValueError(f"{folder}: there is no catalogue. Add one, as docs/how-to/portal.md says.")
    return whole


def _compiled(whole: Catalog) -> gettext.GNUTranslations:
    file = io.BytesIO()
    write_mo(file, whole)
    file.seek(0)
    return gettext.GNUTranslations(file)


def _moment(value: str | date | None) -> date | None:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
    except ValueError:
        return None


@cache
def _zone() -> tzinfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # an image without the list of zones
        return UTC
