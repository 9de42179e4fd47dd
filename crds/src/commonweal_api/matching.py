"""How a department finds the record of a person who has just signed in: what they tell, which of it singles one out, and how often they may try."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import FieldName, Name, Strict, Text, cel, check, validations

MOST_ATTRIBUTES, MOST_SHOWN = 8, 8
Label = Annotated[Text, StringConstraints(min_length=1, max_length=80)]
Sentence = Annotated[Text, StringConstraints(min_length=1, max_length=300)]
Normalise = Literal["Upper", "Lower", "Digits", "Date", "AsIs"]


class Labels(Strict):
    """A short text for people, in English and in Welsh."""

    en: Label = Field(description="In English.")
    cy: Label | None = Field(default=None, description="In Welsh; without it the English text is shown, and said to be English.")


class Sentences(Strict):
    """A sentence for people, in English and in Welsh."""

    en: Sentence = Field(description="In English.")
    cy: Sentence | None = Field(default=None, description="In Welsh; without it the English text is shown, and said to be English.")


class MatchingAttribute(Strict):
    """One thing that a person tells of themselves, and that has to be equal to what the record says."""

    field: FieldName = Field(description="A raw field of the product, of type String, Integer or Date.")
    label: Labels = Field(description="What it is called where people are asked for it.")
    description: Sentences | None = Field(default=None, description="Where people find it, and how it is written.")
    normalise: Normalise = Field(
        default="AsIs",
        description="How both values are written before they are compared. Upper and Lower drop spaces and set the letters A to Z; Digits drops all but "
        "digits; Date reads year, month and day; AsIs drops spaces at both ends.",
    )
    unique: bool = Field(
        default=False,
        strict=True,
        description="Whether one person alone has it. Where two records of different people have it, neither is linked.",
    )


class PreviewField(Strict):
    """A field of the record that is shown, masked, before the person says that it is theirs."""

    field: FieldName = Field(description="A field of the product. Of a text the first letter of each word is shown, of a date the year.")
    label: Labels = Field(description="What it is called.")


class MatchingCode(Strict):
    """A code that is sent to an address in the record, and that the person has to give."""

    field: FieldName = Field(description="A raw field of the product, of type String, that holds an e-mail address.")
    minutes: int = Field(default=15, strict=True, ge=2, le=60, description="How long the code can be used.")


UNIQUE = cel(
    "self.attributes.exists(a, has(a.unique) && a.unique)",
    "spec.matching.attributes: none singles a person out; set unique: true on one that no two people share, such as a reference number.",
)
ATTRIBUTES_ONCE = cel(
    "self.attributes.all(a, self.attributes.exists_one(b, b.field == a.field))",
    "spec.matching.attributes: a field is listed twice; remove one of the two.",
)
PREVIEW_ONCE = cel(
    "!has(self.preview) || self.preview.all(a, self.preview.exists_one(b, b.field == a.field))",
    "spec.matching.preview: a field is listed twice; remove one of the two.",
)
ACR_ONCE = cel(
    "!has(self.acr) || self.acr.all(a, self.acr.exists_one(b, b == a))",
    "spec.matching.acr: a value is listed twice; remove one of the two.",
)


class Matching(Strict, json_schema_extra=validations(UNIQUE, ATTRIBUTES_ONCE, PREVIEW_ONCE, ACR_ONCE)):
    """People may link their sign-in to their record here: they tell what `attributes` lists, and one record must agree with all of it.

    None, several, or a record that is linked already: the person is told the same, and a registrar of the department decides.
    """

    product: Name = Field(description="A product of the department that is copied into its store (spec.serve.mode Replica).")
    attributes: list[MatchingAttribute] = Field(
        min_length=1, max_length=MOST_ATTRIBUTES, description="What is asked, in the order in which it is asked."
    )
    preview: list[PreviewField] = Field(
        default_factory=list, max_length=MOST_SHOWN, description="What is shown, masked, with the question whether it is theirs."
    )
    tries: int = Field(
        default=5,
        strict=True,
        ge=1,
        le=20,
        description="Attempts in 24 hours of one sign-in, and failed ones on one record, after which everybody is referred to a registrar.",
    )
    address_tries: int = Field(
        default=100,
        strict=True,
        ge=1,
        le=100_000,
        description="Failed attempts in 24 hours from one address, which can be a portal's, through which many people come.",
    )
    code: MatchingCode | None = Field(default=None, description="A code by e-mail as well; needs a mail server (COMMONWEAL_SMTP).")
    acr: list[Annotated[Text, StringConstraints(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=8, description="Levels of sign-in (claim acr) with which people may link; empty: any."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        fields, shown = [a.field for a in self.attributes], [p.field for p in self.preview]
        check(
            (not any(a.unique for a in self.attributes), UNIQUE),
            (len(set(fields)) != len(fields), ATTRIBUTES_ONCE),
            (len(set(shown)) != len(shown), PREVIEW_ONCE),
            (len(set(self.acr)) != len(self.acr), ACR_ONCE),
        )
        return self
