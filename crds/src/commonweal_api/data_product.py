"""DataProduct: a versioned, documented set of records, mapped onto the common data model and published where it lies."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field as P
from pydantic import StringConstraints, model_validator

from commonweal_api.common import LAST_COLUMNS, READY_COLUMNS, ColumnName, FieldName, Kind, Meta, Name, Status, Strict, cel, validations


class DataClass(StrEnum):
    """The class of the common data model that a product's records belong to."""

    PERSON = "Person"
    BUSINESS = "Business"
    ADDRESS = "Address"
    LIFE_EVENT = "LifeEvent"
    INTERACTION = "Interaction"


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

    of: FieldName = P(description="The raw field.")
    kind: MaskKind


class Field(Strict, json_schema_extra=validations(
    cel("has(self.column) != has(self.mask)", "spec.fields[]: set exactly one of column (a raw field) and mask (a reduced one)."),
    cel("!has(self.column) || has(self.type)", "spec.fields[].type: a field with a column needs a type."),
    cel("!has(self.mask) || !has(self.type)", "spec.fields[].type: the type of a mask follows from what it masks; leave it out."),
)):  # fmt: skip
    name: FieldName = P(description="Name under which consumers ask for it.")
    column: ColumnName | None = P(default=None, description="Column of the source table.")
    type: FieldType | None = P(default=None, description="What the column is read as; a mask's type follows from what it masks.")
    mask: Mask | None = P(default=None, description="A field that says less than the raw one, and is granted instead of it.")
    semantic: Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z]{0,39}:[a-z][A-Za-z]{0,62}$", max_length=104)] | None = P(
        default=None, description="Property of the common data model, such as person:birthDate."
    )
    description: str | None = P(default=None, max_length=300, description="What it means, for consumers.")
    required: bool = P(default=False, strict=True, description="A record without it is refused at loading.")

    @model_validator(mode="after")
    def _column_or_mask(self) -> Self:
        if (self.column is None) == (self.mask is None):
            raise ValueError("spec.fields[]: set exactly one of column (a raw field) and mask (a reduced one).")
        if self.column is not None and self.type is None:
            raise ValueError("spec.fields[].type: a field with a column needs a type.")
        if self.mask is not None and self.type is not None:
            raise ValueError("spec.fields[].type: the type of a mask follows from what it masks; leave it out.")
        return self


class SecretRef(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", min_length=1, max_length=63)] = P(
        description="A Secret in the same namespace with the keys username and password."
    )


class PostgresSource(Strict):
    """A heritage PostgreSQL database; it is read, never written."""

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$", min_length=1, max_length=253)] = P(
        description="Name or IPv4 address; never a store of another department."
    )
    port: int = P(default=5432, strict=True, ge=1, le=65535, description="TCP port.")
    database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$", min_length=1, max_length=63)] = P(
        description="Name of the database."
    )
    schema_: ColumnName = P(default="public", alias="schema", description="Schema of the table.")
    table: ColumnName = P(description="Table or view with one row per record.")
    credentials: SecretRef = P(description="The login, which needs no more than SELECT on the table.")


class Source(Strict):
    """Exactly one kind of source; more kinds will follow."""

    postgres: PostgresSource


class Subject(Strict, json_schema_extra=validations(
    cel("(self.records == 'Many') == has(self.recordKey)", "spec.subject.recordKey: name the column that tells a subject's records apart when records is Many, and leave it out when it is One."),
)):  # fmt: skip
    """Whom a record is about. The column's value never leaves the source: the store keeps its pairwise id."""

    column: ColumnName = P(description="Column that says whom a record is about.")
    records: Literal["One", "Many"] = P(default="One", description="How many records a subject can have.")
    record_key: ColumnName | None = P(default=None, description="Column that tells a subject's records apart; only when there can be many.")

    @model_validator(mode="after")
    def _record_key(self) -> Self:
        if (self.records == "Many") != (self.record_key is not None):
            raise ValueError(
                "spec.subject.recordKey: name the column that tells a subject's records apart when records is Many, and leave it out when it is One."
            )
        return self


class Serve(Strict):
    """How it is kept fresh and how its uses are recorded."""

    refresh_seconds: int = P(default=300, strict=True, ge=5, le=86400, description="How often the source is read again.")
    audit_durability: Literal["Durable", "Deferred"] = P(
        default="Durable",
        description="Durable: an answer waits until its audit row is on disk. Deferred: up to 0.6 s of audit can be lost in a crash of the machine.",
    )


SPEC_RULES = (
    cel("self.fields.all(f, self.fields.exists_one(g, g.name == f.name))", "spec.fields: names must be unique; rename one of the two."),
    cel(
        "self.fields.all(f, !has(f.mask) || self.fields.exists(g, g.name == f.mask.of && has(g.column)))",
        "spec.fields[].mask.of: names a field that is not here or is itself a mask; name a raw field of this product.",
    ),
    cel(
        f"self.fields.all(f, !has(f.mask) || self.fields.all(g, g.name != f.mask.of || !has(g.type) || {_suits('f.mask', 'g')}))",
        MASK_MESSAGE,
    ),
    cel("self.fields.exists(f, has(f.column))", "spec.fields: at least one field needs a column."),
    cel(
        "self.fields.all(f, f.name != 'subject' && f.name != 'record')",
        "spec.fields[].name: «subject» and «record» are taken; choose another name.",
    ),
    cel(
        "self.subject.column == oldSelf.subject.column",
        "spec.subject.column: changing it would give every person another id; publish a new product instead.",
    ),
    cel("self.subject.records == oldSelf.subject.records", "spec.subject.records: cannot be changed; publish a new product instead."),
)


class DataProductSpec(Strict, json_schema_extra=validations(*SPEC_RULES)):
    title: str = P(min_length=1, max_length=120, description="Name shown to people.")
    description: str | None = P(default=None, max_length=1000, description="What the records are, for consumers.")
    version: Annotated[
        str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$", min_length=5, max_length=17)
    ] = P(description="Semantic version of the contract.")
    data_class: DataClass = P(alias="class")
    source: Source
    subject: Subject
    serve: Serve = P(default_factory=Serve)
    fields: list[Field] = P(
        min_length=1, max_length=100, description="What consumers can be granted; columns not named here stay in the source."
    )

    @model_validator(mode="after")
    def _fields_fit(self) -> Self:
        names = [f.name for f in self.fields]
        raw = {f.name: f.type for f in self.fields if f.column is not None}
        if len(set(names)) != len(names):
            raise ValueError("spec.fields: names must be unique; rename one of the two.")
        if not raw:
            raise ValueError("spec.fields: at least one field needs a column.")
        if {"subject", "record"} & set(names):
            raise ValueError("spec.fields[].name: «subject» and «record» are taken; choose another name.")
        if any(f.mask and f.mask.of not in raw for f in self.fields):
            raise ValueError("spec.fields[].mask.of: names a field that is not here or is itself a mask; name a raw field of this product.")
        if any(f.mask and raw[f.mask.of] not in MASK_INPUT[f.mask.kind] for f in self.fields):
            raise ValueError(MASK_MESSAGE)
        return self


class DataProductStatus(Status):
    endpoint: str | None = P(default=None, max_length=300, description="URL under which consumers read.")
    contract: str | None = P(default=None, max_length=80, description="Digest of the contract in force.")


class DataProduct(Kind):
    """A published, served, versioned set of records."""

    plural: ClassVar[str] = "dataproducts"
    singular: ClassVar[str] = "dataproduct"
    short_names: ClassVar[tuple[str, ...]] = ("dp",)
    namespaced: ClassVar[bool] = True
    columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Class", "type": "string", "jsonPath": ".spec.class"},
        {"name": "Version", "type": "string", "jsonPath": ".spec.version"},
        *READY_COLUMNS,
        {"name": "Endpoint", "type": "string", "priority": 1, "jsonPath": ".status.endpoint"},
        *LAST_COLUMNS,
    )

    kind: Literal["DataProduct"] = "DataProduct"
    metadata: Meta
    spec: DataProductSpec
    status: DataProductStatus = P(default_factory=DataProductStatus)


ProductName = Name
