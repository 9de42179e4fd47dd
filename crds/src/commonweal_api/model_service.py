"""ModelService: a decision policy served where its data lies, learning from each interaction."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from commonweal_api.common import (
    LAST_COLUMNS,
    READY_COLUMNS,
    ClientName,
    FieldName,
    Kind,
    Meta,
    Name,
    PurposeKey,
    Status,
    Strict,
    Text,
    cel,
    validations,
)
from commonweal_api.welsh import TitleInWelsh

RUNTIME_CLIENT = "models"
"""The ServiceAccount under which every model runtime reads, and which no other consumer has."""


class Feature(Strict, json_schema_extra=validations(
    cel("self.encoding == 'Number' ? has(self.min) && has(self.max) : !has(self.min) && !has(self.max)", "spec.features[]: a Number needs min and max (both, to scale it); a Category has neither."),
    cel("!has(self.min) || !has(self.max) || self.max > self.min", "spec.features[].max: must be greater than min."),
)):  # fmt: skip
    """One field of a DataProduct, read under an agreement; withheld when the person withholds it."""

    department: Name = Field(description="The department that publishes the product.")
    product: Name = Field(description="The DataProduct.")
    field: FieldName = Field(description="The field; an agreement must list it.")
    encoding: Literal["Category", "Number"] = Field(default="Category", description="How the model reads it.")
    min: float | None = Field(default=None, strict=True, ge=-1e12, le=1e12, description="Where the scale of a Number begins.")
    max: float | None = Field(default=None, strict=True, ge=-1e12, le=1e12, description="Where the scale of a Number ends.")

    @model_validator(mode="after")
    def _scale(self) -> Self:
        both, neither = self.min is not None and self.max is not None, self.min is None and self.max is None
        if not (both if self.encoding == "Number" else neither):
            raise ValueError("spec.features[]: a Number needs min and max (both, to scale it); a Category has neither.")
        if self.min is not None and self.max is not None and self.max <= self.min:
            raise ValueError("spec.features[].max: must be greater than min.")
        return self


class Caller(Strict):
    """A ServiceAccount that may call the model."""

    department: Name = Field(description="The caller's department.")
    client: ClientName = Field(description="Name of the ServiceAccount.")


class Learning(Strict, json_schema_extra=validations(
    cel("self.floor * double(self.maxActions) <= 0.5", "spec.learning.floor: floor times maxActions must be at most 0.5, else chance decides more than the model; lower one of the two."),
)):  # fmt: skip
    """How it learns: ridge regression on additive sums, with SquareCB exploration."""

    shape: Literal["PerAction", "Shared"] = Field(
        default="PerAction", description="PerAction: few lasting actions. Shared: long or changing lists, whose actions carry features."
    )
    slots: Literal[16, 32, 64, 128, 256] = Field(default=64, description="Size of the hashed feature space.")
    floor: float = Field(default=0.01, strict=True, ge=0.0001, le=0.5, description="Least probability of each offered action.")
    gamma: float = Field(default=100.0, strict=True, ge=1.0, le=100000.0, description="How soon exploration gives way; larger is sooner.")
    max_actions: int = Field(default=20, strict=True, ge=2, le=50, description="Most actions in one request.")
    reward_wait_seconds: int = Field(
        default=604800, strict=True, ge=1, le=7776000, description="A reward that comes later is kept and counted, not learnt."
    )

    @model_validator(mode="after")
    def _explores_sanely(self) -> Self:
        if self.floor * self.max_actions > 0.5:
            raise ValueError(
                "spec.learning.floor: floor times maxActions must be at most 0.5, else chance decides more than the model; lower one of the two."
            )
        return self


SPEC_RULES = (
    cel(
        "self.features.all(f, self.features.exists_one(g, g.department == f.department && g.product == f.product && g.field == f.field))",
        "spec.features: a field is listed twice; remove one.",
    ),
    cel(
        "self.callers.all(c, self.callers.exists_one(d, d.department == c.department && d.client == c.client))",
        "spec.callers: a caller is listed twice; remove one.",
    ),
    cel("self.purpose == oldSelf.purpose", "spec.purpose: cannot be changed, for people agreed to this one; write a new ModelService."),
)


class ModelServiceSpec(Strict, json_schema_extra=validations(*SPEC_RULES)):
    title: Text = Field(min_length=1, max_length=120, description="Name shown to people.")
    cy: TitleInWelsh | None = Field(default=None, description="The same in Welsh.")
    purpose: PurposeKey = Field(description="The purpose under which it reads; an agreement must list it.")
    features: list[Feature] = Field(min_length=1, max_length=50, description="What it may learn from.")
    callers: list[Caller] = Field(
        min_length=1,
        max_length=20,
        description="Who may ask it; more than a choice, and a caller of another department, needs agreements that name the caller.",
    )
    learning: Learning = Field(default_factory=Learning)

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        names = [(f.department, f.product, f.field) for f in self.features]
        if len(set(names)) != len(names):
            raise ValueError("spec.features: a field is listed twice; remove one.")
        callers = [(c.department, c.client) for c in self.callers]
        if len(set(callers)) != len(callers):
            raise ValueError("spec.callers: a caller is listed twice; remove one.")
        return self


class ModelEndpoints(Strict):
    """Where the model answers."""

    rank: str = Field(max_length=300, description="Ranks actions for a person and remembers the decision.")
    reward: str = Field(max_length=300, description="Takes what came of a decision.")
    infer: str = Field(max_length=300, description="Scores, in the Open Inference Protocol.")
    metadata: str = Field(max_length=300, description="Describes the model, in the Open Inference Protocol.")


class ModelServiceStatus(Status):
    endpoints: ModelEndpoints | None = None


class ModelService(Kind):
    """A model or a decision policy."""

    plural: ClassVar[str] = "modelservices"
    singular: ClassVar[str] = "modelservice"
    short_names: ClassVar[tuple[str, ...]] = ("ms",)
    namespaced: ClassVar[bool] = True
    columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Purpose", "type": "string", "jsonPath": ".spec.purpose"},
        *READY_COLUMNS,
        {"name": "Rank", "type": "string", "priority": 1, "jsonPath": ".status.endpoints.rank"},
        *LAST_COLUMNS,
    )

    kind: Literal["ModelService"] = "ModelService"
    metadata: Meta
    spec: ModelServiceSpec
    status: ModelServiceStatus = Field(default_factory=ModelServiceStatus)
