"""What the operator hands to a department's data plane, and what comes back: the seam between control plane and data plane.

The operator renders a plan into a ConfigMap; the department's own keeper carries it out against the store and answers with a
report in another ConfigMap. So the operator holds no database login, and what a department's data is worth to an attacker
never lies in one place.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import AwareDatetime
from pydantic import Field as P

from commonweal_api.common import Strict
from commonweal_api.consent_policy import BasisType, ConsentPolicySpec, Purpose
from commonweal_api.data_product import DataProductSpec
from commonweal_api.model_service import ModelServiceSpec

STORE_PLAN, STORE_REPORT = "commonweal-store-plan", "commonweal-store-report"
MODEL_PLAN, MODEL_REPORT = "commonweal-model-plan", "commonweal-model-report"
PLAN_KEY, REPORT_KEY = "plan.json", "report.json"


class ProductPlan(Strict):
    """One product to serve. `uid` tells a product from an earlier one of the same name."""

    name: str
    uid: str
    generation: int
    spec: DataProductSpec


class AgreementPlan(Strict):
    """One agreement to enforce. `uid` is its identity: a number in the store belongs to one uid for ever."""

    name: str
    uid: str
    generation: int
    spec: ConsentPolicySpec


class StorePlan(Strict):
    """All that a department's store shall hold. What is not in the plan is closed."""

    department: str
    display_name: str
    contact: str
    products: list[ProductPlan] = P(default_factory=list)
    agreements: list[AgreementPlan] = P(default_factory=list)


class Outcome(Strict):
    """What became of one entry of a plan. `number` is the agreement's number in the store."""

    uid: str
    generation: int
    ready: bool
    reason: str
    message: str = ""
    number: int | None = None
    contract: str | None = None


class StoreReport(Strict):
    """Names are unique inside products and inside agreements."""

    plan: str
    products: dict[str, Outcome] = P(default_factory=dict)
    agreements: dict[str, Outcome] = P(default_factory=dict)


class FeatureSource(Strict):
    """Where a department's products are read: the base URL of its data API and the audience its tokens need."""

    department: str
    url: str
    audience: str


class ModelEntry(Strict):
    name: str
    uid: str
    generation: int
    spec: ModelServiceSpec


class ModelPlan(Strict):
    department: str
    models: list[ModelEntry] = P(default_factory=list)
    sources: list[FeatureSource] = P(default_factory=list)


class ModelReport(Strict):
    plan: str
    models: dict[str, Outcome] = P(default_factory=dict)


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
    text = json.dumps(plan.wire(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def audience_of(department: str) -> str:
    """Return the audience that a token for this department's data API and models must carry."""
    return f"https://commonweal.dev/departments/{department}"
