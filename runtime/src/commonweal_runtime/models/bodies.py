"""What callers send. Every limit stands here, and a body that breaks one is refused with the place and the remedy."""

from __future__ import annotations

from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from commonweal_api.common import Name
from commonweal_runtime.problems import Problem, invalid_request

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
Subjects = Annotated[dict[Name, UUID], Field(max_length=20)]


class Body(BaseModel):
    """A frozen request body; an unknown key is refused rather than lost."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


B = TypeVar("B", bound="Body")


class Action(Body):
    """One thing that may be offered; `features` describe it in the Shared shape."""

    id: ActionId
    features: FreeFields = Field(default_factory=dict)


class RankBody(Body):
    """A question: what is best offered to this person, in this context? The first action is the baseline."""

    event_id: EventId
    subjects: Subjects = Field(default_factory=dict)
    context: FreeFields = Field(default_factory=dict)
    actions: list[Action] = Field(min_length=1, max_length=50)

    @field_validator("actions")
    @classmethod
    def _once(cls, actions: list[Action]) -> list[Action]:
        if len({a.id for a in actions}) != len(actions):
            raise ValueError("an id is offered twice; offer each action once")
        return actions


class ActivateBody(Body):
    """The decision was shown to the person."""

    event_id: EventId


class RewardBody(Body):
    """How well it went: 0 is not at all, 1 is as well as can be."""

    event_id: EventId
    value: float = Field(ge=0.0, le=1.0, allow_inf_nan=False, strict=True)


class ForgetBody(Body):
    """Forget this person: take out what was learnt from them, and erase who they were."""

    subjects: Annotated[dict[Name, UUID], Field(min_length=1, max_length=20)]


def parse(kind: type[B], data: bytes) -> B:
    """Return the body, or raise the problem that names what is wrong with it. Its values are never repeated."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(p) for p in first["loc"] if p not in ("bool", "str")) or "body"
        detail = f"{place}: {first['msg']}."
        raise invalid_request(detail, f"Correct {place} and send the request again with the same eventId.") from None


def too_large() -> Problem:
    """Return the refusal of a body over the limit."""
    detail = f"The body has more than {MOST_BYTES} bytes."
    return Problem(413, "BodyTooLarge", "Request too large", detail, "Offer fewer actions, or describe them by fewer features.")
