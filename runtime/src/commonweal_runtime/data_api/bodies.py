"""What the body of a request may say."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from commonweal_api.common import Name
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
