"""The operations of a signed-in person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from commonweal_api.consent_policy import Delegation
from commonweal_runtime.bodies import Body, schema_of
from commonweal_runtime.data_api.bodies import Act, ConsentBody, DelegationBody, ObjectionBody
from commonweal_runtime.data_api.openapi.parts import MOMENT, SAID, TEXT, UUID, Schema, operation, page_of, record, ref, said

_NULLABLE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
NAMES: Schema = {"type": "array", "items": TEXT}
_ACTS: Schema = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string", "enum": list(get_args(Act))}}
PURPOSE: Schema = {"type": "object", "required": ["key"], "properties": {"key": TEXT, "iri": TEXT, "text": SAID}}
EXPLAINED: Schema = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": TEXT,
        "label": SAID,
        "description": SAID,
        "classification": TEXT,
        "mask": {**TEXT, "description": "How it says less than the field `of`."},
        "of": TEXT,
    },
}

SCHEMAS: Mapping[str, Schema] = {
    "Use": {
        "type": "object",
        "description": "One use: who asked for what, when, for which purpose, on which basis, and whether it was given.",
        "required": ["id", "at", "client", "caller", "agreement", "product", "consumer", "purpose", "basis", "fields", "given"],
        "properties": {
            "id": TEXT,
            "at": MOMENT,
            "client": TEXT,
            "caller": {
                "type": ["string", "null"],
                "description": "Where a model read: the service that it answered, as department/client.",
            },
            "agreement": TEXT,
            "product": TEXT,
            "title": said("The product's title at that time."),
            "consumer": TEXT,
            "consumerName": said("What the consumer calls itself now."),
            "purpose": PURPOSE,
            "basis": TEXT,
            "legalPower": {"type": ["string", "null"]},
            "fields": NAMES,
            "given": {"type": "boolean"},
            "look": {"type": "boolean", "description": "True where the person, or who acts for them, looked at their own values."},
        },
    },
    "Agreement": {
        "type": "object",
        "description": "An agreement that concerns the person, with what they said about it.",
        "required": ["agreement", "inForce", "product", "consumer", "purposes", "fields", "basis", "consent", "objected"],
        "properties": {
            "agreement": TEXT,
            "inForce": {"type": "boolean"},
            "product": TEXT,
            "title": said("The product's title."),
            "consumer": TEXT,
            "consumerName": said("What the consumer calls itself; null while its Department is not on this site."),
            "purposes": {"type": "array", "items": PURPOSE},
            "fields": NAMES,
            "explained": {
                "type": "array",
                "items": EXPLAINED,
                "description": "The fields in the same order, with what their product says of each.",
            },
            "benefits": said("What people gain from it."),
            "basis": TEXT,
            "rights": said("What the basis leaves to the person, in plain words."),
            "condition": {"type": ["string", "null"]},
            "legalPower": {"type": ["string", "null"]},
            "until": MOMENT,
            "objection": TEXT,
            "consent": {
                "type": "object",
                "required": ["state"],
                "properties": {"state": TEXT, "since": _NULLABLE_MOMENT, "until": _NULLABLE_MOMENT},
            },
            "objected": {"type": "object", "required": ["state"], "properties": {"state": TEXT, "since": _NULLABLE_MOMENT}},
            "delegates": {**NAMES, "description": "Types of delegation under which a delegate may decide about it."},
            "limits": {"type": ["object", "null"]},
            "visibility": {"type": ["object", "null"], "description": "When uses are shown, if not at once."},
            "owner": {"type": ["object", "null"], "description": "Who answers for the product, and where to complain."},
            "contact": {"type": ["string", "null"], "description": "Who answers for the agreement."},
            "receipt": {"type": ["string", "null"], "description": "In the answer to a decision: its receipt, as under /me/receipts."},
        },
    },
    "Delegation": {
        "type": "object",
        "description": "Who may act for which person, in what, for how long.",
        "required": ["id", "type", "subject", "delegate", "acts", "agreements", "from", "until", "inForce"],
        "properties": {
            "id": UUID,
            "type": {"type": "string", "enum": list(get_args(Delegation))},
            "subject": UUID,
            "delegate": UUID,
            "acts": _ACTS,
            "agreements": {"type": ["array", "null"], "items": TEXT, "description": "Names of agreements; null: all that list the type."},
            "from": MOMENT,
            "until": MOMENT,
            "inForce": {"type": "boolean"},
            "madeBy": TEXT,
            "endedAt": _NULLABLE_MOMENT,
            "endedBy": {"type": ["string", "null"]},
        },
    },
}
ITEMS_OF_DELEGATIONS: Schema = record({"items": {"type": "array", "items": ref("schemas", "Delegation")}}, "items")
_PROOF: Schema = record(
    {
        "kind": {"type": "string", "enum": ["use", "event"]},
        "number": TEXT,
        "row": {**TEXT, "description": "The row as it was sealed; people in it are veiled by hash."},
        "index": {"type": "integer"},
        "size": {"type": "integer"},
        "path": {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        "seal": {**TEXT, "description": "Compact JWS of the seal, typ audit-seal+jws."},
        "keys": {"type": "array", "items": {"type": "object"}, "description": "The department's seal key; compare it with the JWKS."},
        "former": {
            "type": "array",
            "items": UUID,
            "description": "Ids that the person had before; an older row is veiled under one of them.",
        },
    },
    "kind",
    "number",
    "row",
    "index",
    "size",
    "path",
    "seal",
)
_RECEIPT: Schema = record(
    {
        "event": TEXT,
        "at": MOMENT,
        "state": TEXT,
        "agreement": {"type": ["string", "null"]},
        "receipt": {**TEXT, "description": "Compact JWS, typ consent-receipt+jws: ISO/IEC TS 27560 in the Data Privacy Vocabulary."},
    },
    "event",
    "at",
    "state",
    "receipt",
)
_PREVIEW: Schema = record(
    {
        "agreement": TEXT,
        "at": MOMENT,
        "fields": {"type": "array", "items": EXPLAINED, "description": "What each field is called and means, in the agreement's order."},
        "records": {"type": "array", "items": {"type": "object"}, "description": "Empty where the product has no record of the person."},
        "truncated": {"type": "boolean", "description": "True where the consumer would be given the first of more records."},
    },
    "agreement",
    "at",
    "fields",
    "records",
    "truncated",
)
_NEXT: Schema = {"type": ["string", "null"], "pattern": "^[0-9]{1,18}$"}
_STORE = ("StoreUnavailable", "TooManyAtOnce")
_MOVED = "DepartmentMoved"


def _own(
    name: str, summary: str, answer: Schema, *, reasons: tuple[str, ...] = (), parameters: tuple[str, ...] = (), **more: Any
) -> Schema:
    return operation(
        name,
        summary,
        answer,
        tag="me",
        who="person",
        parameters=(*parameters, "On-Behalf-Of"),
        reasons=(*reasons, "NotDelegated", "LinkFrozen", "LinkEnded", *_STORE),
        **more,
    )


def _decision(name: str, summary: str, body: type[Body]) -> Schema:
    return _own(
        name,
        summary,
        ref("schemas", "Agreement"),
        parameters=("agreement",),
        reasons=("NotFound", "NothingToDecide", "SayingLimit", _MOVED),
        body=schema_of(body),
        read=False,
    )


PATHS: Mapping[str, Any] = {
    "/me/uses": {"get": _own("me.uses", "Who used what about me", page_of(ref("schemas", "Use"), _NEXT), parameters=("before", "limit"))},
    "/me/consents": {
        "get": _own(
            "me.consents",
            "The agreements that concern me, and what I said",
            record({"items": {"type": "array", "items": ref("schemas", "Agreement")}}, "items"),
        )
    },
    "/me/consents/{agreement}/preview": {
        "get": _own(
            "me.preview",
            "The very values that would leave under an agreement; looking is recorded among my uses",
            _PREVIEW,
            parameters=("agreement",),
            reasons=("NotFound", "SourceUnavailable", "SayingLimit", "DepartmentMoving"),
        )
    },
    "/me/consents/{agreement}": {"put": _decision("me.consent", "Give, withdraw, refuse or put off consent", ConsentBody)},
    "/me/objections/{agreement}": {"put": _decision("me.object", "Object, or lift an objection", ObjectionBody)},
    "/me/uses/{use}/proof": {
        "get": _own(
            "me.useProof",
            "Proof that a use is under a seal",
            _PROOF,
            parameters=("use",),
            reasons=("NoSuchRecord", "NotSealedYet", "NotPermitted", "ProofBroken"),
        )
    },
    "/me/receipts": {
        "get": _own(
            "me.receipts",
            "Receipts of what I said, signed by the department",
            page_of(_RECEIPT, _NEXT),
            parameters=("before", "limit"),
            reasons=("NotPermitted",),
        )
    },
    "/me/receipts/{event}/proof": {
        "get": _own(
            "me.receiptProof",
            "Proof that what I said is under a seal",
            _PROOF,
            parameters=("event",),
            reasons=("NoSuchRecord", "NotSealedYet", "NotPermitted", "ProofBroken"),
        )
    },
    "/me/delegations": {
        "get": _own("me.delegations", "Who may act for me, and who I may act for", ITEMS_OF_DELEGATIONS),
        "post": _own(
            "me.delegate",
            "Let another person act for me",
            ref("schemas", "Delegation"),
            body=schema_of(DelegationBody),
            status=201,
            reasons=("NotFound", "DelegationNotPossible", "SayingLimit", _MOVED),
            read=False,
        ),
    },
    "/me/delegations/{delegation}": {
        "delete": _own(
            "me.endDelegation",
            "End a delegation",
            ref("schemas", "Delegation"),
            parameters=("delegation",),
            reasons=("NotFound", _MOVED),
            read=False,
        )
    },
    "/me/export": {"get": _own("me.export", "My data, to take along", {"type": "object"}, reasons=("SourceUnavailable",))},
    "/me/erasures/{product}": {
        "post": _own(
            "me.erase",
            "Erase my records of a product",
            {"type": "object"},
            parameters=("product",),
            reasons=("NotFound", "ErasureNotPossible", _MOVED),
            read=False,
        )
    },
}
