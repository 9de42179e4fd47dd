"""A site's users and a department's objects, for the tests of who may write what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.control_plane import REPOSITORY, ControlPlane, User
from support.kube_api import Refused
from support.manifests import Body, data_product, department, namespace, put
from support.waiting import wait_for

POLICIES = REPOSITORY / "charts" / "commonweal" / "templates" / "admission"
ROLES = REPOSITORY / "charts" / "commonweal" / "templates" / "access"
ACCOUNTS = "system:serviceaccounts"


def account(name: str, space: str) -> User:
    """Return a ServiceAccount as the API server knows it."""
    return User(f"system:serviceaccount:{space}:{name}", (ACCOUNTS, f"{ACCOUNTS}:{space}"))


USERS = {
    "editor": User("editor", ("tax-office",)),
    "steward": User("steward", ("tax-office",)),
    "keeper": account("store", "dept-tax"),
    "learner": account("models", "dept-tax"),
    "stranger": account("store", "dept-benefits"),
    "platform-keeper": account("store", "dept-tax-platform"),
    "provisioner": account("local-path", "local-path-storage"),
    "replicas": account("replicaset-controller", "kube-system"),
    "drainer": User("drainer", ("platform-team",)),
}
OWNED = {"app.kubernetes.io/managed-by": "commonweal", "commonweal.dev/department": "tax"}
_VERSIONS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    **dict.fromkeys(("Role", "RoleBinding"), "rbac.authorization.k8s.io/v1"),
    "NetworkPolicy": "networking.k8s.io/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}


def made(kind: str, name: str, labels: dict[str, str] | None = None, *, space: str = "dept-tax", **content: Any) -> Body:
    """Return an object in a namespace of tax."""
    return {
        "apiVersion": _VERSIONS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": space, "labels": labels or {}},
        **content,
    }


def pod_spec(**more: Any) -> Body:
    """Return a pod's spec that Pod Security `restricted` takes; `more` goes over it."""
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "c", "image": "app:1", "securityContext": locked, **more.pop("container", {})}
    secure = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"serviceAccountName": "app", "securityContext": secure, "containers": [container], **more}


def template(labels: dict[str, str], **spec: Any) -> Body:
    """Return a pod template."""
    return {"metadata": {"labels": labels}, "spec": pod_spec(**spec)}


def deployment(template_: Body, name: str = "app", **content: Any) -> Body:
    """Return a Deployment of that template."""
    return made("Deployment", name, **content, spec={"selector": {"matchLabels": {"app": "a"}}, "template": template_})


def _endless(name: str) -> Body:
    found = made("Secret", name, type="kubernetes.io/service-account-token")
    found["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "app"}
    return found


def annotated(owned: Body) -> Body:
    """Return the object with one annotation more."""
    return owned | {"metadata": owned["metadata"] | {"annotations": {"a": "b"}}}


def platform_space() -> Body:
    """Return the platform's namespace for tax, as the operator labels it."""
    labels = {**OWNED, "commonweal.dev/scope": "platform"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dept-tax-platform", "labels": labels}}


def tenant_space() -> Body:
    """Return the namespace of tax as the operator labels it, with the strictest Pod Security level."""
    found = namespace("tax")
    found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    return found


PLAN = made("ConfigMap", "commonweal-store-plan", OWNED, data={"plan.json": "{}"})
REPORT = made("ConfigMap", "commonweal-store-report", OWNED)
MODEL_REPORT = made("ConfigMap", "commonweal-model-report", OWNED)
ACCOUNT = made("ServiceAccount", "store", OWNED)
CLAIM = made(
    "PersistentVolumeClaim",
    "data-store-0",
    OWNED,
    spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "std-rwo", "resources": {"requests": {"storage": "1Gi"}}},
)
POD = made("Pod", "store-0", OWNED, spec=pod_spec(container={"image": "store:1"}))


def platform_twin(owned: Body) -> Body:
    """Return the object as it is in the platform's namespace."""
    return owned | {"metadata": owned["metadata"] | {"namespace": "dept-tax-platform"}}


OURS = (PLAN, REPORT, MODEL_REPORT, ACCOUNT, CLAIM)
SETS = tuple(
    made("StatefulSet", "store", OWNED, space=space, spec={"serviceName": "store", "selector": {"matchLabels": {"app": "a"}}})
    for space in ("dept-tax", "dept-tax-platform")
)
TOKEN = _endless("token")
SERVICE = made("Service", "store", OWNED, spec={"ports": [{"port": 5432}], "clusterIP": "None"})


@contextmanager
def site(home: Path) -> Iterator[ControlPlane]:
    """Run a site with our kinds, roles and policies, the departments' namespaces, and what the operator made in both of tax."""
    controllers = ("namespace-controller", "garbage-collector-controller", "clusterrole-aggregation-controller")
    with ControlPlane(home, (*controllers, "validatingadmissionpolicy-status-controller"), users=USERS) as plane:
        plane.install_crds()
        plane.apply(ROLES)
        plane.apply(POLICIES)
        for body in (department(), tenant_space(), platform_space(), namespace("benefits"), *OURS, *map(platform_twin, OURS)):
            plane.apply(body)
        for body in (made("ServiceAccount", "app"), platform_twin(made("ServiceAccount", "app")), POD, platform_twin(POD), SERVICE):
            plane.apply(body)
        for body in SETS:
            body["spec"]["template"] = template({"app": "a"})
            plane.apply(body)
        plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "attic"}})
        _allow(plane)
        # Each policy comes into force by itself, and not in the order in which they were written.
        for refused in _PROBES:
            wait_for("the policies to be enforced", lambda refused=refused: refusal(plane, "tenant", refused))  # type: ignore[misc]
        yield plane


_PROBES: tuple[Body, ...] = (
    data_product(put("metadata.namespace", "attic")),
    deployment(template({"app": "a"}, serviceAccountName="store")),
    annotated(PLAN),
    platform_twin(annotated(PLAN)),
    namespace("fake"),
    made("Endpoints", "mine"),
    TOKEN,
)


def _allow(plane: ControlPlane) -> None:
    for user in ("operator", "tenant", "keeper", "learner", "stranger", "platform-keeper", "provisioner", "replicas"):
        plane.allow(user, "cluster-admin")
    plane.allow("editor", "edit", "dept-tax")
    plane.allow("editor", "edit", "dept-tax-platform")  # as nobody should
    plane.allow("editor", "commonweal-department-editor", "dept-tax")
    plane.allow("steward", "admin", "dept-tax")
    plane.allow("steward", "commonweal-department-steward", "dept-tax")
    rules = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    ]
    plane.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "drains"}, "rules": rules})
    plane.allow("drainer", "drains")


def refusal(plane: ControlPlane, user: str, manifest: Body) -> str | None:
    """Return what a policy says against the object, or None."""
    try:
        plane.api(user).apply(manifest, dry_run=True)
    except Refused as refused:
        return refused.message if "ValidatingAdmissionPolicy" in refused.message else None
    return None


def refused(plane: ControlPlane, user: str, manifest: Body, *words: str) -> None:
    """Assert that a policy refuses the object in these words."""
    with pytest.raises(Refused) as found:
        plane.api(user).apply(manifest, dry_run=True)
    says(found.value, *words)


def says(found: Refused, *words: str) -> None:
    """Assert that a policy said this."""
    assert "ValidatingAdmissionPolicy" in found.message
    for word in words:
        assert word in found.message
