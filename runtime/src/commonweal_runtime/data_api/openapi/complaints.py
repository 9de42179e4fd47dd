"""The operations of complaints: a person's, and those of the department's registrars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from commonweal_runtime.bodies import schema_of
from commonweal_runtime.data_api.complaints import AnswerBody, ComplaintBody, ComplaintState
from commonweal_runtime.data_api.openapi.parts import MOMENT, TEXT, UUID, Schema, operation, page_of, record, ref

_NULLABLE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
_STORE = ("StoreUnavailable", "TooManyAtOnce")
_NEXT: Schema = {"type": ["string", "null"], "pattern": "^[0-9]{1,18}$"}
_MEMBERS: Schema = {
    "id": UUID,
    "about": {"type": "object", "description": "`use`, `agreement` or `link`; empty for the department as a whole."},
    "text": TEXT,
    "made": MOMENT,
    "due": {**MOMENT, "description": "Until when the department answers (spec.complaints.days of the Department)."},
    "state": {"type": "string", "enum": list(get_args(ComplaintState))},
    "indicatedBy": {**TEXT, "description": "subject, or the type and id of the delegate who said it."},
    "event": {
        **TEXT,
        "description": "Its event, which is under the seals: see /me/receipts/{event}/proof. `said` in it is a hash of the words.",
    },
    "answer": {"type": ["object", "null"], "required": ["en"], "properties": {"en": TEXT, "cy": TEXT}},
    "answeredAt": _NULLABLE_MOMENT,
    "answerEvent": {"type": ["string", "null"], "description": "The event of the answer."},
}
_NEEDED = ("id", "about", "text", "made", "due", "state", "indicatedBy", "event", "answer", "answeredAt")
SCHEMAS: Mapping[str, Schema] = {
    "Complaint": record(_MEMBERS, *_NEEDED),
    "DepartmentsComplaint": record(
        {**_MEMBERS, "subject": UUID, "overdue": {"type": "boolean"}}, *_NEEDED, "subject", "overdue"
    ),
}  # fmt: skip


def _own(
    name: str, summary: str, answer: Schema, *, reasons: tuple[str, ...] = (), parameters: tuple[str, ...] = (), **more: Any
) -> Schema:
    refused = (*reasons, "NotDelegated", "LinkFrozen", "LinkEnded", *_STORE)
    return operation(name, summary, answer, tag="me", who="person", parameters=(*parameters, "On-Behalf-Of"), reasons=refused, **more)


def _registrars(name: str, summary: str, answer: Schema, *, reasons: tuple[str, ...] = (), **more: Any) -> Schema:
    return operation(name, summary, answer, tag="registrars", who="client", reasons=("NotRegistrar", *reasons, *_STORE), **more)


PATHS: Mapping[str, Any] = {
    "/me/complaints": {
        "get": _own(
            "me.complaints",
            "What I complained of, with the answers",
            page_of(ref("schemas", "Complaint"), _NEXT),
            parameters=("before", "limit"),
        ),
        "post": _own(
            "me.complain",
            "Complain of a use, an agreement, a link or the department; ten a day",
            ref("schemas", "Complaint"),
            body=schema_of(ComplaintBody),
            status=201,
            reasons=("NotFound", "SayingLimit", "DepartmentMoved"),
            read=False,
        ),
    },
    "/v1/complaints": {
        "get": _registrars(
            "complaints.list",
            "Complaints of people, newest first",
            page_of(ref("schemas", "DepartmentsComplaint"), _NEXT),
            parameters=("state", "before", "limit"),
        )
    },
    "/v1/complaints/{complaint}": {
        "put": _registrars(
            "complaints.answer",
            "Answer a complaint, or answer it again",
            ref("schemas", "DepartmentsComplaint"),
            parameters=("complaint",),
            body=schema_of(AnswerBody),
            reasons=("NotFound", "SayingLimit", "DepartmentMoved"),
            read=False,
        )
    },
}
