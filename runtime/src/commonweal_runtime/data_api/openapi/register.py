"""The public register: what everybody may know of agreements in force and of models, without signing in."""

from __future__ import annotations

from commonweal_runtime.data_api.openapi.parts import MOMENT, SAID, TEXT, Schema, record, said
from commonweal_runtime.data_api.openapi.people import EXPLAINED, NAMES, PURPOSE

_NULLABLE: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_AGREEMENT: Schema = record(
    {
        "agreement": TEXT,
        "number": _COUNT,
        "product": TEXT,
        "title": said("The product's title."),
        "consumer": TEXT,
        "consumerName": said("What the consumer calls itself; null while its Department is not on this site."),
        "purposes": {"type": "array", "items": PURPOSE},
        "explained": {"type": "array", "items": EXPLAINED, "description": "The fields, with what their product says of each."},
        "basis": TEXT,
        "condition": _NULLABLE,
        "legalPower": _NULLABLE,
        "rights": said("What the basis leaves to the person, in plain words."),
        "benefits": said("What people gain from it."),
        "areas": {**NAMES, "description": "Where it applies, as ISO 3166 codes."},
        "contact": _NULLABLE,
        "from": MOMENT,
        "until": MOMENT,
        "visibility": {"type": ["object", "null"], "description": "When uses are shown to people, if not at once, and why."},
        "uses": {**_COUNT, "description": "Requests so far, those included that the people concerned are not shown."},
        "given": {**_COUNT, "description": "Of these, how many were given something."},
    },
    "agreement", "number", "product", "title", "consumer", "purposes", "explained", "basis", "rights", "areas", "from", "until", "uses", "given",
)  # fmt: skip
_MODEL: Schema = record(
    {
        "name": TEXT,
        "title": SAID,
        "purpose": TEXT,
        "reads": {**NAMES, "description": "department/product/field, each under an agreement of that department."},
        "callers": {**NAMES, "description": "Who may ask it, as department/client."},
        "learning": record({"shape": TEXT, "floor": {"type": "number", "description": "Least probability of each action."}}, "shape", "floor"),
    },
    "name", "title", "purpose", "reads", "callers", "learning",
)  # fmt: skip
REGISTER: Schema = record(
    {
        "department": {"type": ["object", "null"]},
        "agreements": {"type": "array", "items": _AGREEMENT},
        "models": {"type": "array", "items": _MODEL, "description": "Models of this department that rank things for people."},
    },
    "department", "agreements", "models",
)  # fmt: skip
