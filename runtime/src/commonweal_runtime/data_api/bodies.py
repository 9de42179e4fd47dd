"""What the body of a request may say."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from commonweal_api.common import Name, Text
from commonweal_api.consent_policy import Delegation as DelegationType
from commonweal_runtime.bodies import Body, Moment, MomentIfGiven, PersonId, once

MOST_AGREEMENTS = 50
Act = Literal["See", "Consent", "Object", "Export"]
ConsentState = Literal["Given", "Withdrawn", "Refused", "RequestDeferred"]
ObjectionState = Literal["Objected", "Lifted"]


def _forms(states: tuple[str, ...]) -> str:
    return "Send " + " or ".join(f'{{"state": "{state}"}}' for state in states) + "."


class ConsentBody(Body):
    """What a person decides about consent."""

    form = _forms(get_args(ConsentState))

    state: ConsentState


class ObjectionBody(Body):
    """What a person decides about their objection."""

    form = _forms(get_args(ObjectionState))

    state: ObjectionState


_TYPES = "|".join(get_args(DelegationType))
_ACTS = ", ".join(f'"{act}"' for act in get_args(Act))
_FORM = (
    f'Send {{"delegate": "<id>", "type": "{_TYPES}", "acts": [{_ACTS}], "until": "<ISO 8601 with offset>"}} '
    'and, if wanted, "from" and "agreements": [names]'
)


class DelegationBody(Body):
    """Who may act for the person who asks, in what, and for how long. Without agreements: in all that list the type."""

    form = f"{_FORM}."

    delegate: PersonId
    type: DelegationType
    acts: list[Act] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    agreements: list[Name] = Field(default_factory=list, min_length=1, max_length=MOST_AGREEMENTS)
    begins: MomentIfGiven = Field(default=None, alias="from")
    ends: Moment = Field(alias="until")

    @field_validator("acts")
    @classmethod
    def _once(cls, acts: list[Act]) -> list[Act]:
        if not once(acts):
            raise PydanticCustomError("twice", "An act is listed twice; list each once")
        return acts


class RegistrarsDelegationBody(DelegationBody):
    """A delegation as a registrar records it, who names the subject as well."""

    form = f'{_FORM}; and "subject": "<id>".'

    subject: PersonId


LONGEST_VALUE = 200
Decision = Literal["Link", "Refuse", "Unfreeze", "End"]


class LinkBody(Body):
    """What somebody tells of themselves, by the fields that GET /me/link lists under `proof`; empty once a registrar has found the record."""

    form = 'Send {"values": {"<field>": "<text>"}} with each field of `proof` in GET /me/link.'

    values: dict[Annotated[str, StringConstraints(max_length=63)], Annotated[str, StringConstraints(max_length=LONGEST_VALUE)]] = Field(
        max_length=8
    )


class ConfirmationBody(Body):
    """That the record that was found is theirs, with the code where one was sent."""

    form = 'Send {"ticket": "<that of POST /me/link>"} and, where a code was sent, "code": "<six digits>".'

    ticket: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None


class DisputeBody(Body):
    """What is wrong with the link."""

    form = 'Send {"text": "<what is wrong, in at most 2000 characters>"}.'

    text: Annotated[Text, StringConstraints(min_length=1, max_length=2000)]


class DecisionBody(Body):
    """What a registrar decides about a case; `subject` is the record, where the case is not about one already."""

    form = f'Send {{"decision": "{"|".join(get_args(Decision))}"}} and, to link a record or end its link, "subject": "<id>".'

    decision: Decision
    subject: PersonId | None = None
