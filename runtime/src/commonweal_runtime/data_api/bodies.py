"""What the body of a request may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from commonweal_runtime.data_api.requests import NAME, uuid_of
from commonweal_runtime.problems import invalid_request

MOST_AGREEMENTS = 50
CONSENT_STATES = ("Given", "Withdrawn", "Refused", "RequestDeferred")
OBJECTION_STATES = ("Objected", "Lifted")
KINDS = ("Parent", "Attorney", "Adviser")
ACTS = ("See", "Consent", "Object", "Export")


def state_of(body: bytes, states: tuple[str, ...]) -> str:
    """Return the state that the body says; anything but one of `states` is refused."""
    forms = " or ".join(f'{{"state": "{state}"}}' for state in states)
    said = _object(body, f"Send {forms}.")
    if set(said) != {"state"} or said["state"] not in states:
        raise invalid_request("The body is not understood.", f"Send {forms}.")
    return str(said["state"])


@dataclass(frozen=True, slots=True)
class Delegation:
    """Who may act for somebody, in what, and for how long."""

    delegate: UUID
    kind: str
    acts: str
    agreements: str | None
    begins: datetime | None
    ends: datetime
    subject: UUID | None = None


_FORM_OF_DELEGATION = (
    'Send {"delegate": "<id>", "type": "Parent|Attorney|Adviser", "acts": ["See", "Consent", "Object", "Export"], "until": "<ISO 8601 with offset>"} '
    'and, if wanted, "from" and "agreements": [names]'
)


def delegation_of(body: bytes, *, by_registrar: bool) -> Delegation:
    """Return the delegation that a body describes. A registrar names the subject as well; a person is the subject."""
    form = _FORM_OF_DELEGATION + ('; and "subject": "<id>".' if by_registrar else ".")
    said = _object(body, form)
    needed = {"delegate", "type", "acts", "until"} | ({"subject"} if by_registrar else set())
    if not needed <= set(said) <= needed | {"agreements", "from"}:
        raise invalid_request("The body lacks a member, or has one too many.", form)
    if said["type"] not in KINDS:
        raise invalid_request("The member type is not understood.", f"Write one of {', '.join(KINDS)}.")
    return Delegation(
        delegate=uuid_of(said["delegate"], "The member delegate"),
        kind=said["type"],
        acts=_listed(said["acts"], "acts", ACTS),
        agreements=_agreements(said.get("agreements")),
        begins=_moment(said["from"], "from") if "from" in said else None,
        ends=_moment(said["until"], "until"),
        subject=uuid_of(said["subject"], "The member subject") if by_registrar else None,
    )


def _object(body: bytes, form: str) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise invalid_request("The body is not a JSON object.", form)
    return said


def _listed(value: object, what: str, known: tuple[str, ...]) -> str:
    if isinstance(value, list) and value and all(isinstance(v, str) and v in known for v in value) and len(set(value)) == len(value):
        return ",".join(value)
    raise invalid_request(f"The member {what} is not understood.", f"Send a list of one or more of {', '.join(known)}, each once.")


def _agreements(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and 0 < len(value) <= MOST_AGREEMENTS and all(isinstance(v, str) and NAME.fullmatch(v) for v in value):
        return ",".join(sorted(set(value)))
    raise invalid_request("The member agreements is not understood.", f"Name 1 to {MOST_AGREEMENTS} agreements, or leave it out for all.")


def _moment(value: object, what: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid_request(f"The member {what} is not a time.", "Write ISO 8601 with an offset, such as 2027-01-31T12:00:00Z.")
