"""What a product offers: fields (raw ones, expressions over them, masks) and answers, with the rules that hold for every version of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import FieldName, SourceColumn, Strict, Text, cel, check, validations
from commonweal_api.welsh import FieldInWelsh

Expression = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
RESERVED = ("subject", "record")


class FieldType(StrEnum):
    STRING = "String"
    INTEGER = "Integer"
    NUMBER = "Number"
    BOOLEAN = "Boolean"
    DATE = "Date"
    TIMESTAMP = "Timestamp"


class MaskKind(StrEnum):
    """What is left of a raw field: each is an immutable expression, so it can be a generated stored column."""

    YEAR = "Year"
    DECADE = "Decade"
    FIRST_WORD = "FirstWord"
    FIRST_THREE = "FirstThree"
    PRESENT = "Present"


MASK_INPUT = {
    MaskKind.YEAR: {FieldType.DATE},
    MaskKind.DECADE: {FieldType.DATE, FieldType.INTEGER},
    MaskKind.FIRST_WORD: {FieldType.STRING},
    MaskKind.FIRST_THREE: {FieldType.STRING},
    MaskKind.PRESENT: set(FieldType),
}


MASK_OUTPUT = {
    MaskKind.YEAR: FieldType.INTEGER,
    MaskKind.DECADE: FieldType.INTEGER,
    MaskKind.FIRST_WORD: FieldType.STRING,
    MaskKind.FIRST_THREE: FieldType.STRING,
    MaskKind.PRESENT: FieldType.BOOLEAN,
}
MASK_MESSAGE = (
    "spec.fields[].mask.kind: does not suit the type of the field that it masks; "
    + "; ".join(
        f"{kind} needs {' or '.join(t for t in FieldType if t in types)}"
        for kind, types in MASK_INPUT.items()
        if len(types) < len(FieldType)
    )
    + "; Present suits all."
)


def _suits(mask: str, raw: str) -> str:
    """Return the CEL expression that says whether the mask may be put on the raw field, made from the table that the model uses."""
    cases = [
        f"({mask}.kind == '{kind}' && {raw}.type in [{', '.join(repr(str(t)) for t in FieldType if t in types)}])"
        for kind, types in MASK_INPUT.items()
    ]
    return " || ".join(cases)


class Mask(Strict):
    """A field that says less than the raw one, and is granted instead of it."""

    of: FieldName = Field(description="The raw field.")
    kind: MaskKind


class Classification(StrEnum):
    """The government security classifications that a shared field may have."""

    OFFICIAL = "Official"
    OFFICIAL_SENSITIVE = "OfficialSensitive"


ORIGIN = cel(
    "[has(self.column), has(self.from), has(self.mask)].exists_one(b, b)",
    "spec.fields[]: set exactly one of column, from (raw fields) and mask (a reduced one).",
)
TYPED = cel("has(self.mask) || has(self.type)", "spec.fields[].type: a field with a column or an expression needs a type.")
UNTYPED = cel("!has(self.mask) || !has(self.type)", "spec.fields[].type: the type of a mask follows from what it masks; leave it out.")


class ProductField(Strict, json_schema_extra=validations(ORIGIN, TYPED, UNTYPED)):
    name: FieldName = Field(description="Name under which consumers ask for it.")
    column: SourceColumn | None = Field(
        default=None, description="Column of the source table, as it is called there; of an HTTP API a member's name or a JSON pointer."
    )
    from_: Expression | None = Field(
        default=None,
        alias="from",
        description="SQL expression over columns of the source table, from a small safe subset; a name with blanks or accents stands in double quotes.",
    )
    type: FieldType | None = Field(default=None, description="What the column is read as; a mask's type follows from what it masks.")
    mask: Mask | None = Field(default=None, description="A field that says less than the raw one, and is granted instead of it.")
    semantic: Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z]{0,39}:[a-z][A-Za-z]{0,62}$", max_length=104)] | None = Field(
        default=None, description="Property of the common data model, such as person:birthDate."
    )
    label: Text | None = Field(
        default=None, min_length=1, max_length=80, description="What people are told it is called; without it, its name."
    )
    description: Text | None = Field(default=None, max_length=300, description="What it means, for consumers and for the person.")
    cy: FieldInWelsh | None = Field(default=None, description="Label and description in Welsh.")
    required: bool = Field(default=False, strict=True, description="A record without it is set aside at loading, and counted.")
    classification: Classification = Field(default=Classification.OFFICIAL, description="How sensitive it is; shown in every contract.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        check(
            (sum(origin is not None for origin in (self.column, self.from_, self.mask)) != 1, ORIGIN),
            (self.mask is None and self.type is None, TYPED),
            (self.mask is not None and self.type is not None, UNTYPED),
        )
        return self


class Answer(Strict):
    """A question answered with yes or no instead of the data behind it; agreements list it like any other field."""

    name: FieldName = Field(description="Name under which consumers ask for it.")
    expression: Expression = Field(description="Boolean SQL expression over raw fields of this product; may use current_date.")
    description: Text = Field(min_length=5, max_length=300, description="The question, for consumers and for the person.")
    label: Text | None = Field(
        default=None, min_length=1, max_length=80, description="What people are told it is called; without it, its name."
    )
    cy: FieldInWelsh | None = Field(default=None, description="Label and question in Welsh.")


def offer_rules(at: str) -> dict[str, dict[str, Any]]:
    """Return the rules on `fields` and `answers` by name; `at` is where they lie, such as spec."""
    return {
        "unique": cel(
            "self.fields.all(f, self.fields.exists_one(g, g.name == f.name))", f"{at}.fields: names must be unique; rename one of the two."
        ),
        "masked": cel(
            "self.fields.all(f, !has(f.mask) || self.fields.exists(g, g.name == f.mask.of && !has(g.mask)))",
            f"{at}.fields[].mask.of: names a field that is not here or is itself a mask; name a raw field of this product.",
        ),
        "suited": cel(
            f"self.fields.all(f, !has(f.mask) || self.fields.all(g, g.name != f.mask.of || !has(g.type) || {_suits('f.mask', 'g')}))",
            MASK_MESSAGE.replace("spec.", f"{at}.", 1),
        ),
        "raw": cel("self.fields.exists(f, !has(f.mask))", f"{at}.fields: at least one field needs a column or an expression."),
        "reserved": cel(
            "self.fields.all(f, !(f.name in ['subject', 'record'])) && (!has(self.answers) || self.answers.all(a, !(a.name in ['subject', 'record'])))",
            f"{at}.fields[].name: «subject» and «record» are taken; choose another name.",
        ),
        "answers": cel(
            "!has(self.answers) || self.answers.all(a, self.answers.exists_one(b, b.name == a.name) && !self.fields.exists(f, f.name == a.name))",
            f"{at}.answers[].name: is the name of another answer or of a field; choose another name.",
        ),
    }


SPEC_RULES, EARLIER_RULES = offer_rules("spec"), offer_rules("spec.earlier[]")


class Offer(Strict):
    """Fields and answers of one version. Subclasses carry the rules on their schema, under the path at which they lie."""

    fields: list[ProductField] = Field(
        min_length=1, max_length=100, description="What consumers can be granted; columns not named here stay in the source."
    )
    answers: list[Answer] = Field(default_factory=list, max_length=50, description="Questions that can be answered instead of giving data.")

    def names(self) -> list[str]:
        """Return all that an agreement can list: fields, then answers."""
        return [f.name for f in self.fields] + [a.name for a in self.answers]

    def check_offer(self, rules: dict[str, dict[str, Any]]) -> None:
        """Raise ValueError in the words of the rule that is broken."""
        names, answers = [f.name for f in self.fields], [a.name for a in self.answers]
        raw = {f.name: f.type for f in self.fields if f.mask is None}
        masks = [f.mask for f in self.fields if f.mask is not None]
        check(
            (len(set(names)) != len(names), rules["unique"]),
            (not raw, rules["raw"]),
            (bool(set(RESERVED) & {*names, *answers}), rules["reserved"]),
            (len(set(answers)) != len(answers) or bool(set(answers) & set(names)), rules["answers"]),
            (any(m.of not in raw for m in masks), rules["masked"]),
            (any(raw.get(m.of) not in MASK_INPUT[m.kind] for m in masks), rules["suited"]),
        )
