"""The operations by which people link their sign-in to their record, and registrars decide cases."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from commonweal_runtime.bodies import schema_of
from commonweal_runtime.data_api.bodies import ConfirmationBody, DecisionBody, DisputeBody, LinkBody
from commonweal_runtime.data_api.openapi.parts import MOMENT, TEXT, UUID, Schema, operation, page_of, record

_STORE = ("StoreUnavailable", "TooManyAtOnce")
_own = partial(operation, tag="me", who="person")
_registrars = partial(operation, tag="registrars", who="client")
_WORDS: Schema = {
    "type": "object",
    "required": ["en"],
    "properties": {"en": TEXT, "cy": TEXT},
    "description": "In English, and in Welsh where the department gave it.",
}
_CODE: Schema = {
    "type": ["object", "null"],
    "properties": {"channel": {"type": "string", "enum": ["email"]}, "hint": TEXT},
    "description": "A code that is sent besides; null: none.",
}
_REFERENCE: Schema = {**TEXT, "description": "By which the department finds the case."}
_STANDING: Schema = record(
    {
        "state": {
            "type": "string",
            "enum": ["Unlinked", "Linked", "Frozen", "Referred", "Found", "NotOffered"],
            "description": "Referred: a registrar looks at it, and it may be tried again. Found: send POST /me/link with empty `values`, then confirm.",
        },
        "since": {"type": ["string", "null"], "format": "date-time"},
        "proof": {
            "type": "array",
            "items": record(
                {
                    "field": TEXT,
                    "label": _WORDS,
                    "description": _WORDS,
                    "kind": {"type": "string", "enum": ["text", "date", "digits"]},
                },
                "field",
                "label",
                "kind",
            ),
        },
        "code": _CODE,
        "acr": {"type": "array", "items": TEXT, "description": "Levels of sign-in that are accepted; empty: any."},
        "reference": {"type": ["string", "null"], "description": "Of the case that waits for a registrar."},
        "says": _WORDS,
        "contact": TEXT,
    },
    "state",
    "proof",
    "code",
    "acr",
    "contact",
)
_ATTEMPT: Schema = record(
    {
        "state": {"type": "string", "enum": ["Found", "Referred"]},
        "preview": {
            "type": "array",
            "items": record({"label": _WORDS, "value": TEXT}, "label", "value"),
            "description": "Of the record that was found, masked.",
        },
        "ticket": {**TEXT, "pattern": "^[0-9a-f]{64}$", "description": "Good once, for ten minutes, for this sign-in in this session."},
        "code": _CODE,
        "reference": _REFERENCE,
        "says": _WORDS,
    },
    "state",
)
_TOKEN: Schema = record(
    {
        "linkToken": {
            **TEXT,
            "description": "Compact JWS, typ link+jwt, for POST /me/links of the people's issuer; good once, for five minutes.",
        }
    },
    "linkToken",
)
_CASE: Schema = record(
    {
        "id": UUID,
        "reference": _REFERENCE,
        "reason": {
            "type": "string",
            "enum": ["NoRecord", "NotEqual", "Several", "LinkedAlready", "TooOften", "NoAddress", "Disputed"],
            "description": "What stood in the way; whoever asked is not told.",
        },
        "since": MOMENT,
        "lastTried": MOMENT,
        "attempts": {"type": "integer"},
        "told": {"type": ["object", "null"], "description": "What the person told, for 30 days at most; of a dispute their text."},
        "subjects": {"type": "array", "items": UUID, "description": "Records that it came near."},
    },
    "id",
    "reference",
    "reason",
    "subjects",
)

PATHS: Mapping[str, Any] = {
    "/me/link": {
        "get": _own("me.link", "How my sign-in is linked here, and what is asked as proof", _STANDING, reasons=_STORE),
        "post": _own(
            "me.findRecord",
            "Tell what proves me; one record, or a case for a registrar, and never which of several reasons",
            _ATTEMPT,
            body=schema_of(LinkBody),
            reasons=(
                "LinkNotOffered", "LinkNotPossible", "LinkFrozen", "SignInTooWeak", "SayingLimit", "CodeNotSent", "DepartmentMoving", *_STORE,
            ),
            read=False,
        ),
        "delete": _own(
            "me.endLink", "End the link", None, status=204, reasons=("NotLinked", "LinkFrozen", "DepartmentMoved", *_STORE), read=False
        ),
    },
    "/me/link/confirmation": {
        "post": _own(
            "me.confirmRecord",
            "Say that the record is mine",
            _TOKEN,
            body=schema_of(ConfirmationBody),
            reasons=("TicketVoid", "CodeWrong", "DepartmentMoving", "DepartmentMoved", *_STORE),
            read=False,
        )
    },
    "/me/link/dispute": {
        "post": _own(
            "me.disputeLink",
            "Say that the link is wrong: it is frozen at once, and a registrar decides",
            record({"state": {"type": "string", "enum": ["Frozen"]}, "reference": _REFERENCE}, "state", "reference"),
            body=schema_of(DisputeBody),
            reasons=("NotLinked", "DepartmentMoved", *_STORE),
            read=False,
        )
    },
    "/v1/cases": {
        "get": _registrars(
            "cases.list",
            "People who could not be linked, and links in dispute",
            page_of(_CASE, {"type": ["string", "null"], "format": "date-time"}),
            parameters=("earlier", "limit"),
            reasons=("NotRegistrar", *_STORE),
        )
    },
    "/v1/cases/{case}": {
        "post": _registrars(
            "cases.decide",
            "Decide a case: Link with a record, Refuse, Unfreeze a dispute, or End a link",
            record({"id": UUID, "state": TEXT, "decision": TEXT}, "id", "state", "decision"),
            parameters=("case",),
            body=schema_of(DecisionBody),
            reasons=("NotRegistrar", "NotFound", "DecisionNotPossible", "DepartmentMoved", *_STORE),
            read=False,
        )
    },
}  # fmt: skip
