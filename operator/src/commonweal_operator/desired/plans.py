"""Plans for the data plane, and the empty reports that it fills."""

from __future__ import annotations

import orjson

from commonweal_api.plan import (
    MODEL_PLAN,
    MODEL_REPORT,
    PLAN_KEY,
    STORE_PLAN,
    STORE_REPORT,
    ModelPlan,
    StorePlan,
    digest_of,
)
from commonweal_operator.desired.manifest import PLAN_DIGEST, REPORT_LABEL, Child, Owner, Stage, child


def plans(owner: Owner, store: StorePlan, models: ModelPlan) -> list[Child]:
    """Return both plans, applied first: what a plan leaves out is closed."""
    return [_plan(owner, STORE_PLAN, store), _plan(owner, MODEL_PLAN, models)]


def reports(owner: Owner) -> list[Child]:
    """Return both report ConfigMaps without data: the data belongs to the keeper and to the model runtime alone."""
    return [
        child("ConfigMap", owner.metadata(name, component, **{REPORT_LABEL: "true"}), shared=True)
        for name, component in ((STORE_REPORT, "store"), (MODEL_REPORT, "models"))
    ]


def _plan(owner: Owner, name: str, plan: StorePlan | ModelPlan) -> Child:
    text = orjson.dumps(plan.wire(), option=orjson.OPT_SORT_KEYS).decode()
    metadata = owner.metadata(name, "store" if name == STORE_PLAN else "models")
    metadata["annotations"] = {PLAN_DIGEST: digest_of(plan)}
    return child("ConfigMap", metadata, stage=Stage.ACCESS, remembered=name == STORE_PLAN, data={PLAN_KEY: text})
