"""The rights that the chart gives the operator: enough for all it does (the other tests here run with them), and no more."""

from __future__ import annotations

from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.kube_api import Refused

pytestmark = pytest.mark.usefixtures("business")
REGISTRY, OURS = "dept-companies-registry", "dept-companies-registry-platform"


def may(plane: ControlPlane, verb: str, resource: str, *, group: str = "", namespace: str = "", name: str = "", sub: str = "") -> bool:
    """Return whether the operator's ServiceAccount may do this."""
    wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name, "subresource": sub}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
    answer = plane.api("operator").request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize("verb", ["list", "watch", "update", "patch", "delete", "deletecollection"])
@pytest.mark.parametrize("namespace", ["", "commonweal-system", "kube-system", REGISTRY, OURS])
def test_it_may_do_no_more_with_secrets_than_get_and_create(plane: ControlPlane, verb: str, namespace: str) -> None:
    assert not may(plane, verb, "secrets", namespace=namespace)


def test_it_may_create_secrets_in_the_platforms_namespace_of_a_department_only_and_get_there_its_own_by_name(plane: ControlPlane) -> None:
    assert may(plane, "create", "secrets", namespace=OURS)
    assert may(plane, "get", "secrets", namespace=REGISTRY), "of which it passes on the right to some"
    for name in ("commonweal-keys", "commonweal-models", "commonweal-signing", "commonweal-data-api-tls", "commonweal-models-tls"):
        assert may(plane, "get", "secrets", namespace=OURS, name=name)
    assert not may(plane, "get", "secrets", namespace=OURS)
    for namespace in ("", "kube-system", "default", REGISTRY):
        assert not may(plane, "create", "secrets", namespace=namespace)
    for namespace in ("", "kube-system", "default"):
        assert not may(plane, "get", "secrets", namespace=namespace)
    for name in ("commonweal-sectors", "commonweal-authority", "commonweal-people"):
        assert may(plane, "get", "secrets", namespace="commonweal-system", name=name)
    for name in ("another", "commonweal-site-key"):
        assert not may(plane, "get", "secrets", namespace="commonweal-system", name=name)


def test_of_secrets_it_changes_the_certificates_of_workloads_and_no_other(plane: ControlPlane) -> None:
    own = {
        REGISTRY: ["commonweal-volumes-tls"],
        OURS: ["commonweal-data-api-tls", "commonweal-models-tls"],
        "commonweal-system": [f"commonweal-{name}{tls}" for name in ("identity", "identity-store", "portal") for tls in ("", "-tls")],
    }
    for namespace, names in own.items():
        assert all(may(plane, "patch", "secrets", namespace=namespace, name=name) for name in names)
        for name in ("commonweal-keys", "commonweal-models", "commonweal-signing", "commonweal-sectors", "commonweal-authority", "another"):
            assert not may(plane, "patch", "secrets", namespace=namespace, name=name)
    assert not may(plane, "create", "secrets", namespace=REGISTRY, name="another")


@pytest.mark.parametrize("resource", ["namespaces", "configmaps", "services", "persistentvolumeclaims", "pods"])
def test_it_may_delete_nothing(plane: ControlPlane, resource: str) -> None:
    for verb in ("delete", "deletecollection"):
        assert not may(plane, verb, resource, namespace=REGISTRY)


def test_it_may_not_raise_its_own_rights(plane: ControlPlane) -> None:
    rbac = "rbac.authorization.k8s.io"
    for name in ("commonweal-operator-platform", "commonweal-operator-department"):
        assert may(plane, "bind", "clusterroles", group=rbac, name=name)
    assert may(plane, "bind", "clusterroles", group=rbac, name="commonweal-department-steward", namespace=REGISTRY)
    for namespace in ("", "kube-system", OURS):
        assert not may(plane, "bind", "clusterroles", group=rbac, name="commonweal-department-steward", namespace=namespace)
    assert not may(plane, "bind", "clusterroles", group=rbac, name="cluster-admin")
    assert not may(plane, "escalate", "roles", group=rbac, namespace=REGISTRY)
    assert not may(plane, "impersonate", "users")
    assert not may(plane, "create", "pods", sub="exec", namespace=REGISTRY)
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "sources", "namespace": REGISTRY}}
    with pytest.raises(Refused, match="attempting to grant RBAC permissions not currently held"):
        plane.api("operator").apply({**role, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}]}, dry_run=True)


def test_of_our_kinds_it_writes_the_status_and_nothing_else(plane: ControlPlane) -> None:
    for kind in ("departments", "dataproducts", "consentpolicies", "modelservices"):
        assert may(plane, "patch", kind, group="commonweal.dev", namespace=REGISTRY, sub="status")
        # A Department it patches for its finalizer alone: test_operator_ending.
        for verb in ("create", "update", "delete", *(() if kind == "departments" else ("patch",))):
            assert not may(plane, verb, kind, group="commonweal.dev", namespace=REGISTRY)


def test_nothing_it_writes_was_refused_for_good(operator: Any) -> None:
    """A new namespace's rights take a moment to be known to the API server; after that nothing may be refused."""
    operator.settled()
    writes = operator.writes()
    refused = {w.removesuffix(" 403") for w in writes if w.endswith(" 403")}
    done = {w.rpartition(" ")[0] for w in writes if w.rpartition(" ")[2] in ("200", "201")}
    assert refused <= done


def test_its_probes_and_figures_answer(operator: Any) -> None:
    assert operator.get("/healthz") == "ok\n"
    text = operator.get("/metrics")
    assert "commonweal_operator_objects 1" in text
    assert "# TYPE commonweal_operator_applies_total counter" in text
