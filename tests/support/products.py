"""A small DataProduct for tests that need no source."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

from commonweal_api.data_product import DataProductSpec
from commonweal_api.sizes import MOST_BYTES, size_of
from support.manifests import data_product


def spec(*fields: dict[str, Any], **over: Any) -> DataProductSpec:
    """Return a specification with these fields."""
    return DataProductSpec.model_validate(
        {
            "title": "People",
            "version": "1.0.0",
            "class": "Person",
            "source": {"postgres": {"host": "heritage", "database": "heritage", "table": "person", "credentials": {"name": "heritage"}}},
            "subject": {"column": "ref"},
            "fields": list(fields),
            **over,
        }
    )


def largest_product(letter: str = "x", name: str = "people") -> dict[str, Any]:
    """Return the manifest of a product that is as large as one may be: a hundred fields whose texts of one letter take all the room that there is."""
    body = data_product(name=name)
    body["spec"]["fields"] = deepcopy(_largest_fields(letter))
    return body


@cache
def _largest_fields(letter: str) -> list[dict[str, Any]]:
    fields, each, room = [], len(letter.encode()), MOST_BYTES
    for n in range(100):
        field = {"name": f"f{n:02}".ljust(63, "n"), "from": letter, "type": "String", "description": ""}
        room -= size_of(spec(field)) - each
        fields.append(field)
    for n, field in enumerate(fields):
        letters = room // (100 - n) // each
        field["from"] = letter * min(letters, 250)
        field["description"] = letter * (letters - len(field["from"]))
        room -= letters * each
    return fields


def one_byte_too_large() -> list[dict[str, Any]]:
    """Return the fields of a product that is as large as one may be, and one letter."""
    fields = deepcopy(_largest_fields("x"))
    fields[-1]["description"] += "x"
    return fields
