"""The operations of the department's own services, and those that anybody may call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from commonweal_runtime.bodies import schema_of
from commonweal_runtime.data_api.bodies import RegistrarsDelegationBody
from commonweal_runtime.data_api.openapi.parts import TEXT, Schema, operation, page_of, record, ref
from commonweal_runtime.data_api.openapi.people import ITEMS_OF_DELEGATIONS
from commonweal_runtime.data_api.openapi.register import REGISTER

_own = partial(operation, tag="registrars", who="client")
_REFUSED = ("NotRegistrar", "StoreUnavailable", "TooManyAtOnce")


def _ready() -> Schema:
    """Return the operation whose 503 is no refusal: it tells the cluster not to send requests here yet."""
    answer = record({"ready": {"type": "boolean"}}, "ready")
    made = operation("ready", "Whether the agreements are known", answer, tag="public", read=False)
    made["responses"]["503"] = {**made["responses"]["200"], "description": "Not yet."}
    return made


PATHS: Mapping[str, Any] = {
    "/v1/delegations": {
        "get": _own("delegations.list", "Who may act for a person", ITEMS_OF_DELEGATIONS, parameters=("about",), reasons=_REFUSED),
        "post": _own(
            "delegations.record",
            "Record who may act for a person",
            ref("schemas", "Delegation"),
            body=schema_of(RegistrarsDelegationBody),
            status=201,
            reasons=(*_REFUSED, "NotFound", "DelegationNotPossible", "SayingLimit"),
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
    "/v1/audit/export": {
        "get": _own(
            "audit.export",
            "Seals, their entries and the rows as they are now, for the department's auditors; lines of JSON",
            {"type": "string"},
            parameters=("cursor",),
            reasons=("NotPermitted", "StoreUnavailable", "TooManyAtOnce"),
            media_type="application/x-ndjson",
        )
    },
    "/v1/feed": {
        "get": operation(
            "feed",
            "What people said here, sealed for another site of the department",
            {"type": "string", "format": "binary"},
            tag="sites",
            who="site",
            parameters=("entry",),
            reasons=("NotFound", "StoreUnavailable"),
            read=False,
            media_type="application/octet-stream",
        )
    },
    "/v1/seals": {
        "get": operation(
            "seals",
            "The chain of seals over the audit",
            page_of(record({"n": {"type": "integer"}, "jws": TEXT}, "n", "jws"), {"type": ["string", "null"]}),
            tag="public",
            parameters=("seal", "limit"),
            reasons=("StoreUnavailable", "TooManyAtOnce"),
        )
    },
    "/.well-known/jwks.json": {
        "get": operation(
            "keys",
            "The department's public keys: of receipts and seals, and of its agreements",
            record({"keys": {"type": "array", "items": {"type": "object", "required": ["kty", "kid"]}}}, "keys"),
            tag="public",
            reasons=("StoreUnavailable",),
        )
    },
    "/v1/transparency": {
        "get": operation(
            "transparency", "How often each agreement is used, in numbers", {"type": "object"}, tag="public", reasons=("StoreUnavailable",)
        )
    },
    "/v1/register": {
        "get": operation(
            "register",
            "The agreements in force, in words, with their uses counted; and the department's models",
            REGISTER,
            tag="public",
            reasons=("StoreUnavailable",),
        )
    },
    "/healthz": {
        "get": operation("live", "Whether the process lives", record({"live": {"const": True}}, "live"), tag="public", read=False)
    },
    "/readyz": {"get": _ready()},
    "/openapi.json": {"get": operation("openapi", "This document", {"type": "object"}, tag="public", reasons=("StoreUnavailable",))},
}
