"""The operations of one product: a person's record, and pages of records."""

from __future__ import annotations

from typing import Any

from commonweal_api.data_product import Answer, DataProductSpec, FieldType, MaskKind, ProductField
from commonweal_runtime.data_api.catalogue import Product
from commonweal_runtime.data_api.openapi.linkage import link_paths
from commonweal_runtime.data_api.openapi.parts import EXAMPLE_ID, MOMENT, TEXT, UUID, Schema, operation, page_of, record, ref

_TYPES: dict[FieldType, Schema] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INTEGER: {"type": "integer", "format": "int64"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
}
_SHOWN: dict[str, object] = {
    "string": "AB1",
    "integer": 1985,
    "number": 12.5,
    "boolean": True,
    "date": "1985-04-12",
    "date-time": "2026-01-01T01:00:00+00:00",
}
_MASKED: dict[MaskKind, FieldType] = {
    MaskKind.YEAR: FieldType.INTEGER,
    MaskKind.DECADE: FieldType.INTEGER,
    MaskKind.FIRST_WORD: FieldType.STRING,
    MaskKind.FIRST_THREE: FieldType.STRING,
    MaskKind.PRESENT: FieldType.BOOLEAN,
}
# the store keeps the source's address to itself; the model wants one
_NO_SOURCE = {"postgres": {"host": "hidden", "database": "hidden", "table": "hidden", "credentials": {"name": "hidden"}}}
_REFUSED = (
    "CallerMissing",
    "NoAgreement",
    "PurposeMissing",
    "PurposeNotAgreed",
    "FieldNotAgreed",
    "AgreementExpired",
    "AgreementNotBegun",
    "FrequencyLimit",
    "RateLimit",
    "StoreUnavailable",
    "ConsentFeedStale",
    "QualityStopped",
    "AnswersPending",
    "SourceUnavailable",
    "DepartmentMoving",
    "DepartmentMoved",
)


def described(product: Product) -> tuple[str, Schema, dict[str, Any]]:
    """Return the name and schema of a product's record, and the paths under which it is read."""
    spec = DataProductSpec.model_validate({**product.spec, "source": _NO_SOURCE})
    name = "".join(part.capitalize() for part in product.name.replace("@", "-v").split("-")) + "Record"
    return name, _record(product, spec), _paths(product, spec, name)


def _record(product: Product, spec: DataProductSpec) -> Schema:
    keys: Schema = {"record": {**TEXT, "description": "Tells the records of one subject apart."}} if spec.subject.records == "Many" else {}
    properties = keys | {f.name: _field(f) for f in spec.fields} | {a.name: _answer(a) for a in spec.answers}
    return record(
        properties,
        title=spec.title,
        **({"description": spec.description} if spec.description else {}),
        **{"x-class": str(spec.data_class), "x-version": spec.version, "x-contract": product.contract},
        example={name: _example(schema) for name, schema in properties.items()},
    )


def _field(field: ProductField) -> Schema:
    type_ = field.type if field.mask is None else _MASKED[field.mask.kind]
    schema: Schema = dict(_TYPES[type_ or FieldType.STRING])
    if not field.required:
        schema["type"] = [schema["type"], "null"]
    mask = f"{field.mask.kind} of {field.mask.of}." if field.mask is not None else None
    text = " ".join(part for part in (field.description, mask) if part)
    return (
        schema
        | ({"description": text} if text else {})
        | ({"x-semantic": field.semantic} if field.semantic else {})
        | {"x-classification": str(field.classification)}
    )


def _answer(answer: Answer) -> Schema:
    return {"type": ["boolean", "null"], "description": answer.description}


def _example(schema: Schema) -> object:
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    shown = schema.get("format", kind)
    return _SHOWN[shown if shown in _SHOWN else kind]


_UNTIL = {**MOMENT, "description": "How long you may keep it, where the agreement sets a limit (spec.limits.dataLifeDays)."}


def _subject(spec: DataProductSpec, name: str) -> Schema:
    one = ref("schemas", name)
    if spec.subject.records == "One":
        return record({"subject": UUID, "record": one, "dataUntil": _UNTIL}, "subject", "record")
    cut = {"type": "boolean", "description": "True if the subject has more records than the agreement lets through in one answer."}
    return record(
        {"subject": UUID, "records": {"type": "array", "items": one}, "truncated": cut, "dataUntil": _UNTIL}, "subject", "records"
    )


def _paths(product: Product, spec: DataProductSpec, name: str) -> dict[str, Any]:
    item = _subject(spec, name)
    page = page_of(item, {"type": ["string", "null"], "format": "uuid", "example": EXAMPLE_ID})
    page["properties"]["dataUntil"] = _UNTIL
    return {
        f"/v1/{product.name}/subjects/{{subject}}": {
            "get": operation(
                f"{name}.read",
                f"{spec.title}: one person",
                item,
                tag=product.name,
                who="client",
                parameters=("subject", "Purpose", "Caller", "Caller-Gets", "fields"),
                reasons=("NotFound", "CallerNotAccepted", "CallerNotAgreed", *_REFUSED),
                versioned=True,
            )
        },
        f"/v1/{product.name}/subjects": {
            "get": operation(
                f"{name}.page",
                f"{spec.title}: a page",
                page,
                tag=product.name,
                who="client",
                parameters=("Purpose", "after", "limit", "fields"),
                reasons=_REFUSED,
                versioned=True,
            )
        },
        **link_paths(product.name, spec.title, name, item, _REFUSED),
    }
