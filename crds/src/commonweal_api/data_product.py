"""DataProduct: a versioned, documented set of records, mapped onto the common data model and published where it lies."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import (
    LAST_COLUMNS,
    READY_COLUMNS,
    Contact,
    HttpsUrl,
    Instant,
    Kind,
    Meta,
    Name,
    SourceColumn,
    Status,
    Strict,
    Text,
    cel,
    check,
    validations,
)
from commonweal_api.data_files import CsvSource, ExcelSource, ParquetSource
from commonweal_api.data_source import MysqlSource, PostgresSource, Source
from commonweal_api.http_source import HttpSource
from commonweal_api.limits import YEAR_SECONDS
from commonweal_api.offer import (
    EARLIER_RULES,
    MASK_INPUT,
    SPEC_RULES,
    Answer,
    Classification,
    FieldType,
    Mask,
    MaskKind,
    Offer,
    ProductField,
)
from commonweal_api.quality import QualityCheck, QualityCount
from commonweal_api.secret_ref import SecretRef
from commonweal_api.sizes import MOST_BYTES, SIZE, size_of
from commonweal_api.welsh import TitleInWelsh

__all__ = [
    "MASK_INPUT",
    "Answer",
    "Classification",
    "CsvSource",
    "DataClass",
    "DataProduct",
    "DataProductSpec",
    "DataProductStatus",
    "EarlierVersion",
    "ExcelSource",
    "FieldType",
    "HttpSource",
    "Mask",
    "MaskKind",
    "MysqlSource",
    "ParquetSource",
    "PostgresSource",
    "ProductField",
    "ProductName",
    "ProductRights",
    "QualityCheck",
    "SecretRef",
    "Serve",
    "Sla",
    "Source",
    "Steward",
    "Subject",
]  # fmt: skip

Version = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$", min_length=5, max_length=17)
]


LossName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", min_length=16, max_length=16)]


class DataClass(StrEnum):
    """The class of the common data model that a product's records belong to."""

    PERSON = "Person"
    BUSINESS = "Business"
    ADDRESS = "Address"
    LIFE_EVENT = "LifeEvent"
    INTERACTION = "Interaction"


class Subject(Strict, json_schema_extra=validations(
    cel("(self.records == 'Many') == has(self.recordKey)", "spec.subject.recordKey: name the column that tells a subject's records apart when records is Many, and leave it out when it is One."),
)):  # fmt: skip
    """Who a record is about. The column's value never leaves the source: the store keeps its pairwise id."""

    column: SourceColumn = Field(description="Column that says who a record is about.")
    records: Literal["One", "Many"] = Field(default="One", description="How many records a subject can have.")
    record_key: SourceColumn | None = Field(
        default=None, description="Column that tells a subject's records apart; only when there can be many."
    )

    @model_validator(mode="after")
    def _record_key(self) -> Self:
        if (self.records == "Many") != (self.record_key is not None):
            raise ValueError(
                "spec.subject.recordKey: name the column that tells a subject's records apart when records is Many, and leave it out when it is One."
            )
        return self


class Serve(Strict):
    """How it is kept fresh and how its uses are recorded."""

    mode: Literal["Replica", "Live"] = Field(
        default="Replica",
        description="Replica: the store keeps what the fields name, and reads never wait for the source. Live: the store keeps keys alone, and each read asks"
        " the source for the permitted ones; PostgreSQL only.",
    )
    refresh_seconds: int = Field(
        default=300, strict=True, ge=5, le=86400, description="How often the source is read again and the quality checks are run."
    )
    max_loss_percent: int = Field(
        default=20,
        strict=True,
        ge=0,
        le=100,
        description="Greatest share of the served records that one load may take away, in percent; a load that would take more is not merged. Fewer than 10"
        " records may always go, unless none would stay. Only a steward raises it.",
    )
    accept_loss: LossName | None = Field(
        default=None,
        description="Name of one loss above maxLossPercent that a steward has accepted, as the condition Loaded tells it; it holds once.",
    )
    audit_durability: Literal["Durable", "Deferred", "Strict"] = Field(
        default="Durable",
        description="Durable: an answer waits until its audit row is on disk. Deferred: up to 0.6 s of audit can be lost in a crash of the machine."
        " Strict: the audit row is on disk before the first record leaves the database; one round trip more.",
    )


class Steward(Strict):
    """Who answers for the product."""

    steward: Contact = Field(description="Who knows what the records mean: mailto: or https:.")
    complaints: HttpsUrl = Field(description="Where a person complains about their data.")


class Sla(Strict):
    """What consumers may rely on; when it is missed the condition SlaMet says so."""

    freshness_seconds: int = Field(
        strict=True, ge=5, le=YEAR_SECONDS, description="Greatest age of the records, since the source was last read."
    )


class ProductRights(Strict):
    """What the product can do for a person's rights."""

    erasure: Literal["Supported", "AtSource"] = Field(
        default="AtSource",
        description="Supported: a person's erasure removes the record here and keeps it out. AtSource: the person is sent to the steward of the source.",
    )


class EarlierVersion(Offer, json_schema_extra=validations(*EARLIER_RULES.values())):
    """An earlier major version, served beside the current one from the same source until consumers have moved."""

    version: Version = Field(description="Semantic version of that contract; its major number is less than that of spec.version.")
    until: Instant = Field(description="From this moment it is served no more.")

    @model_validator(mode="after")
    def _offer_is_whole(self) -> Self:
        self.check_offer(EARLIER_RULES)
        return self


LIVE = cel(
    "self.serve.mode != 'Live' || has(self.source.postgres)", "spec.serve.mode: only a postgres source can be read Live; write Replica."
)
LIVE_KEPT = cel(
    "self.serve.mode != 'Live' || (self.fields.all(f, !has(f.from)) && (!has(self.answers) || size(self.answers) == 0)"
    " && (!has(self.quality) || size(self.quality) == 0) && !has(self.sla) && (!has(self.earlier) || size(self.earlier) == 0))",
    "spec.serve.mode: Live keeps no values, so it takes no fields[].from, answers, quality, sla or earlier; leave them out or write Replica.",
)
LIVE_ONE = cel(
    "self.serve.mode != 'Live' || self.subject.records == 'One'",
    "spec.serve.mode: Live reads one record per subject; set subject.records to One or write Replica.",
)
LIVE_STRICT = cel(
    "self.serve.mode != 'Live' || self.serve.auditDurability != 'Strict'",
    "spec.serve.auditDurability: Strict cannot be kept by a product that is read Live; write Durable, or Replica in spec.serve.mode.",
)
LIVE_ERASURE = cel(
    "self.serve.mode != 'Live' || self.rights.erasure == 'AtSource'",
    "spec.rights.erasure: records that are read Live are erased at their source; write AtSource.",
)
CHECKS = cel(
    "!has(self.quality) || self.quality.all(q, self.quality.exists_one(r, r.name == q.name))",
    "spec.quality: names must be unique; rename one of the two.",
)
CHECKED = cel(
    "!has(self.quality) || self.quality.all(q, !has(q.field) || self.fields.exists(f, f.name == q.field && !has(f.mask)))",
    "spec.quality[].field: is no raw field of this product; name one with a column or an expression.",
)
EARLIER = cel(
    "!has(self.earlier) || self.earlier.all(e, int(e.version.split('.')[0]) < int(self.version.split('.')[0]))",
    "spec.earlier[].version: its major number must be less than that of spec.version; raise spec.version.",
)
MAJORS = cel(
    "!has(self.earlier) || self.earlier.all(e, self.earlier.exists_one(d, d.version.split('.')[0] == e.version.split('.')[0]))",
    "spec.earlier: one version per major number; remove the older one.",
)
RULES = (
    *SPEC_RULES.values(), LIVE, LIVE_KEPT, LIVE_ONE, LIVE_STRICT, LIVE_ERASURE, CHECKS, CHECKED, EARLIER, MAJORS, SIZE,
    cel(
        "self.subject.column == oldSelf.subject.column",
        "spec.subject.column: changing it would give every person another id; publish a new product instead.",
    ),
    cel("self.subject.records == oldSelf.subject.records", "spec.subject.records: cannot be changed; publish a new product instead."),
)  # fmt: skip


def major_of(version: str) -> int:
    """Return the major number of a semantic version."""
    return int(version.partition(".")[0])


class DataProductSpec(Offer, json_schema_extra=validations(*RULES)):
    title: Text = Field(min_length=1, max_length=120, description="Name shown to people.")
    cy: TitleInWelsh | None = Field(default=None, description="The same in Welsh.")
    description: Text | None = Field(default=None, max_length=1000, description="What the records are, for consumers.")
    owner: Steward | None = None
    version: Version = Field(description="Semantic version of the contract.")
    data_class: DataClass = Field(alias="class")
    source: Source
    subject: Subject
    serve: Serve = Field(default_factory=Serve)
    quality: list[QualityCheck] = Field(default_factory=list, max_length=50, description="Checks that are run after each load.")
    sla: Sla | None = None
    rights: ProductRights = Field(default_factory=ProductRights)
    earlier: list[EarlierVersion] = Field(
        default_factory=list, max_length=3, description="Earlier major versions, served beside this one until their consumers have moved."
    )

    @model_validator(mode="after")
    def _offer_is_whole(self) -> Self:
        self.check_offer(SPEC_RULES)
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        raw, checks = {f.name for f in self.fields if f.mask is None}, [q.name for q in self.quality]
        majors = [major_of(e.version) for e in self.earlier]
        if self.serve.mode == "Live":
            self._fits_live()
        check(
            (len(set(checks)) != len(checks), CHECKS),
            (any(q.field is not None and q.field not in raw for q in self.quality), CHECKED),
            (any(m >= major_of(self.version) for m in majors), EARLIER),
            (len(set(majors)) != len(majors), MAJORS),
            (size_of(self, self.earlier, self.quality) > MOST_BYTES, SIZE),
        )
        return self

    def _fits_live(self) -> None:
        derived = any(f.from_ is not None for f in self.fields)
        check(
            (self.source.postgres is None, LIVE),
            (derived or bool(self.answers or self.quality or self.earlier) or self.sla is not None, LIVE_KEPT),
            (self.subject.records != "One", LIVE_ONE),
            (self.serve.audit_durability == "Strict", LIVE_STRICT),
            (self.rights.erasure != "AtSource", LIVE_ERASURE),
        )


class DataProductStatus(Status):
    endpoint: str | None = Field(default=None, max_length=300, description="URL under which consumers read.")
    contract: str | None = Field(default=None, max_length=80, description="Digest of the contract in force.")
    versions: list[Version] | None = Field(default=None, max_length=4, description="Versions that are served now.")
    quality: QualityCount | None = None
    quarantined: int | None = Field(
        default=None, strict=True, ge=0, description="Records of the source that break the contract; they are set aside, not served."
    )


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
        {"name": "Set aside", "type": "integer", "jsonPath": ".status.quarantined"},
        {"name": "Failed checks", "type": "integer", "jsonPath": ".status.quality.failed"},
        {"name": "Mode", "type": "string", "priority": 1, "jsonPath": ".spec.serve.mode"},
        {"name": "Endpoint", "type": "string", "priority": 1, "jsonPath": ".status.endpoint"},
        *LAST_COLUMNS,
    )

    kind: Literal["DataProduct"] = "DataProduct"
    metadata: Meta
    spec: DataProductSpec
    status: DataProductStatus = Field(default_factory=DataProductStatus)


ProductName = Name
