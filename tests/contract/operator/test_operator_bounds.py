"""What the operator's account is refused, by its own name, on a site where it does all its work (k), had it all rights there are: what its access rules refuse is in test_operator_least."""

from __future__ import annotations

from typing import Any

import pytest

from contract.operator.stage import IMAGES, SYSTEM, chart
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("business")
NAME = "companies-registry"
OWN, OURS = f"dept-{NAME}", f"dept-{NAME}-platform"
RBAC = "rbac.authorization.k8s.io"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
BOUNDS = ("commonweal-operator-namespaces", "commonweal-operator-objects")
Body = dict[str, Any]


@pytest.fixture(scope="module")
def taken_over(plane: ControlPlane) -> KubeApi:
    """The operator's own token, in the hands of somebody for whom access rules were made wide: only admission stands in the way."""
    plane.allow("operator", "cluster-admin")
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dept-other"}})
    plane.apply(_object("ServiceAccount", "store", "kube-system"))
    api = plane.api("operator")
    wait_for("the operator to be an administrator", lambda: _reads_secrets(api))
    return api


def _reads_secrets(api: KubeApi) -> bool | None:
    try:
        return bool(api.request("GET", "/api/v1/namespaces/kube-system/secrets"))
    except Refused:
        return None


def _owner(plane: ControlPlane, name: str = NAME) -> Body:
    uid = plane.api().request("GET", f"/apis/commonweal.dev/v1alpha1/departments/{NAME}")["metadata"]["uid"]
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "name": name, "uid": uid, "controller": True}


def _object(kind: str, name: str, namespace: str, **content: Any) -> Body:
    version = {"Pod": "v1", "Deployment": "apps/v1", "Role": f"{RBAC}/v1", "RoleBinding": f"{RBAC}/v1", "Job": "batch/v1"}.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def _pod(**more: Any) -> Body:
    container = {
        "name": "c",
        "image": IMAGES["runtime"],
        "command": ["python3", "-m", "commonweal_runtime.data_api"],
        **more.pop("container", {}),
    }
    return {"serviceAccountName": "store", "containers": [container], **more}


SAFE: Body = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
WHO: Body = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}


def _deployment(namespace: str = OURS, **more: Any) -> Body:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": _pod(**more)}
    return _object("Deployment", "more", namespace, spec={"selector": {"matchLabels": {"app": "a"}}, "template": template})


def _binding(namespace: str, role: str, subject: Body, kind: str = "ClusterRole") -> Body:
    reference = {"apiGroup": RBAC, "kind": kind, "name": role}
    return _object("RoleBinding", "more", namespace, roleRef=reference, subjects=[subject])


def _access(namespace: str, role: str) -> Body:
    return {**_binding(namespace, role, OPERATOR), "metadata": {"name": "commonweal-operator-access", "namespace": namespace}}


OPERATOR: Body = {"kind": "ServiceAccount", "name": "commonweal-operator", "namespace": SYSTEM}
STORE: Body = {"kind": "ServiceAccount", "name": "store", "namespace": OURS}
EVERYBODY: Body = {"apiGroup": RBAC, "kind": "Group", "name": "system:authenticated"}

# Elsewhere, and of kinds that no department is made of.
FOREIGN: dict[str, Body] = {
    # `privileged` is refused by this server itself, whoever asks; to have the node's processes and disk is as good.
    "a pod that takes its node beside the API server": _object(
        "Pod", "p", "kube-system", spec=_pod(hostPID=True, volumes=[{"name": "node", "hostPath": {"path": "/"}}])
    ),
    "a workload of ours beside the API server": _deployment("kube-system"),
    "a workload in the platform's own namespace": _deployment(SYSTEM),
    "a binding of itself": {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "more"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [OPERATOR],
    },
    "its reading of Secrets elsewhere": _binding("kube-system", "commonweal-operator-platform", OPERATOR),
    "the master key anew": _object("Secret", "commonweal-sectors", SYSTEM, type="Opaque"),
    "the authority's key anew": _object("Secret", "commonweal-authority", SYSTEM, type="Opaque"),
    "the people who may sign in": _object("Secret", "commonweal-people", SYSTEM, type="Opaque"),
    "what the issuer holds, as another type": _object(
        "Secret", "commonweal-identity", SYSTEM, type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""}
    ),
    "the portal's certificate, as another type": _object("Secret", "commonweal-portal-tls", SYSTEM, type="Opaque"),
    "a certificate in the platform's own namespace": _object(
        "Secret", "commonweal-webhook-tls", SYSTEM, type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""}
    ),
    "the configuration of itself": _object("ConfigMap", "commonweal-operator", SYSTEM),
    "a Secret elsewhere": _object("Secret", "commonweal-keys", "default"),
    "a namespace's content that no Department owns": _object("ConfigMap", "commonweal-x", "dept-other"),
    "a pod": _object("Pod", "p", OURS, spec=_pod(container={"securityContext": SAFE}, securityContext=WHO)),
    "a job": _object("Job", "p", OURS, spec={"template": {"spec": _pod(restartPolicy="Never")}}),
    "a Department": {
        "apiVersion": "commonweal.dev/v1alpha1",
        "kind": "Department",
        "metadata": {"name": NAME},
        "spec": {"displayName": "Mine", "contact": "mailto:x@x.example"},
    },
}


@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN)
def test_it_writes_nothing_but_what_departments_are_made_of(taken_over: KubeApi, body: Body) -> None:
    with pytest.raises(Refused) as refusal:
        taken_over.apply(body, dry_run=True)
    assert any(
        said in refusal.value.message
        for said in ("it writes the kinds that a department is made of", "belongs to Commonweal", "status: only the operator")
    ), refusal.value.message


# In a department's namespace, with the Department as owner: what has another shape than ours.
SHAPES: dict[str, tuple[Body, str]] = {
    "another image": (_deployment(container={"image": "registry.example/tool:1"}), "spec.template.spec.containers"),
    "an image that begins like ours": (
        _deployment(container={"image": "localhost/commonweal/runtime-tool:1"}),
        "spec.template.spec.containers",
    ),
    "another command": (_deployment(container={"command": ["sh", "-c", "id"]}), "spec.template.spec.containers"),
    "a command behind ours": (_deployment(container={"args": ["-c", "id"]}), "spec.template.spec.containers"),
    "another account": (_deployment(serviceAccountName="app"), "spec.template.spec.serviceAccountName"),
    "a role on everything": (_object("Role", "more", OURS, rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]), "rules:"),
    "a role on all Secrets": (
        _object("Role", "more", OURS, rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
        "rules:",
    ),
    "a role to write a Secret": (
        _object("Role", "more", OURS, rules=[{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["x"], "verbs": ["patch"]}]),
        "rules:",
    ),
    "the cluster's administrator": (_binding(OURS, "cluster-admin", OPERATOR), "roleRef:"),
    "its own role for a component": (_binding(OURS, "commonweal-operator-platform", STORE), "roleRef:"),
    "its own role under another name": (_binding(OURS, "commonweal-operator-platform", OPERATOR), "roleRef:"),
    "its role in the platform's namespace in the department's": (_access(OWN, "commonweal-operator-platform"), "roleRef:"),
    "its role in the department's namespace in the platform's": (_access(OURS, "commonweal-operator-department"), "roleRef:"),
    "a role of components for everybody": (_binding(OURS, "store", EVERYBODY, "Role"), "roleRef:"),
    "a steward's role for everybody": (_binding(OURS, "commonweal-department-steward", EVERYBODY), "roleRef:"),
    "a role for another department's store": (
        _binding(OURS, "store", {**STORE, "namespace": "dept-tax-authority"}, "Role"),
        "roleRef:",
    ),
    "addresses of others": (
        _object(
            "Service",
            "more",
            OURS,
            spec={"externalIPs": ["10.0.0.1"], "ports": [{"port": 80}], "selector": {"commonweal.dev/department": NAME}},
        ),
        "spec: the operator's Services",
    ),
    "a Service of others' pods": (
        _object("Service", "more", OURS, spec={"ports": [{"port": 80}], "selector": {"app": "a"}}),
        "Services",
    ),
    "a token": (
        {
            **_object("Secret", "commonweal-token", OURS, type="kubernetes.io/service-account-token"),
            "metadata": {"name": "commonweal-token", "namespace": OURS, "annotations": {"kubernetes.io/service-account.name": "store"}},
        },
        "type: the operator makes Secrets",
    ),
    "a certificate of somebody else's": (
        _object("Secret", "commonweal-other-tls", OURS, type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""}),
        "type: the operator makes Secrets",
    ),
    "a Secret of a certificate's name": (
        _object("Secret", "commonweal-volumes-tls", OWN, type="Opaque"),
        "type: the operator makes Secrets",
    ),
}


@pytest.mark.parametrize(("body", "said"), SHAPES.values(), ids=SHAPES)
def test_it_writes_no_other_shapes_than_ours(plane: ControlPlane, taken_over: KubeApi, body: Body, said: str) -> None:
    owned = {**body, "metadata": {**body["metadata"], "ownerReferences": [_owner(plane)]}}
    with pytest.raises(Refused) as refusal:
        taken_over.apply(owned, dry_run=True)
    assert said in refusal.value.message, refusal.value.message


def test_it_leaves_alone_what_was_there_before(plane: ControlPlane, taken_over: KubeApi) -> None:
    """By owner, not by a label that it could put on."""
    mine = _object("ConfigMap", "of-the-department", OURS)
    plane.apply(mine)
    claimed = {
        **mine,
        "metadata": {**mine["metadata"], "ownerReferences": [_owner(plane)], "labels": {"app.kubernetes.io/managed-by": "commonweal"}},
    }
    with pytest.raises(Refused, match=r"metadata\.ownerReferences: what the operator writes .* what was there before it leaves alone"):
        taken_over.apply(claimed, dry_run=True)


def _space(plane: ControlPlane, space: str, labels: dict[str, str], **owner: Any) -> Body:
    metadata = {"name": space, "labels": labels, "ownerReferences": [_owner(plane) | owner]}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


LABELS = {"commonweal.dev/department": NAME, **RESTRICTED}


@pytest.mark.parametrize(
    ("name", "labels", "owner", "said"),
    [
        (OWN, LABELS | {"pod-security.kubernetes.io/enforce": "privileged"}, {}, "Pod Security restricted"),
        (OWN, LABELS | {"pod-security.kubernetes.io/enforce-version": "v1.0"}, {}, "Pod Security restricted"),
        (OWN, {"commonweal.dev/department": "tax-authority", **RESTRICTED}, {}, "must be the owner's name"),
        (OWN, LABELS | {"commonweal.dev/scope": "platform"}, {}, "what the namespace's name says"),
        ("dept-other", LABELS | {"commonweal.dev/department": "other"}, {"name": "other"}, "was there before and belongs to no Department"),
        ("dept-other", LABELS, {}, "namespaces named dept-<name>"),
        ("kube-system", LABELS, {}, "namespaces named dept-<name>"),
        ("commonweal-system", LABELS, {}, "namespaces named dept-<name>"),
        ("anything", LABELS, {}, "namespaces named dept-<name>"),
        (OWN, LABELS, {"kind": "DataProduct"}, "namespaces named dept-<name>"),
        (OWN, LABELS, {"uid": "11111111-2222-3333-4444-555555555555", "controller": False}, "namespaces named dept-<name>"),
    ],
)
def test_it_writes_no_namespace_that_a_department_does_not_own(
    plane: ControlPlane, taken_over: KubeApi, name: str, labels: dict[str, str], owner: Body, said: str
) -> None:
    with pytest.raises(Refused) as refusal:
        taken_over.apply(_space(plane, name, labels, **owner), dry_run=True)
    assert said in refusal.value.message


def test_the_platforms_namespace_of_a_department_it_may_make(plane: ControlPlane, taken_over: KubeApi) -> None:
    taken_over.apply(_space(plane, OURS, LABELS | {"commonweal.dev/scope": "platform"}), dry_run=True)
    taken_over.apply(_space(plane, OWN, LABELS | {"commonweal.dev/scope": "department"}), dry_run=True)


def test_it_deletes_and_connects_to_nothing(taken_over: KubeApi) -> None:
    paths = [f"/api/v1/namespaces/{OURS}", f"/api/v1/namespaces/{OURS}/configmaps/commonweal-store-plan"]
    attempts: list[tuple[str, str, Body | None]] = [("DELETE", path, None) for path in paths]
    attempts.append(("PUT", f"/api/v1/namespaces/{OURS}/finalize", {"metadata": {"name": OURS}, "spec": {"finalizers": []}}))
    for method, path, body in attempts:
        with pytest.raises(Refused) as refusal:
            taken_over.request(method, path, body, dryRun="All")
        assert "ValidatingAdmissionPolicy" in refusal.value.message, path


def test_it_may_not_write_the_policies_that_bind_it(plane: ControlPlane) -> None:
    """An API server asks no policy about policies: here access rules alone stand in the way, so the chart must never give them."""
    granted = [rule for obj in chart() if obj["kind"] in ("Role", "ClusterRole") for rule in obj.get("rules", ())]
    assert granted
    for rule in granted:
        assert not {"admissionregistration.k8s.io", "*"} & set(rule.get("apiGroups", ()))
        assert "*" not in rule["verbs"]
        assert not {"escalate", "impersonate"} & set(rule["verbs"])


def test_a_lease_of_its_own_and_no_other(taken_over: KubeApi) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "commonweal-operator", "namespace": SYSTEM},
        "spec": {},
    }
    taken_over.apply(lease, dry_run=True)
    for change in ({"name": "commonweal-probe"}, {"namespace": "kube-system"}):
        with pytest.raises(Refused, match="its own Lease"):
            taken_over.apply({**lease, "metadata": {**lease["metadata"], **change}}, dry_run=True)


def test_its_own_work_goes_on(plane: ControlPlane, taken_over: KubeApi, operator: Any) -> None:
    """What it made is repaired as ever, by the same account, under the same policies."""
    path = f"/apis/apps/v1/namespaces/{OURS}/deployments/data-api"
    plane.api().request("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE)
    wait_for("the repair", lambda: plane.api().request("GET", path)["spec"]["replicas"] == 1 or None)
    operator.settled()
    assert {w.rpartition(" ")[2] for w in operator.writes() if f" {path} " in w} <= {"200", "201"}


def test_every_bound_fails_closed_and_is_bound(plane: ControlPlane) -> None:
    made = {(o["kind"], o["metadata"]["name"]): o for o in chart()}
    for name in BOUNDS:
        assert made["ValidatingAdmissionPolicy", name]["spec"]["failurePolicy"] == "Fail"
        assert made["ValidatingAdmissionPolicyBinding", name]["spec"] == {"policyName": name, "validationActions": ["Deny"]}
