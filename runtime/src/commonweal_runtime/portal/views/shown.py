"""What several views show alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from commonweal_runtime.portal.departments import Reply, State
from commonweal_runtime.portal.languages import Language, Words, mark


class Missing(NamedTuple):
    """The bodies of which a page lacks something: those that are slow, and those that do not answer."""

    slow: Sequence[Words]
    down: Sequence[Words]


def missing_of(replies: Iterable[Reply], language: Language) -> Missing:
    """Return which bodies did not answer in time, or at all."""
    listed = list(replies)
    return Missing(
        [language.words(r.department.display_name) for r in listed if r.state is State.SLOW],
        [language.words(r.department.display_name) for r in listed if r.state is State.DOWN],
    )


def items_of(reply: Reply) -> list[dict[str, Any]]:
    """Return the items of a list that a department answered with; none for what is no list."""
    value = reply.value if isinstance(reply.value, dict) else {}
    found = value.get("items", [])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def value_in_words(value: Any, language: Language) -> str:
    """Return one value of a record as a person reads it."""
    if value is None:
        return language.gettext(mark("not known"))
    if isinstance(value, bool):
        return language.gettext(mark("yes")) if value else language.gettext(mark("no"))
    if isinstance(value, str) and len(value) >= 10 and value[4:5] == "-" and value[7:8] == "-":
        return language.moment(value) if len(value) > 10 else language.day(value)
    return str(value)
