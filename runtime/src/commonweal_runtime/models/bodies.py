"""What callers send. Every limit stands here."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from commonweal_api.common import Name
from commonweal_runtime.bodies import Body, PersonId, once

MOST_BYTES = 256 * 1024
MOST_FREE = 32
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

EventId = Annotated[str, StringConstraints(pattern=_PRINTABLE, min_length=1, max_length=200)]
ActionId = Annotated[str, StringConstraints(pattern=_PRINTABLE, min_length=1, max_length=200)]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$")]
Text = Annotated[str, StringConstraints(pattern=_PRINTABLE, min_length=1, max_length=100)]
Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Value = Annotated[bool | Number | Text, Field(union_mode="smart")]
FreeFields = Annotated[dict[Key, Value], Field(max_length=MOST_FREE)]
Subjects = Annotated[dict[Name, PersonId], Field(max_length=20)]


class Action(Body):
    """One thing that may be offered; `features` describe it in the Shared shape."""

    id: ActionId
    features: FreeFields = Field(default_factory=dict)


class EventBody(Body):
    """A body about one event."""

    form = "Send the request again with the same eventId."

    event_id: EventId


class RankBody(EventBody):
    """A question: what is best offered to this person, in this context? The first action is the baseline."""

    subjects: Subjects = Field(default_factory=dict)
    context: FreeFields = Field(default_factory=dict)
    actions: list[Action] = Field(min_length=1, max_length=50)

    @field_validator("actions")
    @classmethod
    def _once(cls, actions: list[Action]) -> list[Action]:
        if not once(a.id for a in actions):
            raise PydanticCustomError("twice", "An id is offered twice; offer each action once")
        return actions


class ActivateBody(EventBody):
    """The decision was shown to the person."""


class RewardBody(EventBody):
    """How well it went: 0 is not at all, 1 is as well as can be."""

    value: float = Field(ge=0.0, le=1.0, allow_inf_nan=False)


class ForgetBody(Body):
    """Forget this person: take out what was learnt from them, and erase who they were."""

    subjects: Annotated[dict[Name, PersonId], Field(min_length=1, max_length=20)]


Parameters = Annotated[dict[str, Any], Field(max_length=100)]


class Tensor(Body):
    """One named tensor of the Open Inference Protocol; `data` is flat or nested, row by row. Parameters are allowed, and none is known here."""

    name: str = Field(max_length=200)
    shape: list[int] = Field(max_length=4)
    datatype: str = Field(max_length=10)
    parameters: Parameters | None = None
    data: list[Any] = Field(max_length=100_000)


class Wanted(Body):
    """One output that is asked for."""

    name: str = Field(max_length=200)
    parameters: Parameters | None = None


class InferBody(Body):
    """An inference request of the Open Inference Protocol."""

    id: str | None = Field(default=None, max_length=200)
    parameters: Parameters | None = None
    inputs: list[Tensor] = Field(min_length=1, max_length=100)
    outputs: list[Wanted] | None = Field(default=None, max_length=10)
