"""What a request may say, and the refusal when it says something else."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import orjson

from commonweal_runtime.problems import Problem, invalid_request

MOST_FIELDS = 100
MOST_ROWS = 1000
LONGEST_BODY = 1024
FIRST = UUID(int=0)
_LONGEST_FIELDS = 8192


def subject_of(text: str) -> UUID:
    """Return the subject in a path."""
    return _uuid(text, "The subject in the address")


def after_of(query: Mapping[str, str]) -> UUID:
    """Return where a page begins."""
    return _uuid(query["after"], "The parameter after") if "after" in query else FIRST


def _uuid(text: str, what: str) -> UUID:
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise invalid_request(f"{what} is not a UUID.", "Write a pairwise id of this department as 8-4-4-4-12 hexadecimal digits.")


def limit_of(query: Mapping[str, str]) -> int:
    """Return how many records a page may have."""
    text = query.get("limit", "100")
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_ROWS:
        return int(text)
    raise invalid_request("The parameter limit is out of range.", f"Write a whole number from 1 to {MOST_ROWS}.")


def before_of(query: Mapping[str, str], newest: int) -> int:
    """Return where a page of uses begins."""
    text = query.get("before")
    if text is None:
        return newest
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    raise invalid_request("The parameter before is not a number.", "Write `next` of the page before, or leave it out.")


def fields_of(query: Mapping[str, str]) -> list[str] | None:
    """Return the fields asked for, sorted and once each, or None for all that are agreed."""
    text = query.get("fields")
    if text is None:
        return None
    if len(text) > _LONGEST_FIELDS:
        raise invalid_request("The parameter fields is too long.", f"Name at most {MOST_FIELDS} fields.")
    names = sorted({name.strip() for name in text.split(",")})
    if not all(names) or len(names) > MOST_FIELDS:
        raise invalid_request("The parameter fields holds an empty name or too many.", f"Name 1 to {MOST_FIELDS} fields, comma-separated.")
    return names


def state_of(body: bytes, yes: str, no: str) -> bool:
    """Return whether the body says `yes`; anything but the two states is refused."""
    refused: Problem = invalid_request("The body is not understood.", f'Send {{"state": "{yes}"}} or {{"state": "{no}"}}.')
    if len(body) > LONGEST_BODY:
        raise refused
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise refused from None
    if not isinstance(said, dict) or set(said) != {"state"} or said["state"] not in (yes, no):
        raise refused
    return bool(said["state"] == yes)
