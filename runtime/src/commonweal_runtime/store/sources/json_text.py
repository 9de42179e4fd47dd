"""JSON as a source writes it: a number stays the text that it was written as, and each value has the canonical text of docs/reference/types.md. Pure."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

from commonweal_runtime.exceptions import JsonRefusedError
from commonweal_runtime.store.sources.contract import UNREADABLE

MOST_VALUES = 500_000  # of a document: each takes far more memory than its text
MOST_DIGITS = 1000  # that an exponent may stand for
ABSENT: Final = object()
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_LONGEST_NAME = 60


class Number(str):
    """A number, as it is written."""

    __slots__ = ()


def document(body: bytes) -> Any:
    """Return what a JSON text says: objects, lists, texts, `Number`, True, False, None. JsonRefusedError for anything that two readers could read in two ways.

    Bytes that are no UTF-8 spoil the text that they are in and no other.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") >= MOST_VALUES:
        raise JsonRefusedError(f"holds more than {MOST_VALUES} values; ask for smaller pages")
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise JsonRefusedError(_fault(text, error.pos)) from None
    except RecursionError:
        raise JsonRefusedError("is nested too deep to be read") from None


def _fault(text: str, at: int) -> str:
    start = text.lstrip()[:1]
    if not start:
        return "is empty instead of JSON"
    if start == "<":
        return "is HTML or XML instead of JSON; see whether the API sends to a page of sign-in, or needs a header Accept"
    if not text[at:].strip():
        return "is cut off in the middle of its JSON"
    return f"is no JSON (from character {at + 1} on)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise JsonRefusedError(f"has an object with the member «{shown(name)}» twice, and nothing says which one is meant")
    return found


def _constant(name: str) -> Any:
    raise JsonRefusedError(f"has the word {name}, which is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_constant)


def shown(name: str) -> str:
    """Return a member's name as a message may show it."""
    return "".join(c if c.isprintable() else "?" for c in name[:_LONGEST_NAME])


def path_of(name: str) -> tuple[str, ...]:
    """Return the steps of a JSON pointer (RFC 6901), or of the plain name of a member."""
    if not name.startswith("/"):
        return (name,)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in name[1:].split("/"))


def at(value: Any, path: tuple[str, ...]) -> Any:
    """Return what lies at a path; ABSENT where nothing does."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, ABSENT)
        elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return ABSENT
    return value


def text_of(value: Any) -> str | None:
    """Return the canonical text of a value; None for null and what is absent, `UNREADABLE` for an object, a list and a text that is no Unicode."""
    if value is None or value is ABSENT:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return number(value)
    if isinstance(value, str):
        return UNREADABLE if _SURROGATE.search(value) else value
    return UNREADABLE


def number(written: str) -> str:
    """Return a number of JSON in plain digits with the scale that it is written with; one that would be too long stays as it is written."""
    plain = str(written)
    mantissa, sign, exponent = plain.lower().partition("e")
    if sign:
        if len(exponent) > len("+000") or abs(int(exponent)) > MOST_DIGITS:
            return plain
        plain = format(Decimal(f"{mantissa}e{exponent}"), "f")
    return plain.lstrip("-") if plain.startswith("-") and not plain.strip("-0.") else plain
