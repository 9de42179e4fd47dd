"""Attack i: a registrar's token is made by who holds the registrar's role, and nothing runs as a registrar but what they made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from contract.roles.conftest import account, minted, pod, said
from support.control_plane import ControlPlane
from support.kube_api import KubeApi, Refused
from support.manifests import Body, department, put
from support.waiting import wait_for

TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "app:1"}], "serviceAccountName": "court"}}
ONCE = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
SELECTOR = {"selector": {"matchLabels": {"app": "a"}}}


def _workload(api: str, kind: str, **spec: Any) -> Body:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "as-court", "namespace": "dept-tax"}, "spec": spec}


WORKLOADS = {
    "Pod": pod("court"),
    "Deployment": _workload("apps/v1", "Deployment", **SELECTOR, template=TEMPLATE),
    "StatefulSet": _workload("apps/v1", "StatefulSet", **SELECTOR, serviceName="s", template=TEMPLATE),
    "Job": _workload("batch/v1", "Job", template=ONCE),
    "CronJob": _workload("batch/v1", "CronJob", schedule="0 3 * * *", jobTemplate={"spec": {"template": ONCE}}),
}


def _refusal(api: KubeApi, name: str, where: str = "dept-tax") -> str:
    with pytest.raises(Refused) as refused:
        minted(api, name, where)
    return refused.value.message


def test_i_an_editor_does_not_mint_a_registrars_token(people: Mapping[str, KubeApi]) -> None:
    message = _refusal(people["editor"], "court")
    assert "serviceaccounts/token: court is a registrar of tax" in message
    assert "commonweal-department-registrar in dept-tax" in message
    assert minted(people["editor"], "app")


def test_a_registrar_mints_the_token_of_a_registrar_and_of_nobody_else(people: Mapping[str, KubeApi]) -> None:
    assert minted(people["registrar"], "court")
    for other in ("app", "editor"):
        message = _refusal(people["registrar"], other)
        assert f"serviceaccounts/token: {other} is no registrar of tax" in message
        assert "spec.registrars of the Department" in message
    two = ("serviceaccounts/token: steward is no registrar of tax", "serviceaccounts/token: steward holds the verb consent")
    assert any(words in _refusal(people["registrar"], "steward") for words in two), "two policies refuse it, and either may be heard first"


@pytest.mark.parametrize("who", ["viewer", "steward", "nobody"])
def test_others_mint_nothing(who: str, people: Mapping[str, KubeApi]) -> None:
    for name in ("court", "app"):
        assert "cannot create resource" in _refusal(people[who], name)


@pytest.mark.parametrize("kind", WORKLOADS)
def test_i_nothing_of_an_editors_runs_as_a_registrar(kind: str, people: Mapping[str, KubeApi]) -> None:
    assert "spec.serviceAccountName: court is a registrar of tax" in said(people["editor"], WORKLOADS[kind])
    assert said(people["court-team"], WORKLOADS[kind]) == ""


def test_i_the_old_spelling_of_the_field_is_no_way_around(people: Mapping[str, KubeApi]) -> None:
    old = pod("court")
    old["spec"]["serviceAccount"] = old["spec"].pop("serviceAccountName")
    assert "court is a registrar of tax" in said(people["editor"], old)


def test_i_what_runs_as_a_registrar_is_not_changed_by_an_editor(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    """Another image in the registrar's own workload would have its token."""
    plane.apply(WORKLOADS["Deployment"], user="admin")
    other = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "containers": [{"name": "c", "image": "mine:1"}]}}
    changed = _workload("apps/v1", "Deployment", **SELECTOR, template=other)
    assert "court is a registrar of tax" in said(people["editor"], changed)
    people["editor"].delete(changed)


def test_an_editors_own_workloads_run(people: Mapping[str, KubeApi]) -> None:
    assert said(people["editor"], pod("app")) == ""


def test_the_clusters_controllers_run_what_was_looked_at(plane: ControlPlane) -> None:
    assert said(plane.api("replicas"), pod("court")) == ""


def test_an_account_of_that_name_is_a_registrar_in_its_own_department_only(people: Mapping[str, KubeApi]) -> None:
    assert minted(people["neighbour"], "court", "dept-benefits")
    assert said(people["neighbour"], pod("court", "dept-benefits")) == ""
    assert "cannot create resource" in _refusal(people["neighbour"], "court")


def test_who_is_named_later_is_guarded_from_then_on(plane: ControlPlane, people: Mapping[str, KubeApi]) -> None:
    plane.apply(account("late"))
    assert minted(people["editor"], "late")
    plane.apply(department(put("spec.registrars", ["court", "late"])))
    wait_for("the policy to know", lambda: "late is a registrar" in said(people["editor"], pod("late")) or None)
    assert "late is a registrar of tax" in _refusal(people["editor"], "late")
    plane.apply(department(put("spec.registrars", ["court"])))
