"""What the bodies of all requests have in common: they are Pydantic models, from which requests are checked and OpenAPI is made.

A body that breaks a rule is refused with the place and the remedy. Its values are never repeated, for they can be about people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from commonweal_runtime.problems import invalid_request

Schema = dict[str, Any]
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LONGEST_MOMENT = 40
LONGEST_PLACE, LONGEST_PART = 8, 40


class Body(BaseModel):
    """A frozen request body; an unknown member is refused rather than lost, and nothing is turned into another type. `form` says what to send."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    form: ClassVar[str] = "Send the request again."


B = TypeVar("B", bound=Body)


def parse(kind: type[B], data: bytes) -> B:
    """Return the body, or raise the problem that names what is wrong with it."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        place, what = first_error(error)
        raise invalid_request(f"{place}: {what}.", f"Correct {place}. {kind.form}") from None


def first_error(error: ValidationError) -> tuple[str, str]:
    """Return the place and the nature of the first thing that is wrong. The names in the place can be the caller's own, so they are cut and cleaned."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(shown(str(part), LONGEST_PART) for part in first["loc"][:LONGEST_PLACE] if part not in ("bool", "str"))
    return place or "body", first["msg"]


def shown(text: str, longest: int = LONGEST_PART) -> str:
    """Return a caller's text as an answer may show it: the beginning, and printable ASCII only."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:longest])


def schema_of(kind: type[Body]) -> Schema:
    """Return the JSON Schema of a body for an OpenAPI document: definitions inlined, without the titles and docstrings that Pydantic adds."""
    schema = kind.model_json_schema()
    return _tidied(schema, schema.get("$defs", {}))


def _tidied(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if "$ref" in node:
        return _tidied(definitions[node["$ref"].rpartition("/")[2]], definitions)
    kept = {k: v for k, v in node.items() if k not in {"title", "$defs"} and (k, v) != ("default", None)}
    if "properties" in kept:
        kept.pop("description", None)
        kept["properties"] = {name: _tidied(inner, definitions) for name, inner in kept["properties"].items()}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _tidied(kept["items"], definitions)
    return kept


def once(values: Iterable[object]) -> bool:
    """Return whether no value stands twice."""
    listed = list(values)
    return len(set(listed)) == len(listed)


def _person_id(value: object) -> UUID:
    """Return a pairwise id. One form only: Pydantic would also take URNs, braces and digits without hyphens."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and UUID_FORM.fullmatch(value):
        return UUID(value)
    raise PydanticCustomError("person_id", "Input is not a UUID of 8-4-4-4-12 hexadecimal digits")


def _moment(value: object) -> datetime:
    """Return a moment in UTC. Pydantic would also take a number in a string."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= LONGEST_MOMENT else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("moment", "Input is not a time in ISO 8601 with an offset, such as 2027-01-31T12:00:00Z")


def moment_of(text: str, what: str) -> datetime:
    """Return the moment that a parameter says; `what` names it in the refusal."""
    try:
        return _moment(text)
    except PydanticCustomError:
        raise invalid_request(f"{what} is not a time.", "Write it in ISO 8601 with an offset, such as 2027-01-31T12:00:00Z.") from None


PersonId = Annotated[UUID, BeforeValidator(_person_id)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
# May be left out, which is None; null is refused, as the schema says.
MomentIfGiven = Annotated[datetime | None, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
