"""A Department deleted with agreements in force, on a real API server: closed first, everybody told, then gone; whoever deletes it, however, and whatever is killed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from commonweal_api.ending import CONFIRM_DELETE, CONFIRM_UNREACHABLE, ENDING
from contract.operator.stage import API, DEPARTMENTS
from support.control_plane import ControlPlane
from support.kube_api import MERGE, Refused
from support.waiting import wait_for

PROVIDER, CONSUMER = "companies-registry", "tax-authority"
Condition = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.usefixtures("business")


def get(plane: ControlPlane, path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = plane.api().request("GET", path)
    except Refused as error:
        if error.status != 404:
            raise
        return None
    return found


def held(plane: ControlPlane, name: str) -> bool | None:
    return ENDING in plane.api().request("GET", f"{API}/departments/{name}")["metadata"].get("finalizers", []) or None


def annotate(plane: ControlPlane, name: str, mark: str) -> None:
    plane.api().request("PATCH", f"{API}/departments/{name}", {"metadata": {"annotations": {mark: name}}}, content_type=MERGE)


def delete(plane: ControlPlane, name: str, **options: str) -> None:
    annotate(plane, name, CONFIRM_DELETE)
    plane.api().request("DELETE", f"{API}/departments/{name}", **options)


def namespaces(plane: ControlPlane, name: str) -> list[dict[str, Any] | None]:
    return [get(plane, f"/api/v1/namespaces/dept-{name}{suffix}") for suffix in ("", "-platform")]


def untouched(plane: ControlPlane, name: str) -> bool:
    return all(space is not None and "deletionTimestamp" not in space["metadata"] for space in namespaces(plane, name))


def opened(plane: ControlPlane, name: str) -> tuple[int, int]:
    """Return how many agreements the list of what may be open, and the plan, hold."""
    space = f"/api/v1/namespaces/dept-{name}-platform/configmaps"
    closings = json.loads(plane.api().request("GET", f"{space}/commonweal-store-closings")["data"]["closings.json"])
    plan = json.loads(plane.api().request("GET", f"{space}/commonweal-store-plan")["data"]["plan.json"])
    return len(closings["open"]), len(plan["agreements"])


def test_departments_with_agreements_are_held(plane: ControlPlane) -> None:
    for name in DEPARTMENTS:
        wait_for(f"{name} to be held", partial(held, plane, name))


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"displayName": "Another"}},
        {"metadata": {"annotations": {CONFIRM_DELETE: PROVIDER}}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"finalizers": ["example.org/another"]}},
    ],
    ids=["spec", "annotations", "labels", "another finalizer"],
)
def test_of_a_department_the_operator_changes_its_own_finalizer_and_nothing_else(plane: ControlPlane, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="the operator does not UPDATE"):
        plane.api("operator").request("PATCH", f"{API}/departments/{PROVIDER}", change, content_type=MERGE)
    plane.api("operator").request(
        "PATCH", f"{API}/departments/{PROVIDER}", {"metadata": {"finalizers": [ENDING]}}, content_type=MERGE, dryRun="All"
    )


def test_nobody_else_takes_the_finalizer_off(plane: ControlPlane) -> None:
    plane.allow("signer", "cluster-admin")
    path = f"{API}/departments/{PROVIDER}"

    def answer() -> str | None:
        with pytest.raises(Refused) as refusal:
            plane.api("signer").request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
        return str(refusal.value) if "metadata.finalizers" in str(refusal.value) else None

    assert "are the operator's" in wait_for("the rights to be known", answer)


def test_deleting_what_it_owns_first_is_refused(plane: ControlPlane) -> None:
    with pytest.raises(Refused, match="before access is closed"):
        delete(plane, PROVIDER, propagationPolicy="Foreground")
    assert "deletionTimestamp" not in plane.api().request("GET", f"{API}/departments/{PROVIDER}")["metadata"]


def test_access_is_closed_and_parties_are_told_before_anything_goes(
    plane: ControlPlane, operator: Any, pods: Any, condition: Condition
) -> None:
    assert min(opened(plane, PROVIDER)) > 0
    operator.kill()
    delete(plane, PROVIDER)
    operator.start()
    wait_for("all agreements to be closed", lambda: opened(plane, PROVIDER) == (0, 0) or None)
    told = condition("departments", CONSUMER, "PartyEnding", type_="Continues")
    assert PROVIDER in told["message"]
    condition("modelservices", "next-step", "PartyEnding", namespace=f"dept-{CONSUMER}", type_="DataProductsReady")
    condition("consentpolicies", "tax-registers-business", "Ending", namespace=f"dept-{PROVIDER}")
    operator.settled()
    waits = condition("departments", PROVIDER, "Ending", type_="Continues")["message"]
    assert "its own store to confirm that it is closed" in waits
    assert "to be told" not in waits
    assert untouched(plane, PROVIDER)

    operator.kill()
    operator.start()
    operator.settled()
    assert held(plane, PROVIDER)
    assert untouched(plane, PROVIDER), "its store has not said that it is closed"

    pods.work(PROVIDER, ending=True)
    for name in DEPARTMENTS:
        if name != PROVIDER:
            pods.work(name)
    wait_for("the department to be gone", lambda: get(plane, f"{API}/departments/{PROVIDER}") is None or None)
    wait_for("its namespaces to be gone", lambda: namespaces(plane, PROVIDER) == [None, None] or None)
    condition("departments", CONSUMER, "Continuing", type_="Continues")


def test_a_store_that_does_not_answer_holds_it_until_somebody_lets_it_go(plane: ControlPlane, operator: Any, condition: Condition) -> None:
    delete(plane, "benefits-department")
    operator.settled()
    waits = condition("departments", "benefits-department", "Ending", type_="Continues")["message"]
    assert "Waits for:" in waits
    assert CONFIRM_UNREACHABLE in waits
    assert untouched(plane, "benefits-department")
    annotate(plane, "benefits-department", CONFIRM_UNREACHABLE)
    wait_for("the department to be gone", lambda: get(plane, f"{API}/departments/benefits-department") is None or None)
    wait_for("its namespaces to be gone", lambda: namespaces(plane, "benefits-department") == [None, None] or None)


def test_one_that_concerns_nobody_any_more_goes_at_once(plane: ControlPlane, operator: Any) -> None:
    operator.settled()
    for kind in ("modelservices", "consentpolicies"):
        for item in plane.api().request("GET", f"{API}/namespaces/dept-{CONSUMER}/{kind}")["items"]:
            plane.api().request("DELETE", f"{API}/namespaces/dept-{CONSUMER}/{kind}/{item['metadata']['name']}")
    wait_for("the finalizer to come off", lambda: not held(plane, CONSUMER) or None)
    delete(plane, CONSUMER)
    wait_for("the department to be gone", lambda: get(plane, f"{API}/departments/{CONSUMER}") is None or None)
