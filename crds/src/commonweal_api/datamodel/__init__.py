"""The common data model as it ships: what a field's `semantic` may name, and which types it takes."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from commonweal_api.offer import FieldType

_T = FieldType
_FORMATS = {"date": {_T.DATE}, "date-time": {_T.TIMESTAMP}}
_TYPES = {"string": {_T.STRING}, "integer": {_T.INTEGER}, "number": {_T.NUMBER, _T.INTEGER}, "boolean": {_T.BOOLEAN}}


@dataclass(frozen=True, slots=True)
class Property:
    """One property that a field can be: its class, what it means, the types that fit, and its codes if it has any."""

    semantic: str
    of: str
    description: str
    types: frozenset[FieldType]
    codes: tuple[str, ...] = ()


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of all classes, made from the LinkML source by `make datamodel`."""
    loaded: dict[str, Any] = json.loads(files(__package__).joinpath("commonweal.schema.json").read_text(encoding="utf-8"))
    return loaded


@cache
def properties() -> Mapping[str, Property]:
    """Return every property by its semantic, such as person:birthDate; those that hold an object of their own are left out."""
    found, defs = {}, schema()["$defs"]
    for of, class_ in defs.items():
        for name, said in class_.get("properties", {}).items():
            types, codes = _fits(said, defs)
            if types:
                semantic = f"{of[0].lower()}{of[1:]}:{name}"
                found[semantic] = Property(semantic, of, said["description"], types, codes)
    return found


def refusal(semantic: str, type_: FieldType) -> str | None:
    """Return why a field of that type is not that property, with what it could be; None when it is."""
    known = properties().get(semantic)
    if known is None:
        near = difflib.get_close_matches(semantic, properties(), 3, 0.5) or _same_name(semantic)
        hint = f"write {' or '.join(near)}" if near else "see the common data model, or leave it out"
        return f"«{semantic}» is no property of the common data model; {hint}."
    if type_ not in known.types:
        return f"«{semantic}» takes {' or '.join(sorted(known.types))}, and the field is {type_}; correct one of the two."
    return None


def _same_name(semantic: str) -> list[str]:
    name = semantic.partition(":")[2]
    return difflib.get_close_matches(name, [s.partition(":")[2] for s in properties()], 3, 0.5)


def _fits(said: dict[str, Any], defs: dict[str, Any]) -> tuple[frozenset[FieldType], tuple[str, ...]]:
    if "$ref" in said:
        said = defs[said["$ref"].rpartition("/")[2]]
    if "enum" in said:
        return frozenset({_T.STRING}), tuple(said["enum"])
    types = _FORMATS.get(said.get("format", ""), _TYPES.get(said.get("type", ""), set()))
    return frozenset(types), ()
