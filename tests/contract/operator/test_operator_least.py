"""What the operator's account cannot do by its access rules alone, with the two admission policies on its name deleted; and how it comes to its rights (k)."""

from __future__ import annotations

from typing import Any

import pytest

from contract.operator.stage import SYSTEM, Operator
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("business")
NAME = "companies-registry"
OWN, OURS = f"dept-{NAME}", f"dept-{NAME}-platform"
RBAC = "rbac.authorization.k8s.io"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
BOUNDS = ("commonweal-operator-namespaces", "commonweal-operator-objects")
ACCESS = "commonweal-operator-access"
Body = dict[str, Any]
ITSELF: Body = {"kind": "ServiceAccount", "name": "commonweal-operator", "namespace": SYSTEM}
VERSIONS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1", "Role": f"{RBAC}/v1"}


@pytest.fixture(scope="module")
def unbound(plane: ControlPlane, business: None) -> KubeApi:
    """The operator's own token on a site where somebody has deleted the policies that bind it."""
    admin, api = plane.api(), plane.api("operator")
    for name in BOUNDS:
        admin.request("DELETE", f"{POLICIES}/validatingadmissionpolicybindings/{name}")
        admin.request("DELETE", f"{POLICIES}/validatingadmissionpolicies/{name}")
    wait_for("the policies to be gone", lambda: _takes(api, f"/apis/apps/v1/namespaces/{OURS}/deployments/data-api", ANOTHER_IMAGE))
    wait_for("both to be gone", lambda: _takes(api, f"/api/v1/namespaces/{OWN}", {"metadata": {"ownerReferences": []}}))
    return api


ANOTHER_IMAGE: Body = {"spec": {"template": {"spec": {"serviceAccountName": "default"}}}}


def _takes(api: KubeApi, path: str, change: Body) -> bool | None:
    try:
        return bool(api.request("PATCH", path, change, content_type=MERGE, dryRun="All"))
    except Refused:
        return None


def _object(kind: str, name: str, namespace: str, **content: Any) -> Body:
    return {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def _binding(namespace: str, name: str, role: str) -> Body:
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [ITSELF]}


POD: Body = {"containers": [{"name": "c", "image": "localhost/none"}]}
TEMPLATE: Body = {"metadata": {"labels": {"app": "a"}}, "spec": POD}
WORKLOAD: Body = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}


def _elsewhere(namespace: str) -> list[Body]:
    """Return objects of the kinds that departments are made of, by the names that they have there, in a namespace that is none's."""
    return [
        _object("ConfigMap", "commonweal-store-plan", namespace),
        _object("ConfigMap", "contract-companies", namespace),
        _object("Secret", "commonweal-keys", namespace),
        _object("Service", "store", namespace, spec={"ports": [{"port": 80}]}),
        _object("ServiceAccount", "store", namespace),
        _object("ResourceQuota", "department", namespace, spec={"hard": {"pods": "0"}}),
        _object("LimitRange", "department", namespace, spec={"limits": []}),
        _object("NetworkPolicy", "default-deny", namespace, spec={"podSelector": {}}),
        _object("Deployment", "data-api", namespace, spec=WORKLOAD),
        _object("StatefulSet", "store", namespace, spec={**WORKLOAD, "serviceName": "store"}),
        _object("Role", "store", namespace, rules=[]),
        _object("Pod", "store-0", namespace, spec=POD),
        _binding(namespace, "store", "commonweal-operator-platform"),
    ]


@pytest.mark.parametrize("namespace", ["kube-system", "default", SYSTEM, "kube-public"])
def test_it_makes_nothing_where_no_department_is(unbound: KubeApi, namespace: str) -> None:
    for body in _elsewhere(namespace):
        for attempt in (unbound.apply, unbound.create):
            with pytest.raises(Refused, match=r"cannot (patch|create) resource") as refusal:
                attempt(body, dry_run=True)
            assert refusal.value.status == 403, body


@pytest.mark.parametrize("namespace", ["kube-system", "default", SYSTEM, "kube-public", "kube-node-lease"])
@pytest.mark.parametrize("role", ["commonweal-operator-platform", "commonweal-operator-department", "cluster-admin", "edit"])
def test_it_gives_itself_no_rights_there(unbound: KubeApi, namespace: str, role: str) -> None:
    """Under the one name that it may bind by, there is a binding already: to a role without rights, and what it refers to cannot be changed."""
    with pytest.raises(Refused) as refusal:
        unbound.apply(_binding(namespace, ACCESS, role), dry_run=True)
    assert refusal.value.status in (403, 422)
    assert "roleRef: Invalid value" in refusal.value.message or "attempting to grant RBAC permissions" in refusal.value.message
    with pytest.raises(Refused, match="cannot create resource"):
        unbound.create(_binding(namespace, ACCESS, role), dry_run=True)
    with pytest.raises(Refused, match="cannot patch resource"):
        unbound.apply(_binding(namespace, "more", role), dry_run=True)
    with pytest.raises(Refused, match="cannot delete resource"):
        unbound.delete(_binding(namespace, ACCESS, role), dry_run=True)


def test_what_stands_there_under_its_name_gives_nothing(plane: ControlPlane, unbound: KubeApi) -> None:
    """It may name itself in that binding, and may no more than before."""
    unbound.apply(_binding("kube-system", ACCESS, "commonweal-operator-elsewhere"))
    rules = plane.api().request("GET", f"/apis/{RBAC}/v1/clusterroles/commonweal-operator-elsewhere").get("rules")
    assert not rules
    with pytest.raises(Refused, match="cannot list resource"):
        unbound.request("GET", "/api/v1/namespaces/kube-system/configmaps")


READS = [
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/apis/apps/v1/deployments",
    "/api/v1/pods",
    "/api/v1/services",
    f"/apis/{RBAC}/v1/roles",
    f"/apis/{RBAC}/v1/clusterroles",
    *(
        f"/api/v1/namespaces/{space}/{what}"
        for space in ("kube-system", "default")
        for what in ("configmaps", "configmaps/kube-root-ca.crt", "configmaps/commonweal-store-plan", "secrets", "secrets/commonweal-keys")
    ),
    f"/api/v1/namespaces/{SYSTEM}/configmaps/commonweal-operator",
    f"/api/v1/namespaces/{SYSTEM}/secrets/commonweal-site-key",
    f"/api/v1/namespaces/{OURS}/secrets/another",
    f"/api/v1/namespaces/{OURS}/configmaps",
]


@pytest.mark.parametrize("path", READS)
def test_it_reads_nothing_but_what_departments_are_made_of(unbound: KubeApi, path: str) -> None:
    with pytest.raises(Refused, match=r"cannot (list|get) resource"):
        unbound.request("GET", path)


def test_by_name_it_lists_what_it_watches_and_no_other(unbound: KubeApi) -> None:
    def names(wanted: str) -> set[str]:
        found = unbound.request("GET", "/api/v1/configmaps", fieldSelector=f"metadata.name={wanted}")
        return {item["metadata"]["name"] for item in found["items"]}

    assert names("commonweal-ca") == {"commonweal-ca"}
    for selector in ("metadata.name=kube-root-ca.crt", "metadata.name!=commonweal-ca", f"metadata.namespace={OWN}"):
        with pytest.raises(Refused, match="cannot list resource"):
            unbound.request("GET", "/api/v1/configmaps", fieldSelector=selector)


BEYOND: dict[str, Body] = {
    "the cluster's administrator, everywhere": {
        **_binding("", "more", "cluster-admin"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "more"},
    },
    "the cluster's administrator, by its own name": _binding(OURS, ACCESS, "cluster-admin"),
    "the cluster's administrator, by a component's": _binding(OURS, "store", "cluster-admin"),
    "a steward, where the keys lie": _binding(OURS, "store", "commonweal-department-steward"),
    "a binding of another name": _binding(OURS, "more", "commonweal-operator-platform"),
    "a workload of another name": _object("Deployment", "more", OURS, spec=WORKLOAD),
    "a store beside the department": _object("StatefulSet", "store", OWN, spec={**WORKLOAD, "serviceName": "store"}),
    "a plan of another name": _object("ConfigMap", "more", OURS),
    "a Secret of the department": _object("Secret", "login", OWN),
    "the keys again": _object("Secret", "commonweal-keys", OURS, stringData={"database": "x"}),
    "a pod": _object("Pod", "store-0", OURS, spec=POD),
    "a role on all Secrets": _object(
        "Role", "sources", OWN, rules=[{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
    ),
    "a policy": {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "commonweal-operator-objects"},
        "spec": {"policyName": "commonweal-operator-objects", "validationActions": ["Audit"]},
    },
    "a role of the cluster": {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "commonweal-operator-elsewhere"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    },
}


@pytest.mark.parametrize("body", BEYOND.values(), ids=BEYOND)
def test_in_a_departments_namespaces_it_writes_what_they_are_made_of_and_no_more(unbound: KubeApi, body: Body) -> None:
    with pytest.raises(Refused) as refusal:
        unbound.apply(body, dry_run=True)
    said = refusal.value.message
    assert any(text in said for text in ("cannot patch resource", "attempting to grant RBAC permissions", "roleRef: Invalid value")), said


@pytest.mark.parametrize("namespace", ["kube-system", "default", SYSTEM])
def test_it_changes_no_namespace_that_was_there_before(unbound: KubeApi, namespace: str) -> None:
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"commonweal.dev/department": NAME}}}
    with pytest.raises(Refused, match='cannot patch resource "namespaces"'):
        unbound.apply(labelled, dry_run=True)


def test_what_the_policies_alone_hold_is_known(plane: ControlPlane, unbound: KubeApi) -> None:
    """Access rules know no patterns of names, no labels and no shapes. Each of these is refused while the policies stand: test_operator_bounds."""
    new = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "anything", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
    }
    assert unbound.create(new, dry_run=True)
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "not-listed"}})
    assert unbound.apply(_binding("not-listed", ACCESS, "commonweal-operator-platform"), dry_run=True)
    assert _takes(unbound, f"/apis/apps/v1/namespaces/{OURS}/deployments/data-api", ANOTHER_IMAGE)


def _forget(plane: ControlPlane, space: str) -> None:
    """Leave a namespace as an earlier release had it: without the operator's binding, and labelled otherwise."""
    admin = plane.api()
    admin.request("DELETE", f"/apis/{RBAC}/v1/namespaces/{space}/rolebindings/{ACCESS}")
    admin.request("PATCH", f"/api/v1/namespaces/{space}", {"metadata": {"labels": {"app.kubernetes.io/part-of": None}}}, content_type=MERGE)


def test_an_operator_that_comes_to_departments_of_an_earlier_release_gives_itself_its_rights_first(
    plane: ControlPlane, operator: Operator
) -> None:
    operator.settled()
    operator.stop()
    before = len(operator.writes())
    for space in (OWN, OURS):
        _forget(plane, space)
    operator.start()
    for space in (OWN, OURS):
        path = f"/api/v1/namespaces/{space}"
        wait_for(
            f"{space} to be repaired",
            lambda path=path: "app.kubernetes.io/part-of" in plane.api().request("GET", path)["metadata"]["labels"] or None,
        )
    operator.settled()
    done = [w for w in operator.writes()[before:] if NAME in w and w.rpartition(" ")[2] in ("200", "201")]
    bindings = {f"patch /apis/{RBAC}/v1/namespaces/{space}/rolebindings/{ACCESS} 201" for space in (OWN, OURS)}
    assert set(done[:2]) == bindings, done
    plane.api().request("PATCH", f"/apis/apps/v1/namespaces/{OURS}/deployments/models", {"spec": {"replicas": 4}}, content_type=MERGE)
    wait_for(
        "the repair by its rights",
        lambda: plane.api().request("GET", f"/apis/apps/v1/namespaces/{OURS}/deployments/models")["spec"]["replicas"] != 4 or None,
    )
    assert (
        plane.api().request("GET", f"/apis/{RBAC}/v1/namespaces/{OURS}/rolebindings/{ACCESS}")["roleRef"]["name"]
        == "commonweal-operator-platform"
    )
