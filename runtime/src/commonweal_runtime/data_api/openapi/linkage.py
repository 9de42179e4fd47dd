"""The operations of linkage in the OpenAPI document, for each product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commonweal_runtime.bodies import schema_of
from commonweal_runtime.data_api.openapi.parts import TEXT, Schema, operation, record
from commonweal_runtime.linkage.bodies import Link, LinksBody

_HEX: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_REFERENCE: Schema = schema_of(Link)["properties"]["reference"]
_KEY = record(
    {
        "algorithm": {"const": "HMAC-SHA256"},
        "key": _HEX,
        "field": {**TEXT, "description": "The product's field that both sides know."},
        "normalise": {"enum": ["Upper", "Lower", "Digits", "AsIs"], "description": "How a value is written before it is hashed."},
    },
    "algorithm", "key", "field", "normalise",
)  # fmt: skip
_REMOVED = record({"removed": {"const": True}}, "removed")


def link_paths(product: str, title: str, name: str, subject: Schema, refused: Iterable[str]) -> dict[str, Any]:
    """Return the paths; `subject` is what a read by id answers, `refused` what it can be refused with."""
    reasons = (*refused, "LinkageNotAgreed")
    by_reference = {
        **subject,
        "required": ["reference", *(n for n in subject["required"] if n != "subject")],
        "properties": {"reference": _REFERENCE, **{k: v for k, v in subject["properties"].items() if k != "subject"}},
    }

    def own(what: str, summary: str, answer: Schema, *parameters: str, **more: Any) -> Schema:
        said = f"{title}: {summary}"
        return operation(
            f"{name}.{what}", said, answer, tag=product, who="client", parameters=(*parameters, "Purpose"), reasons=reasons, **more
        )

    return {
        f"/v1/{product}/links/key": {"post": own("linkKey", "the key under which references are linked", _KEY, read=False)},
        f"/v1/{product}/links": {
            "post": own("link", "link references; which of them mean a person is not said", record({"accepted": {"type": "integer"}}, "accepted"),
                        body=schema_of(LinksBody), read=False),
            "delete": own("unlinkAll", "end all links", _REMOVED, read=False),
        },
        f"/v1/{product}/links/{{reference}}": {"delete": own("unlink", "end a link", _REMOVED, "reference", read=False)},
        f"/v1/{product}/linked/{{reference}}": {
            "get": operation(
                f"{name}.linked", f"{title}: one person by your own reference", by_reference, tag=product, who="client",
                parameters=("reference", "Purpose", "fields"), reasons=("NotFound", *reasons), versioned=True,
            )
        },
    }  # fmt: skip
