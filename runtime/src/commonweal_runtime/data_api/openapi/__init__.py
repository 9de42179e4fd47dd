"""The OpenAPI 3.1 document of what this department serves now, made from the products in force."""

from __future__ import annotations

from typing import Any

from commonweal_runtime.data_api.catalogue import Catalogue
from commonweal_runtime.data_api.openapi import complaints, linking, others, people
from commonweal_runtime.data_api.openapi.parts import Schema, components
from commonweal_runtime.data_api.openapi.products import described

_ABOUT = (
    "What is served here under agreements. Each read names its purpose; each is recorded, and the person sees it. HEAD is answered as GET "
    "without the body, and recorded like it; OPTIONS names the methods of an address; another method is refused with 405 and Allow."
)


def document(catalogue: Catalogue) -> dict[str, Any]:
    """Return the document. It names products and fields, which are public, and nothing about agreements or people."""
    name = catalogue.department.get("displayName", "Department")
    contact = catalogue.department.get("contact", "")
    paths: dict[str, Any] = {}
    schemas: dict[str, Schema] = {**people.SCHEMAS, **complaints.SCHEMAS}
    for product in catalogue.products:
        record, schema, own = described(product)
        schemas[record] = schema
        paths |= own
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Data of {name}",
            "version": "1",
            "description": _ABOUT,
            "contact": {"name": name, **({"email": contact[7:]} if contact.startswith("mailto:") else {"url": contact} if contact else {})},
        },
        "servers": [{"url": "/"}],
        "paths": {**paths, **people.PATHS, **complaints.PATHS, **linking.PATHS, **others.PATHS},
        "components": components(schemas),
    }
