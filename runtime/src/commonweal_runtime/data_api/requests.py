"""What a request may say, and the refusal when it says something else."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from litestar import Request

from commonweal_runtime.bodies import UUID_FORM, shown
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.problems import invalid_request

MOST_FIELDS = 100
MOST_ROWS = 1000
LONGEST_BODY = 32 * 1024  # an answer in two languages, each character escaped
FIRST = UUID(int=0)
NEWEST = 2**62
_LONGEST_FIELDS = 8192
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ID = "Write a pairwise id of this department as 8-4-4-4-12 hexadecimal digits."

Query = dict[str, str]


def query_of(request: Request[Any, Any, Any], *known: str) -> Query:
    """Return the query with one value per name; what is unknown or given twice is refused rather than passed over or guessed at."""
    query: Query = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise invalid_request(
                f"There is no parameter {shown(name)} here.", f"Known here: {', '.join(known)}." if known else "Leave the query out."
            )
        if name in query:
            raise invalid_request(f"The parameter {name} is given twice.", "Give each parameter once.")
        query[name] = value
    return query


def header_of(request: Request[Any, Any, Any], name: str) -> str | None:
    """Return a header, or None; one that stands twice is refused."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise invalid_request(f"The header {name} stands twice.", "Send it once.")
    return values[0] if values else None


def subject_of(text: str) -> UUID:
    """Return the subject in a path."""
    return uuid_of(text, "The subject in the address")


def after_of(query: Query) -> UUID:
    """Return where a page begins."""
    return uuid_of(query["after"], "The parameter after") if "after" in query else FIRST


def delegated_of(text: str) -> UUID:
    """Return the person whom a header On-Behalf-Of names."""
    return uuid_of(text, "The header On-Behalf-Of")


def delegation_id_of(text: str) -> UUID:
    """Return the delegation in a path."""
    return uuid_of(text, "The delegation in the address", "Write the `id` of a delegation, as in /me/delegations.")


def complaint_id_of(text: str) -> UUID:
    """Return the complaint in a path."""
    return uuid_of(text, "The complaint in the address", "Write the `id` of a complaint, as in /v1/complaints.")


def uuid_of(text: object, what: str, remedy: str = _ID) -> UUID:
    """Return a UUID in its usual form; `what` names the place where it stands."""
    if isinstance(text, str) and UUID_FORM.fullmatch(text):
        return UUID(text)
    raise invalid_request(f"{what} is not a UUID.", remedy)


def name_of(text: str, missing: ProblemError) -> str:
    """Return the name of an agreement or a product; what cannot be one is not there."""
    if not NAME.fullmatch(text):
        raise missing
    return text


def number_of(text: str) -> int:
    """Return the number of a use or an event in a path."""
    if _number(text):
        return int(text)
    raise invalid_request("What the address names is not a number.", "Write the `id` of a use or the `event` of a receipt.")


def limit_of(query: Query) -> int:
    """Return how many records a page may have."""
    text = query.get("limit", "100")
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_ROWS:
        return int(text)
    raise invalid_request("The parameter limit is out of range.", f"Write a whole number from 1 to {MOST_ROWS}.")


def before_of(query: Query, newest: int) -> int:
    """Return where a page that goes back in time begins."""
    return _position(query, "before", newest)


def seal_after(query: Query) -> int:
    """Return the seal after which a page of seals begins."""
    return _position(query, "after", 0)


def _position(query: Query, name: str, otherwise: int) -> int:
    text = query.get(name)
    if text is None:
        return otherwise
    if _number(text):
        return int(text)
    raise invalid_request(f"The parameter {name} is not a number.", "Write `next` of the page before, or leave it out.")


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def fields_of(query: Query) -> list[str] | None:
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
