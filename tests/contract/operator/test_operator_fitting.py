"""Attacks e and f on a real API server: more than a plan can hold, in the largest products that the API server takes, and a revocation all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS, understood
from commonweal_api.plan import PLAN_KEY, STORE_PLAN, StorePlan
from contract.operator.stage import Operator
from support.control_plane import ControlPlane
from support.kube_api import MERGE
from support.products import largest_product
from support.waiting import wait_for

REGISTRY, READ = "dept-companies-registry", "tax-registers-business"
API = f"/apis/commonweal.dev/v1alpha1/namespaces/{REGISTRY}"

pytestmark = pytest.mark.usefixtures("business")


def held(plane: ControlPlane, name: str, key: str) -> str:
    found: str = plane.api().request("GET", f"/api/v1/namespaces/{REGISTRY}-platform/configmaps/{name}")["data"][key]
    return found


def test_a_revocation_is_carried_to_the_keeper_when_the_plan_would_not_fit(
    plane: ControlPlane, operator: Operator, condition: Callable[..., dict[str, Any]]
) -> None:
    uid = plane.api().request("GET", f"{API}/consentpolicies/{READ}")["metadata"]["uid"]
    assert uid in understood(held(plane, STORE_CLOSINGS, CLOSINGS_KEY)).open
    for n in range(20):
        body = largest_product(name=f"large-{n:02}")
        body["metadata"]["namespace"] = REGISTRY
        plane.apply(body)
    said = condition("departments", "companies-registry", "PlanTooLarge", type_="PlanComplete")
    assert "DataProduct large-" in said["message"]
    plan = StorePlan.model_validate_json(held(plane, STORE_PLAN, PLAN_KEY))
    assert READ in {a.name for a in plan.agreements}, "what is read stays"
    plane.api().request("PATCH", f"{API}/consentpolicies/{READ}", {"spec": {"signatures": []}}, content_type=MERGE)
    wait_for("the agreement to be closed", lambda: uid not in understood(held(plane, STORE_CLOSINGS, CLOSINGS_KEY)).open or None)
    wait_for(
        "the plan to follow",
        lambda: READ not in {a.name for a in StorePlan.model_validate_json(held(plane, STORE_PLAN, PLAN_KEY)).agreements} or None,
    )
    assert operator.get("/healthz") == "ok\n"
    for n in range(20):
        plane.api().request("DELETE", f"{API}/dataproducts/large-{n:02}")
    condition("departments", "companies-registry", "PlanComplete", type_="PlanComplete")
