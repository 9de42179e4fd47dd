"""What every kind shares: names, the strict base model, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

GROUP = "commonweal.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
_PREFIX, PLATFORM_SUFFIX = "dept-", "-platform"
# Where the certificate of the authority to trust is published: a ConfigMap in the platform's namespace and each department's, and its key.
AUTHORITY, AUTHORITY_KEY = "commonweal-ca", "ca.crt"

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
FIELD_PATTERN = r"^[a-z][A-Za-z0-9]{0,62}$"
COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
PURPOSE_PATTERN = r"^[a-z][a-z0-9-]{0,39}/[a-z0-9][a-z0-9-]{0,62}$"
CLIENT_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
URL_PATTERN = r"^https://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[1-9][0-9]{0,4})?(/[!-~]{0,200})?$"
# What a terminal or a browser obeys instead of showing it, or shows as nothing: control characters but tab and line feed, marks of writing direction,
# line and paragraph separators, zero-width spaces, tags. Joiners (U+200C, U+200D) are spelling in many languages, and stay.
_UNSHOWN = r"\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{61c}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}"
TEXT_PATTERN = f"^[^{_UNSHOWN}]*$"
WORDS_PATTERN = f"^[^{_UNSHOWN}]*[^\\s{_UNSHOWN}][^{_UNSHOWN}]*$"  # with something to read in it
CONTACT_PATTERN = f"^(mailto:|https://)[^\\t\\n{_UNSHOWN}]+$"
# A column as its source calls it: whatever can be shown on one line. Each reader quotes it as its source needs.
SOURCE_COLUMN_PATTERN = f"^[^\\t\\n{_UNSHOWN}]+$"
DAY_PATTERN = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"
INSTANT_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=40)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_PATTERN, min_length=1, max_length=63)]
ColumnName = Annotated[str, StringConstraints(pattern=COLUMN_PATTERN, min_length=1, max_length=63)]
SourceColumn = Annotated[str, StringConstraints(pattern=SOURCE_COLUMN_PATTERN, min_length=1, max_length=255)]
PurposeKey = Annotated[str, StringConstraints(pattern=PURPOSE_PATTERN, min_length=3, max_length=104)]
# Every text that people write and others read, so that what is shown is what is there.
Text = Annotated[str, StringConstraints(pattern=TEXT_PATTERN)]
Contact = Annotated[str, StringConstraints(pattern=CONTACT_PATTERN, min_length=9, max_length=200)]
HttpsUrl = Annotated[str, StringConstraints(pattern=URL_PATTERN, min_length=9, max_length=460)]
ClientName = Annotated[str, StringConstraints(pattern=CLIENT_PATTERN, min_length=1, max_length=63)]


def _written_in_full(value: Any) -> Any:
    """Refuse the short forms that one of the two sides (API server, models) would read and the other not."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.fullmatch(INSTANT_PATTERN, value)):
        return value
    raise ValueError("write date, time and zone in full, such as 2026-01-31T00:00:00Z")


def _day_in_full(value: Any) -> Any:
    """Refuse moments and numbers where a day is meant: the API server reads neither as one."""
    if (isinstance(value, date) and not isinstance(value, datetime)) or (isinstance(value, str) and re.fullmatch(DAY_PATTERN, value)):
        return value
    raise ValueError("write year, month and day in full, such as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day_in_full), Field(json_schema_extra={"pattern": DAY_PATTERN, "maxLength": 10})]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_in_full), Field(json_schema_extra={"pattern": INSTANT_PATTERN})]


_ESCAPED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def shown(text: str) -> str:
    """Return a text as one line that shows all that it holds: what would be obeyed, or shown as nothing, is written as an escape."""
    return _ESCAPED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cel(rule: str, message: str) -> dict[str, Any]:
    """Return one CEL validation of a schema node; `message` names the field and the remedy."""
    return {"rule": rule, "message": message}


def check(*rules: tuple[bool, dict[str, Any]]) -> None:
    """Raise ValueError with the message of the first rule that is broken, so that models and API server speak in the same words."""
    for broken, rule in rules:
        if broken:
            raise ValueError(rule["message"])


def validations(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return the schema extra that carries CEL rules, for `json_schema_extra`."""
    return {"x-kubernetes-validations": list(rules)}


NAME_RULE = cel(
    f"self.metadata.name.matches('{NAME_PATTERN}')",
    "metadata.name: lower-case letters, digits and hyphens, beginning with a letter, not ending with a hyphen, at most 40; choose such a name.",
)


class Strict(BaseModel):
    """Frozen, camelCase on the wire, and an unknown key is an error rather than a silent loss."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, defer_build=True)

    def wire(self) -> dict[str, Any]:
        """Return the JSON form with camelCase keys; keys that were never set are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Condition(Strict):
    """A standard Kubernetes condition. `reason` is stable and documented; `message` says what to do next."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]{0,63}$")] = Field(
        description="What it is about."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Z][A-Za-z]{0,127}$")] = Field(
        description="Stable word for why."
    )
    message: Annotated[str, StringConstraints(max_length=2048)] = Field(default="", description="Why, and what to do next.")
    observed_generation: int = Field(ge=0, strict=True, description="Generation of spec that it speaks of.")
    last_transition_time: datetime = Field(description="When status last changed.")


class Status(Strict):
    """What every status carries. `Ready` among the conditions answers «does it work?»."""

    observed_generation: int | None = Field(
        default=None, ge=0, strict=True, description="Generation of spec that the operator has last dealt with."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="How it stands, one entry per type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class Meta(BaseModel):
    """The part of Kubernetes metadata that Commonweal reads."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, defer_build=True)

    name: str
    namespace: str | None = None
    uid: str = ""
    generation: int = 1
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Kind(BaseModel):
    """A custom resource. Subclasses set the class variables and narrow `spec` and `status`."""

    # The rules that hold for the whole object; the generator writes them at the root of every schema.
    root_rules: ClassVar[tuple[dict[str, Any], ...]] = (NAME_RULE,)

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, defer_build=True)

    plural: ClassVar[str]
    singular: ClassVar[str]
    short_names: ClassVar[tuple[str, ...]]
    namespaced: ClassVar[bool]
    columns: ClassVar[tuple[dict[str, Any], ...]]

    api_version: Literal["commonweal.dev/v1alpha1"] = "commonweal.dev/v1alpha1"
    metadata: Meta

    @model_validator(mode="after")
    def _named_well(self) -> Self:
        if not re.fullmatch(NAME_PATTERN, self.metadata.name):
            raise ValueError(NAME_RULE["message"])
        return self


READY_COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
)
LAST_COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Message", "type": "string", "priority": 1, "jsonPath": '.status.conditions[?(@.type=="Ready")].message'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)


def namespace_of(department: str) -> str:
    """Return the namespace in which a department's own objects live, on every site."""
    return f"{_PREFIX}{department}"


def platform_namespace_of(department: str) -> str:
    """Return the namespace in which what the platform runs for a department lives; nobody of the department has a role there."""
    return f"{_PREFIX}{department}{PLATFORM_SUFFIX}"


def department_at(namespace: str) -> str:
    """Return the department that a namespace belongs to, its own or the platform's; an empty string, which no department is called, for any other."""
    return namespace.removeprefix(_PREFIX).removesuffix(PLATFORM_SUFFIX) if namespace.startswith(_PREFIX) else ""


def condition_of(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of that type, or None."""
    return next((c for c in conditions if c.type == type_), None)
