"""Plans for the data plane, and the empty reports that it fills."""

from __future__ import annotations

import orjson

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS, closings_of
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
    """Return the list of what may be open, applied before anything else, and both plans: what a plan leaves out is closed."""
    return [_closings(owner, store), _plan(owner, STORE_PLAN, store), _plan(owner, MODEL_PLAN, models)]


def reports(owner: Owner) -> list[Child]:
    """Return both report ConfigMaps without data: the data belongs to the keeper and to the model runtime alone."""
    return [
        child("ConfigMap", owner.metadata(name, component, **{REPORT_LABEL: "true"}), shared=True)
        for name, component in ((STORE_REPORT, "store"), (MODEL_REPORT, "models"))
    ]


def _closings(owner: Owner, plan: StorePlan) -> Child:
    text = orjson.dumps(closings_of(plan).model_dump(), option=orjson.OPT_SORT_KEYS).decode()
    return child("ConfigMap", owner.metadata(STORE_CLOSINGS, "store"), stage=Stage.CLOSING, data={CLOSINGS_KEY: text})


def _plan(owner: Owner, name: str, plan: StorePlan | ModelPlan) -> Child:
    text = orjson.dumps(plan.wire(), option=orjson.OPT_SORT_KEYS).decode()
    metadata = owner.metadata(name, "store" if name == STORE_PLAN else "models")
    metadata["annotations"] = {PLAN_DIGEST: digest_of(plan)}
    return child("ConfigMap", metadata, stage=Stage.ACCESS, remembered=name == STORE_PLAN, data={PLAN_KEY: text})
