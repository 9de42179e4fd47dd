"""How much an agreement allows: counted in the database, in the statement that reads."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from commonweal_api.common import FieldName, Strict, cel, check, validations

YEAR_SECONDS = 31_622_400


class Requests(Strict):
    """So many requests in so many seconds, by all clients of the agreement together."""

    max: int = Field(strict=True, ge=1, le=1_000_000, description="Most requests in the time.")
    seconds: int = Field(strict=True, ge=1, le=86400, description="The time, in seconds.")


class PerSubject(Strict):
    """So many reads of one person's record in so many seconds."""

    max: int = Field(strict=True, ge=1, le=10_000, description="Most reads of one subject in the time.")
    seconds: int = Field(strict=True, ge=1, le=YEAR_SECONDS, description="The time, in seconds; at most a year.")


ONCE = cel(
    "!self.once || !has(self.perSubject)",
    "spec.limits.perSubject: once says already that a subject is read one time only; leave one of the two out.",
)


class Limits(Strict, json_schema_extra=validations(ONCE)):
    """How much at a time, how often, and for how long the consumer may keep it."""

    max_rows: int = Field(default=100, strict=True, ge=1, le=1000, description="Most records in one answer.")
    requests: Requests | None = Field(default=None, description="How often all clients together may ask; without it as often as they like.")
    per_subject: PerSubject | None = Field(default=None, description="How often one subject may be read; without it as often as they like.")
    once: bool = Field(
        default=False, strict=True, description="Each subject may be read one time only, for as long as the agreement lives."
    )
    data_life_days: int | None = Field(
        default=None, strict=True, ge=1, le=3653, description="How long the consumer may keep what it read; each answer says until when."
    )
    onward_sharing: bool = Field(default=False, strict=True, description="Whether the consumer may pass it on; needs spec.assurance.dpia.")

    @model_validator(mode="after")
    def _once_or_often(self) -> Self:
        check((self.once and self.per_subject is not None, ONCE))
        return self


class Linkage(Strict):
    """The consumer may find records by its own reference, through a keyed hash; neither side learns the other's references."""

    on: FieldName = Field(description="A raw field of the product that both sides know, such as a reference number.")
    normalise: Literal["Upper", "Lower", "Digits", "AsIs"] = Field(
        default="AsIs",
        description="How the value is written before it is hashed; all but AsIs also drop spaces, Digits drops all but digits.",
    )
