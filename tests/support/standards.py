"""Schemas of two standards that no package ships, written from their specifications for the parts that we write. Unknown keys are refused where they refuse them."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def _list(item: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "items": item}


def _object(required: tuple[str, ...], *, closed: bool = False, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties, **({"additionalProperties": False} if closed else {})}


# Dataspace Protocol 2025-1, contract negotiation: Agreement. Exactly one kind of constraint; operators by name; assigner, assignee and target needed.
_OPERATORS = ["eq", "gt", "gteq", "lteq", "hasPart", "isA", "isAllOf", "isAnyOf", "isNoneOf", "isPartOf", "lt", "term-lteq", "neq"]
_ATOM = _object(
    ("leftOperand", "operator", "rightOperand"),
    leftOperand=TEXT,
    operator={"enum": _OPERATORS},
    rightOperand={"type": ["string", "object", "array"]},
)
_CONSTRAINT: Schema = {"$ref": "#/$defs/constraint"}
_DUTY = _object(("action",), action=TEXT, constraint=_list(_CONSTRAINT))
DSP_AGREEMENT: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
        "constraint": {
            "oneOf": [
                _ATOM,
                *({**_object((word,)), "properties": {word: _list(_CONSTRAINT)}} for word in ("and", "or", "xone", "andSequence")),
            ]
        }
    },
    **_object(
        ("@id", "@type", "target", "assigner", "assignee"),
        **{"@id": TEXT, "@type": {"const": "Agreement"}},
        target=TEXT,
        assigner=TEXT,
        assignee=TEXT,
        timestamp={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
        permission=_list(_object(("action",), action=TEXT, constraint=_list(_CONSTRAINT), duty=_list(_DUTY))),
        prohibition=_list(_object(("action",), action=TEXT, constraint=_list(_CONSTRAINT), remedy=_list(_DUTY))),
        obligation=_list(_DUTY),
    ),
    "anyOf": [{"required": ["permission"]}, {"required": ["prohibition"]}],
}

# Bitol Open Data Product Standard 1.0.
_SUPPORT = _object(
    ("channel", "url"), closed=True, **dict.fromkeys(("channel", "url", "description", "tool", "scope", "invitationUrl"), TEXT)
)
ODPS: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ("apiVersion", "kind", "id", "status"),
        closed=True,
        apiVersion={"const": "v1.0.0"},
        kind={"const": "DataProduct"},
        **dict.fromkeys(("id", "name", "version", "status", "domain", "tenant"), TEXT),
        description=_object((), closed=True, purpose=TEXT, limitations=TEXT, usage=TEXT),
        outputPorts=_list(
            _object(("name", "version"), closed=True, **dict.fromkeys(("name", "description", "type", "version", "contractId"), TEXT))
        ),
        support=_list(_SUPPORT),
        team=_list(_object((), closed=True, username=TEXT, name=TEXT, description=TEXT, role=TEXT)),
    ),
}
