"""Department: a public body. Cluster-scoped; owns two namespaces on each site it uses: its own, and the platform's for it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from commonweal_api.common import (
    LAST_COLUMNS,
    NAME_RULE,
    PLATFORM_SUFFIX,
    READY_COLUMNS,
    ClientName,
    Contact,
    Kind,
    Meta,
    Name,
    Status,
    Strict,
    Text,
    cel,
    check,
    validations,
)
from commonweal_api.jwk import Jwk
from commonweal_api.matching import Matching
from commonweal_api.welsh import DepartmentInWelsh

MOST_PARTIES, MOST_NAMED = 50, 10  # in a status, whose size is bounded
Named = Annotated[str, StringConstraints(max_length=81)]  # DEPARTMENT/NAME
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", min_length=1, max_length=9)]


class Quota(Strict):
    """What the department's own workloads may use of the site; it becomes the ResourceQuota of its namespace. What the platform runs for it is apart."""

    cpu: Quantity = Field(default="4", description="Processor cores that its pods may ask for.")
    memory: Quantity = Field(default="4Gi", description="Memory that its pods may ask for.")
    storage: Quantity = Field(default="20Gi", description="Volume space that its claims may ask for.")
    ephemeral_storage: Quantity = Field(default="8Gi", description="Space on the nodes' own disks that its containers may fill together.")
    pods: int = Field(default=50, ge=1, le=1000, strict=True, description="Most pods at once.")
    objects: int = Field(
        default=100, ge=1, le=1000, strict=True, description="Most objects of each Commonweal kind, and of each other kind that is counted."
    )


class Store(Strict):
    """The department's PostgreSQL."""

    size: Quantity = Field(
        default="1Gi",
        description="Size of the volume.",
        json_schema_extra=validations(
            cel(
                "self == oldSelf",
                "spec.store.size: cannot be changed here: a volume is not shrunk, and growing it depends on the storage class. Grow the PersistentVolumeClaim instead.",
            )
        ),
    )


class FeedSite(Strict):
    """One site that holds consents of the department's people."""

    name: Name = Field(description="Name of the site; the site of this name skips itself, so the manifest is the same everywhere.")
    url: Annotated[
        str,
        StringConstraints(
            pattern=r"^https://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$", min_length=8, max_length=270
        ),
    ] = Field(description="Base URL of the department's data API there. What it sends is signed, whatever carries it.")


SITES = cel(
    "self.sites.all(s, self.sites.exists_one(t, t.name == s.name))", "spec.consentFeed.sites: names must be unique; remove one of the two."
)


class ConsentFeed(Strict, json_schema_extra=validations(SITES)):
    """A consent given or withdrawn at one site holds at all; without word from a site for too long, what rests on consent closes."""

    sites: list[FeedSite] = Field(min_length=1, max_length=10, description="Every site of the department.")
    max_staleness_seconds: int = Field(
        default=300,
        strict=True,
        ge=5,
        le=86400,
        description="Age of the last word from a site beyond which reads that rest on consent close.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check((len({s.name for s in self.sites}) != len(self.sites), SITES))
        return self


ACCOUNT_NAMESPACE = cel(
    "!has(self.__namespace__) || self.kind == 'ServiceAccount'",
    "spec.stewards[].namespace: only a ServiceAccount has one; leave it out.",
)
NO_SYSTEM_NAME = cel(
    "!self.name.startsWith('system:')",
    "spec.stewards[].name: begins with system:, which names everybody or a part of the cluster; name a person, a group of persons, or a ServiceAccount by its kind.",
)


class Steward(Strict, json_schema_extra=validations(ACCOUNT_NAMESPACE, NO_SYSTEM_NAME)):
    """Who may sign for the department, in the words of Kubernetes' RBAC."""

    kind: Literal["User", "Group", "ServiceAccount"] = Field(description="What is named.")
    name: Text = Field(min_length=1, max_length=253, description="Name of the user, the group or the ServiceAccount.")
    namespace: Text | None = Field(
        default=None, min_length=1, max_length=63, description="Namespace of the ServiceAccount; without it, the department's own."
    )

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        check((self.namespace is not None and self.kind != "ServiceAccount", ACCOUNT_NAMESPACE))
        check((self.name.startswith("system:"), NO_SYSTEM_NAME))
        return self


COMPLAINT_DAYS = 30


class Complaints(Strict):
    """How complaints of people about the department's use of data are dealt with."""

    days: int = Field(default=COMPLAINT_DAYS, strict=True, ge=1, le=90, description="Within how many days a complaint is answered.")


REGISTRARS = cel(
    "!has(self.registrars) || self.registrars.all(r, self.registrars.exists_one(t, t == r))",
    "spec.registrars: one is listed twice; remove it.",
)


STEWARDS = cel(
    "!has(self.stewards) || self.stewards.all(s, self.stewards.exists_one(t, t == s))",
    "spec.stewards: one is listed twice; remove it.",
)
CASES_DECIDED = cel(
    "!has(self.matching) || (has(self.registrars) && size(self.registrars) > 0)",
    "spec.registrars: no registrar could decide the cases that spec.matching makes; add one of the department's own ServiceAccounts.",
)
PLATFORMS_NAME = cel(
    f"!self.metadata.name.endsWith('{PLATFORM_SUFFIX}')",
    f"metadata.name: ends in {PLATFORM_SUFFIX}, by which the platform's namespace of a department is known; choose another name.",
)


class DepartmentSpec(Strict, json_schema_extra=validations(REGISTRARS, STEWARDS, CASES_DECIDED)):
    display_name: Text = Field(min_length=1, max_length=120, description="Name shown to people.")
    cy: DepartmentInWelsh | None = Field(default=None, description="The same in Welsh.")
    contact: Contact = Field(description="Where a person asks or complains: mailto: or https:.")
    quota: Quota = Field(default_factory=Quota)
    store: Store = Field(default_factory=Store)
    registrars: list[ClientName] = Field(
        default_factory=list,
        max_length=20,
        description="Own ServiceAccounts that may record a parent's or an attorney's delegation, decide cases of linking, and answer complaints.",
    )
    stewards: list[Steward] = Field(
        default_factory=list,
        max_length=20,
        description="Who signs for the department: each gets the role commonweal-department-steward in its namespace, and may read its signing key.",
    )
    consent_feed: ConsentFeed | None = None
    complaints: Complaints = Field(default_factory=Complaints)
    matching: Matching | None = Field(
        default=None,
        description="How people link their sign-in to their record here; without it only the platform's own list of people does.",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check((len(set(self.registrars)) != len(self.registrars), REGISTRARS))
        check((len({(s.kind, s.name, s.namespace) for s in self.stewards}) != len(self.stewards), STEWARDS))
        check((self.matching is not None and not self.registrars, CASES_DECIDED))
        return self


class Party(Strict):
    """Another department, and what the two have to do with each other: what ends with either."""

    department: str = Field(max_length=63, description="The other department.")
    agreements: list[Named] = Field(
        default_factory=list, max_length=MOST_NAMED, description="Agreements between the two, as PROVIDER/NAME; the first by name."
    )
    models: list[Named] = Field(
        default_factory=list,
        max_length=MOST_NAMED,
        description="Models of one that read or tell the other, as DEPARTMENT/NAME; the first by name.",
    )
    ending: AwareDatetime | None = Field(default=None, description="Since when the other department is ending.")


class LinkCases(Strict):
    """What waits for a registrar of the department."""

    open: int = Field(ge=0, strict=True, description="Cases that no registrar has decided: a person could not be linked to one record.")
    frozen: int = Field(
        ge=0, strict=True, description="Links that a person has disputed; nothing is shown or taken under them until a registrar decides."
    )


class DepartmentStatus(Status):
    namespace: str | None = Field(
        default=None,
        max_length=63,
        description="Where its objects live, on every site; what the platform runs for it lives in the namespace of that name with -platform behind it.",
    )
    data_api: str | None = Field(default=None, max_length=300, description="Base URL of the data API.")
    models: str | None = Field(default=None, max_length=300, description="Base URL of the model runtime.")
    parties: list[Party] | None = Field(
        default=None,
        max_length=MOST_PARTIES,
        description="The departments that the end of this one would concern; those that are ending come first.",
    )
    links: LinkCases | None = Field(default=None, description="Cases of linking and disputed links; absent without spec.matching.")
    keys: list[Jwk] | None = Field(
        default=None, max_length=4, description="Public keys: of agreements' signatures, and of receipts and seals."
    )


class Department(Kind):
    """A public body."""

    plural: ClassVar[str] = "departments"
    singular: ClassVar[str] = "department"
    short_names: ClassVar[tuple[str, ...]] = ("dept",)
    namespaced: ClassVar[bool] = False
    columns: ClassVar[tuple[dict[str, Any], ...]] = (
        *READY_COLUMNS,
        {"name": "Data API", "type": "string", "jsonPath": ".status.dataApi"},
        {"name": "Cases", "type": "integer", "priority": 1, "jsonPath": ".status.links.open"},
        {"name": "Disputed", "type": "integer", "priority": 1, "jsonPath": ".status.links.frozen"},
        *LAST_COLUMNS,
    )

    root_rules: ClassVar[tuple[dict[str, Any], ...]] = (NAME_RULE, PLATFORMS_NAME)

    kind: Literal["Department"] = "Department"
    metadata: Meta
    spec: DepartmentSpec
    status: DepartmentStatus = Field(default_factory=DepartmentStatus)

    @model_validator(mode="after")
    def _not_the_platforms_name(self) -> Self:
        check((self.metadata.name.endswith(PLATFORM_SUFFIX), PLATFORMS_NAME))
        return self
