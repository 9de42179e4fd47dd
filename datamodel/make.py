"""Makes the JSON Schema that ships and the reference page out of `commonweal.yaml`. Needs the dependency group `datamodel`; run `make datamodel`."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "commonweal.yaml"
SCHEMA = HERE.parent / "crds/src/commonweal_api/datamodel/commonweal.schema.json"
PAGE = HERE.parent / "docs/reference/data-model.md"
_TYPES = {
    "string": "String",
    "uri": "String",
    "integer": "Integer",
    "decimal": "Number or Integer",
    "date": "Date",
    "datetime": "Timestamp",
}


def seal(source: str, made: dict[str, Any]) -> str:
    """Return what stands in the schema's `$comment`: which source it was made from, and what was made, so that a change of either is seen."""
    body = json.dumps({k: v for k, v in made.items() if k != "$comment"}, sort_keys=True)
    of, is_ = (hashlib.sha256(text.encode()).hexdigest() for text in (source, body))
    return f"made by datamodel/make.py from commonweal.yaml sha256:{of} as sha256:{is_}"


def schema(source: str) -> str:
    """Return the JSON Schema as text; linkml is needed for this one alone."""
    from linkml.generators.jsonschemagen import JsonSchemaGenerator  # noqa: PLC0415 - tests use the rest without it

    made = json.loads(JsonSchemaGenerator(source, not_closed=False, include_null=False, metadata=False).serialize())
    made["$comment"] = seal(source, made)
    return _written(made)


def _written(made: dict[str, Any]) -> str:
    """Return the schema with one property to a line, so that a change can be read."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False)
    return (
        re.sub(r'("(?:\w|\$)+": \{"(?:additionalProperties|description|\$ref|format|enum|maximum)")', r"\n\1", text).replace(" \n", "\n")
        + "\n"
    )


def page(source: str) -> str:
    """Return the reference page as text."""
    model = yaml.safe_load(source)
    parts = [_HEAD.format(version=model["version"])]
    for name, class_ in model["classes"].items():
        prefix = name[0].lower() + name[1:]
        parts.append(
            f"## {name}\n\n{class_['description']} (`{class_['class_uri']}`)\n\n| semantic | types | meaning | term |\n|---|---|---|---|\n"
        )
        for slot, said in class_["attributes"].items():
            if said["range"] not in model["classes"]:
                always = " **Always there.**" if said.get("required") else ""
                parts.append(f"| `{prefix}:{slot}` | {_fits(model, said)} | {said['description']}{always} | `{said['slot_uri']}` |\n")
        parts.append("\n")
    parts.append("## Codes\n\n" + "".join(_codes(name, enum) for name, enum in model["enums"].items()))
    return "".join(parts)


def _fits(model: dict[str, Any], slot: dict[str, Any]) -> str:
    range_ = slot["range"]
    if range_ in model["enums"]:
        return f"String of [{range_}](#codes)"
    if range_ in model["types"]:
        return f"String ({model['types'][range_]['description'].rstrip('.')})"
    return _TYPES[range_]


def _codes(name: str, enum: dict[str, Any]) -> str:
    return f"- **{name}** {enum['description']} {', '.join(f'`{v}`' for v in enum['permissible_values'])}\n"


_HEAD = """# The common data model

Version {version}. Made by `make datamodel` from [datamodel/commonweal.yaml](../../datamodel/commonweal.yaml); do not edit this page.

A field of a DataProduct says what it means by `semantic: person:birthDate`. The store refuses a product (`MappingValid` False, reason `MappingInvalid`)
whose field names a property that is not here, or has a type that the property does not take; the message names the nearest ones. A product of any class
may use properties of every class: a person's record can have `address:postcode`. Person, Address and Identifier follow the SEMIC Core Vocabularies of
the European Commission (CC BY 4.0, changed): Core Person 2.1.1, Core Business 2.2.0, Core Location, Core Public Event 1.1; terms of the UK are ours. The last column is
the term's own URI, in prefixes of the source.

"""


def main() -> None:
    """Write both files."""
    source = SOURCE.read_text(encoding="utf-8")
    SCHEMA.write_text(schema(source), encoding="utf-8")
    PAGE.write_text(page(source), encoding="utf-8")


if __name__ == "__main__":
    main()
