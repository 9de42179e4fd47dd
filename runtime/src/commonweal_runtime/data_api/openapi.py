"""The OpenAPI 3.1 document of what this department serves now, made from the products in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_api.data_product import DataProductSpec, Field, FieldType, MaskKind
from commonweal_runtime.data_api.catalogue import Catalogue, Product
from commonweal_runtime.problems import MEDIA_TYPE

Schema = dict[str, Any]

_TYPES: dict[FieldType, Schema] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INTEGER: {"type": "integer", "format": "int64"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
}
_MASKED: dict[MaskKind, FieldType] = {
    MaskKind.YEAR: FieldType.INTEGER,
    MaskKind.DECADE: FieldType.INTEGER,
    MaskKind.FIRST_WORD: FieldType.STRING,
    MaskKind.FIRST_THREE: FieldType.STRING,
    MaskKind.PRESENT: FieldType.BOOLEAN,
}
_UUID: Schema = {"type": "string", "format": "uuid"}
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details. `reason` is stable; `remedy` says what to do next.",
    "required": ["type", "title", "status", "detail", "reason", "remedy"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "remedy": {"type": "string"},
    },
}
_REFUSALS = {
    "400": "InvalidRequest",
    "401": "TokenMissing, TokenInvalid",
    "403": "NoAgreement, PurposeMissing, PurposeNotAgreed, FieldNotAgreed, AgreementExpired, AgreementNotBegun",
    "404": "NotFound: absent and denied are the same answer",
    "409": "NothingToDecide",
    "503": "StoreUnavailable, IssuerUnavailable",
}


def document(catalogue: Catalogue) -> dict[str, Any]:
    """Return the document. It names products and fields, which are public, and nothing about agreements or people."""
    name = catalogue.department.get("displayName", "Department")
    contact = catalogue.department.get("contact", "")
    paths: dict[str, Any] = {}
    schemas: dict[str, Schema] = {"Problem": _PROBLEM}
    for product in catalogue.products:
        spec = DataProductSpec.model_validate({**product.spec, "source": _NO_SOURCE})
        record = "".join(part.capitalize() for part in product.name.split("-"))
        schemas[record] = _record(product, spec)
        paths |= _product_paths(product, spec, record)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Data of {name}",
            "version": "1",
            "description": "What is served here under agreements. Each read names its purpose; each is recorded, and the person sees it.",
            "contact": {"name": name, **({"email": contact[7:]} if contact.startswith("mailto:") else {"url": contact} if contact else {})},
        },
        "servers": [{"url": "/"}],
        "paths": {**paths, **_PERSON_PATHS},
        "components": {
            "schemas": schemas,
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "client": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A ServiceAccount token for this department.",
                },
                "person": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A person's token for this department.",
                },
            },
        },
    }


# the store keeps the source's address to itself; the model wants one
_NO_SOURCE = {"postgres": {"host": "hidden", "database": "hidden", "table": "hidden", "credentials": {"name": "hidden"}}}


def _field(field: Field) -> Schema:
    type_ = field.type if field.mask is None else _MASKED[field.mask.kind]
    schema: Schema = dict(_TYPES[type_ or FieldType.STRING])
    if not field.required:
        schema["type"] = [schema["type"], "null"]
    mask = f"{field.mask.kind} of {field.mask.of}." if field.mask is not None else None
    described = " ".join(part for part in (field.description, mask) if part)
    return schema | ({"description": described} if described else {}) | ({"x-semantic": field.semantic} if field.semantic else {})


def _record(product: Product, spec: DataProductSpec) -> Schema:
    keys: Schema = (
        {"record": {"type": "string", "description": "Tells the records of one subject apart."}} if spec.subject.records == "Many" else {}
    )
    return {
        "type": "object",
        "title": spec.title,
        **({"description": spec.description} if spec.description else {}),
        "x-class": str(spec.data_class),
        "x-version": spec.version,
        "x-contract": product.contract,
        "properties": keys | {f.name: _field(f) for f in spec.fields},
    }


def _subject(spec: DataProductSpec, record: str) -> Schema:
    one: Schema = {"$ref": f"#/components/schemas/{record}"}
    if spec.subject.records == "One":
        return {"type": "object", "required": ["subject", "record"], "properties": {"subject": _UUID, "record": one}}
    cut = {"type": "boolean", "description": "True if the subject has more records than the agreement lets through in one answer."}
    properties = {"subject": _UUID, "records": {"type": "array", "items": one}, "truncated": cut}
    return {"type": "object", "required": ["subject", "records"], "properties": properties}


def _product_paths(product: Product, spec: DataProductSpec, record: str) -> dict[str, Any]:
    item = _subject(spec, record)
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {"items": {"type": "array", "items": item}, "next": {"type": ["string", "null"], "format": "uuid"}},
    }
    common = [_ref("Purpose"), _ref("fields")]
    return {
        f"/v1/{product.name}/subjects/{{subject}}": {
            "get": _operation(
                f"{record}.read",
                f"{spec.title}: one person",
                item,
                [{**_PARAMETERS["subject"]}, *common],
                "client",
                ("400", "401", "403", "404", "503"),
            )
        },
        f"/v1/{product.name}/subjects": {
            "get": _operation(
                f"{record}.page",
                f"{spec.title}: a page",
                page,
                [_ref("after"), _ref("limit"), *common],
                "client",
                ("400", "401", "403", "503"),
            )
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/parameters/{name}"}


def _operation(
    name: str, summary: str, answer: Schema, parameters: list[Schema], who: str, refusals: tuple[str, ...], body: Schema | None = None
) -> Schema:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": name,
        "summary": summary,
        "security": [{who: []}],
        "parameters": parameters,
        **({"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}} if body else {}),
        "responses": {
            "200": {"description": "What was asked for.", "content": {"application/json": {"schema": answer}}},
            **{code: {"description": _REFUSALS[code], "content": problem} for code in refusals},
        },
    }


def _parameter(name: str, where: str, schema: Schema, text: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": where, "required": required, "schema": schema, "description": text}


_PARAMETERS: Mapping[str, Schema] = {
    "subject": _parameter("subject", "path", _UUID, "The department's pairwise id of the person.", required=True),
    "agreement": _parameter("agreement", "path", {"type": "string"}, "Name of the agreement.", required=True),
    "Purpose": _parameter(
        "Purpose", "header", {"type": "string", "maxLength": 104}, "department/purpose, one of the agreed ones.", required=True
    ),
    "fields": _parameter("fields", "query", {"type": "string"}, "Only these of the agreed fields, comma-separated."),
    "after": _parameter("after", "query", _UUID, "`next` of the page before."),
    "limit": _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000}, "Most records; the agreement can set fewer."),
    "before": _parameter("before", "query", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "`next` of the page before."),
}
_ITEMS: Schema = {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": {"type": "object"}}}}


def _decision(name: str, summary: str, states: list[str]) -> Schema:
    body: Schema = {
        "type": "object",
        "required": ["state"],
        "additionalProperties": False,
        "properties": {"state": {"type": "string", "enum": states}},
    }
    return _operation(name, summary, {"type": "object"}, [_ref("agreement")], "person", ("400", "401", "404", "409", "503"), body)


_PERSON_PATHS: Mapping[str, Any] = {
    "/me/uses": {
        "get": _operation("me.uses", "Who read what about me", _ITEMS, [_ref("before"), _ref("limit")], "person", ("400", "401", "503"))
    },
    "/me/consents": {
        "get": _operation("me.consents", "The agreements that concern me, and what I said", _ITEMS, [], "person", ("401", "503"))
    },
    "/me/consents/{agreement}": {"put": _decision("me.consent", "Give or withdraw consent", ["Given", "Withdrawn"])},
    "/me/objections/{agreement}": {"put": _decision("me.object", "Object, or lift an objection", ["Objected", "Lifted"])},
}
