"""What the operator hands to a department's data plane, and what comes back: the seam between control plane and data plane.

The operator renders a plan into a ConfigMap; the department's own keeper carries it out against the store and answers with a
report in another ConfigMap. So the operator holds no database login, and what a department's data is worth to an attacker
never lies in one place.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, AwareDatetime, Field

from commonweal_api.common import Strict
from commonweal_api.consent_policy import BasisType, ConsentPolicySpec, Purpose
from commonweal_api.data_product import DataProductSpec
from commonweal_api.department import LinkCases
from commonweal_api.jwk import Jwk
from commonweal_api.matching import Matching
from commonweal_api.model_service import Caller, ModelServiceSpec
from commonweal_api.negotiation import Digest, Nonce, WhatIf
from commonweal_api.quality import QualityCount
from commonweal_api.signatures import digest

STORE_PLAN, STORE_REPORT = "commonweal-store-plan", "commonweal-store-report"
MODEL_PLAN, MODEL_REPORT = "commonweal-model-plan", "commonweal-model-report"
PLAN_KEY, REPORT_KEY = "plan.json", "report.json"


class ProductPlan(Strict):
    """One product to serve. `uid` tells a product from an earlier one of the same name.

    The keeper expands each entry of `spec.earlier` into a product of its own, named `name@MAJOR` with uid `uid@MAJOR`.
    """

    name: str
    uid: str
    generation: int
    spec: DataProductSpec


class AgreementPlan(Strict):
    """One agreement to enforce, finalized by both parties. `uid` is its identity: a number in the store belongs to one uid for ever.

    With `dry_run` nothing is opened; the keeper answers what would change in `Outcome.what_if`. `signed` is the hash that both parties signed, which the
    keeper makes again from what it would open; None: signed in the form of earlier releases, whose meaning the store has kept. `consumer_name` is what
    people are told the consumer is called, `consumer_name_cy` in Welsh; None: its Department is not on this site, or gives no Welsh.
    """

    name: str
    uid: str
    generation: int
    spec: ConsentPolicySpec
    dry_run: bool = False
    signed: Digest | None = None
    consumer_name: str | None = None
    consumer_name_cy: str | None = None


class FeedPeer(Strict):
    """Another site of the same department, whose consent events are followed."""

    name: str
    url: str


class ModelRecord(Strict):
    """What everybody may know of a model: its entry in the public register. `reads` are fields as department/product/field."""

    name: str
    title: str
    title_cy: str | None = None
    purpose: str
    reads: list[str]
    callers: list[str]
    shape: str
    floor: float


class StorePlan(Strict):
    """All that a department's store shall hold. What is not in the plan is closed.

    `peers` are the department's other sites, never `site` itself; `max_staleness_seconds` is set exactly when there is a consent feed. `signing` is the
    public key of its agreements' signatures, for the published key set. `revoked` are nonces that a party has revoked: the store keeps them closed for ever.
    `complaint_days` is within how many days a complaint is answered; None: as many as usual. `models` are those of the
    department for its public register, which the store tells and does not run.
    """

    department: str
    display_name: str
    contact: str
    products: list[ProductPlan] = Field(default_factory=list)
    agreements: list[AgreementPlan] = Field(default_factory=list)
    site: str = ""
    peers: list[FeedPeer] = Field(default_factory=list)
    max_staleness_seconds: int | None = None
    registrars: list[str] = Field(default_factory=list)
    signing: Jwk | None = None
    revoked: list[Nonce] | None = None
    complaint_days: int | None = None
    display_name_cy: str | None = None
    models: list[ModelRecord] | None = None
    matching: Matching | None = None


class Outcome(Strict):
    """What became of one entry of a plan.

    `message` is what is particular to it; sentence and remedy of the reason are the register's, and whoever shows a reason adds them. `number` is the agreement's number in the store; `quality` to `sla_met` are a product's, `what_if` a dry run's, `lapses`
    when an agreement that was signed in the form of earlier releases is over.
    """

    uid: str
    generation: int
    ready: bool
    reason: str
    message: str = ""
    number: int | None = None
    contract: str | None = None
    quality: QualityCount | None = None
    quarantined: int | None = None
    versions: list[str] | None = None
    sla_met: bool | None = None
    what_if: WhatIf | None = None
    lapses: AwareDatetime | None = None


class ComplaintCount(Strict):
    """Complaints that have no answer yet, how many of them are overdue, and since when the oldest of those is."""

    open: int
    overdue: int = 0
    since: AwareDatetime | None = None


class StoreReport(Strict):
    """Names are unique inside products and inside agreements. `seal_key` is the public key of receipts and seals, `links` what waits for a registrar.

    `complaints` is None while none is open.
    """

    plan: str
    # Stores that were made before the first release report it as `witness`.
    seal_key: Jwk | None = Field(default=None, validation_alias=AliasChoices("sealKey", "witness"))
    products: dict[str, Outcome] = Field(default_factory=dict)
    agreements: dict[str, Outcome] = Field(default_factory=dict)
    complaints: ComplaintCount | None = None
    links: LinkCases | None = None


class FeatureSource(Strict):
    """Where a department's products are read: the base URL of its data API and the audience its tokens need."""

    department: str
    url: str
    audience: str


class ModelEntry(Strict):
    """One model to serve. `agreed` are the callers that agreements name over all that it reads: they could read every value themselves."""

    name: str
    uid: str
    generation: int
    spec: ModelServiceSpec
    agreed: list[Caller] = Field(default_factory=list)


class ModelPlan(Strict):
    department: str
    models: list[ModelEntry] = Field(default_factory=list)
    sources: list[FeatureSource] = Field(default_factory=list)


class ModelReport(Strict):
    plan: str
    models: dict[str, Outcome] = Field(default_factory=dict)


class AgreementView(Strict):
    """What a person is shown of an agreement."""

    name: str
    product: str
    consumer: str
    purposes: list[Purpose]
    fields: list[str]
    basis: BasisType
    until: AwareDatetime
    objection: Literal["Honoured", "NotApplicable"]


def digest_of(plan: StorePlan | ModelPlan) -> str:
    """Return `sha256:` and the hex digest of the plan's canonical JSON."""
    return digest(plan.wire())


def audience_of(department: str) -> str:
    """Return the audience that a token for this department's data API and models must carry."""
    return f"https://commonweal.dev/departments/{department}"
