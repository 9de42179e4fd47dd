"""What the person and the public are shown of an agreement."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import Contact, Day, HttpsUrl, Strict, Text, cel, check, validations
from commonweal_api.welsh import AssuranceInWelsh, TransparencyInWelsh

DELAY = cel(
    "(self.visibility == 'Delayed') == has(self.delayDays)",
    "spec.transparency.delayDays: say after how many days a use is shown when visibility is Delayed, and leave it out otherwise.",
)
REASON = cel(
    "(self.visibility != 'Immediate') == has(self.reason)",
    "spec.transparency.reason: say why a use is not shown at once, and leave it out when visibility is Immediate.",
)


class Transparency(Strict, json_schema_extra=validations(DELAY, REASON)):
    """When the person sees a use. Suppressed ones are counted in public."""

    visibility: Literal["Immediate", "Delayed", "Suppressed"] = Field(default="Immediate", description="When the person sees a use.")
    delay_days: int | None = Field(default=None, strict=True, ge=1, le=365, description="After how many days a Delayed use is shown.")
    reason: Text | None = Field(default=None, min_length=20, max_length=500, description="Why it is not shown at once; published.")
    cy: TransparencyInWelsh | None = Field(default=None, description="The same in Welsh.")

    @model_validator(mode="after")
    def _said_why(self) -> Self:
        check(
            ((self.visibility == "Delayed") != (self.delay_days is not None), DELAY),
            ((self.visibility != "Immediate") != (self.reason is not None), REASON),
        )
        return self


class Assurance(Strict):
    """What the public register of information sharing agreements asks beyond the rest of the agreement."""

    benefits: Text = Field(min_length=20, max_length=500, description="What people gain from it.")
    cy: AssuranceInWelsh | None = Field(default=None, description="The same in Welsh.")
    method: Text = Field(min_length=5, max_length=300, description="How the information is handed over.")
    processors: list[Annotated[Text, StringConstraints(min_length=2, max_length=120)]] = Field(
        default_factory=list, max_length=10, description="Who handles it for the consumer."
    )
    areas: list[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", min_length=2, max_length=6)]] = Field(
        min_length=1, max_length=20, description="Where it applies, as ISO 3166 codes, such as GB or GB-SCT."
    )
    contact: Contact = Field(description="Who answers for the agreement: mailto: or https:.")
    review: Day = Field(description="When it is looked at again; lies within spec.validity.")
    dpia: HttpsUrl | None = Field(default=None, description="The data protection impact assessment; needed when spec.limits.onwardSharing.")
