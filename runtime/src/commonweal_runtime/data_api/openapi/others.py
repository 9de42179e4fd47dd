"""The operations of the department's own services, and those that anybody may call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from commonweal_runtime.data_api.openapi.parts import UUID, Schema, operation, ref
from commonweal_runtime.data_api.openapi.people import DELEGATION_BODY, ITEMS_OF_DELEGATIONS

_BODY: Schema = {
    **DELEGATION_BODY,
    "required": [*DELEGATION_BODY["required"], "subject"],
    "properties": {**DELEGATION_BODY["properties"], "subject": UUID},
}
_own = partial(operation, tag="registrars", who="client")
_REFUSED = ("NotRegistrar", "StoreUnavailable")

PATHS: Mapping[str, Any] = {
    "/v1/delegations": {
        "get": _own("delegations.list", "Who may act for a person", ITEMS_OF_DELEGATIONS, parameters=("about",), reasons=_REFUSED),
        "post": _own(
            "delegations.record",
            "Record that somebody may act for a person",
            ref("schemas", "Delegation"),
            body=_BODY,
            status=201,
            reasons=(*_REFUSED, "NotFound", "DelegationNotPossible"),
            read=False,
        ),
    },
    "/v1/delegations/{delegation}": {
        "delete": _own(
            "delegations.end",
            "End a delegation",
            ref("schemas", "Delegation"),
            parameters=("delegation",),
            reasons=(*_REFUSED, "NotFound"),
            read=False,
        )
    },
    "/v1/transparency": {
        "get": operation(
            "transparency", "How often each agreement is used, in numbers", {"type": "object"}, tag="public", reasons=("StoreUnavailable",)
        )
    },
    "/openapi.json": {"get": operation("openapi", "This document", {"type": "object"}, tag="public", reasons=("StoreUnavailable",))},
}
