"""JSON Schema (2020-12) of one record as the data API gives it."""

from __future__ import annotations

from typing import Any

from commonweal_api.compatibility import Item, items
from commonweal_api.data_product import DataProduct
from commonweal_api.exports.names import Versioned, contract_id
from commonweal_api.offer import FieldType

JSON_TYPE: dict[FieldType, dict[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
}


def record_schema(product: DataProduct, department: str, offer: Versioned) -> dict[str, Any]:
    """Return the schema of a record with every field. An agreement gives some of them, so none has to be there; a required one is never null."""
    properties = {name: _property(item) for name, item in items(offer).items()}
    if product.spec.subject.records == "Many":
        properties = {"record": {"type": "string", "description": "Tells the records of one subject apart."}} | properties
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{contract_id(department, product.metadata.name, offer.version)}/record",
        "title": product.spec.title,
        "description": f"One record of {product.metadata.name} {offer.version}, of class {product.spec.data_class}.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(item: Item) -> dict[str, Any]:
    schema = dict(JSON_TYPE[item.type])
    if not item.required:
        schema["type"] = [schema["type"], "null"]
    more = {"description": item.description, "x-semantic": item.semantic, "x-classification": str(item.classification)}
    return schema | {key: value for key, value in more.items() if value is not None}
