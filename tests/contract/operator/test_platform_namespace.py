"""Attacks g, h and part of l of issue 11, by real requests: an administrator of a department, by Kubernetes' own role, has nothing to take where its store lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.kube_api import MERGE, Refused
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("business")
OWN, OURS = "dept-companies-registry", "dept-companies-registry-platform"
CORE, APPS, RBAC = "/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"
SECRETS = f"{CORE}/namespaces/{OURS}/secrets"


@pytest.fixture(scope="module")
def tenant(plane: ControlPlane) -> Any:
    """Somebody with the role `admin` in the department's namespace, which is more than `edit`."""
    for part in ("view", "edit", "admin"):  # of which a controller that does not run here would make the role
        plane.allow("tenant", f"system:aggregate-to-{part}", OWN)
    api = plane.api("tenant")
    wait_for("the role to be known", lambda: reads(api, f"{CORE}/namespaces/{OWN}/secrets"))
    return api


def reads(api: Any, path: str) -> bool | None:
    try:
        return bool(api.request("GET", path))
    except Refused as error:
        return None if error.status == 403 else True


def pod(name: str, **spec: Any) -> dict[str, Any]:
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    containers = [{"name": "c", "image": "localhost/none", "securityContext": locked, "resources": {"limits": {"memory": "64Mi"}}}]
    safe = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, "securityContext": safe, **spec},
    }


CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-store-0"}}]}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "mine"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
    "subjects": [{"kind": "User", "name": "tenant", "apiGroup": "rbac.authorization.k8s.io"}],
}
ATTACKS: dict[str, tuple[str, str, Any]] = {
    "read the keys": ("GET", f"{SECRETS}/commonweal-keys", None),
    "read the signing key": ("GET", f"{SECRETS}/commonweal-signing", None),
    "list Secrets": ("GET", SECRETS, None),
    "mount the store's claim": ("POST", f"{CORE}/namespaces/{OURS}/pods", pod("thief", **CLAIM)),
    "mount the keys": (
        "POST",
        f"{CORE}/namespaces/{OURS}/pods",
        pod("thief", volumes=[{"name": "k", "secret": {"secretName": "commonweal-keys"}}]),
    ),
    "a shell in the store": ("POST", f"{CORE}/namespaces/{OURS}/pods/store-0/exec?command=sh", None),
    "a port of the store": ("POST", f"{CORE}/namespaces/{OURS}/pods/store-0/portforward", None),
    "evict the store": (
        "POST",
        f"{CORE}/namespaces/{OURS}/pods/store-0/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "store-0", "namespace": OURS}},
    ),
    "a token of the keeper": (
        "POST",
        f"{CORE}/namespaces/{OURS}/serviceaccounts/store/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
    "a token of the models": (
        "POST",
        f"{CORE}/namespaces/{OURS}/serviceaccounts/models/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
    "forge the keeper's report": ("PATCH", f"{CORE}/namespaces/{OURS}/configmaps/commonweal-store-report", {"data": {"report.json": "{}"}}),
    "change the plan": ("PATCH", f"{CORE}/namespaces/{OURS}/configmaps/commonweal-store-plan", {"data": {"plan.json": "{}"}}),
    "change the store": ("PATCH", f"{APPS}/namespaces/{OURS}/statefulsets/store", {"spec": {"replicas": 0}}),
    "scale the data API": ("PATCH", f"{APPS}/namespaces/{OURS}/deployments/data-api/scale", {"spec": {"replicas": 0}}),
    "lead the data API's name elsewhere": ("PATCH", f"{CORE}/namespaces/{OURS}/services/data-api", {"spec": {"selector": {"app": "mine"}}}),
    "bind itself a role": ("POST", f"{RBAC}/namespaces/{OURS}/rolebindings", BINDING),
    "change a network policy": (
        "PATCH",
        f"/apis/networking.k8s.io/v1/namespaces/{OURS}/networkpolicies/store",
        {"spec": {"ingress": [{}]}},
    ),
    "a product there": (
        "POST",
        f"/apis/commonweal.dev/v1alpha1/namespaces/{OURS}/dataproducts",
        {"apiVersion": "commonweal.dev/v1alpha1", "kind": "DataProduct", "metadata": {"name": "x"}, "spec": {}},
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_departments_administrator_reaches_nothing_of_its_store(tenant: Any, attack: str) -> None:
    method, path, body = ATTACKS[attack]
    more = {"content_type": MERGE} if method == "PATCH" else {}
    with pytest.raises(Refused) as refused:
        tenant.request(method, path, body, **more)
    assert refused.value.status == 403, refused.value


def test_nothing_of_the_store_lies_where_the_administrator_reads(tenant: Any) -> None:
    names = {item["metadata"]["name"] for item in tenant.request("GET", f"{CORE}/namespaces/{OWN}/secrets")["items"]}
    assert not {"commonweal-keys", "commonweal-signing"} & names
    claims = tenant.request("GET", f"{CORE}/namespaces/{OWN}/persistentvolumeclaims")["items"]
    assert not [c for c in claims if c["metadata"]["name"].startswith("data-store")]
    assert not tenant.request("GET", f"{APPS}/namespaces/{OWN}/statefulsets")["items"]


def test_our_kinds_are_refused_in_the_platforms_namespace_whoever_asks(plane: ControlPlane) -> None:
    fields = [{"name": "a", "column": "a", "type": "String"}]
    spec = {"title": "T", "version": "1.0.0", "class": "Person", "subject": {"column": "a"}, "fields": fields}
    source = {"parquet": {"location": "volume://files/x"}}
    made = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "DataProduct", "metadata": {"name": "x", "namespace": OURS}}
    with pytest.raises(Refused, match="belongs to no department"):
        plane.apply({**made, "spec": {**spec, "source": source}})


def test_who_signs_reads_the_signing_key_and_nothing_else_there(plane: ControlPlane, operator: Any, condition: Callable[..., Any]) -> None:
    path = "/apis/commonweal.dev/v1alpha1/departments/companies-registry"
    steward = plane.api("signer")
    assert reads(steward, f"{SECRETS}/commonweal-signing") is None
    plane.api().request("PATCH", path, {"spec": {"stewards": [{"kind": "User", "name": "signer"}]}}, content_type=MERGE)
    wait_for("the steward to be let in", lambda: reads(steward, f"{SECRETS}/commonweal-signing"))
    for refused in (f"{SECRETS}/commonweal-keys", SECRETS, f"{CORE}/namespaces/{OURS}/configmaps", f"{CORE}/namespaces/{OURS}/pods"):
        assert reads(steward, refused) is None, refused
    bound = plane.api().request("GET", f"{RBAC}/namespaces/{OWN}/rolebindings/commonweal-stewards")
    assert [(s["kind"], s["name"]) for s in bound["subjects"]] == [("User", "signer")]
    plane.api().request("PATCH", path, {"spec": {"stewards": None}}, content_type=MERGE)
    wait_for("the steward to be out again", lambda: reads(steward, f"{SECRETS}/commonweal-signing") is None or None)
    operator.settled()
    before = operator.settled()
    assert operator.settled(3.0) == before, "a binding that binds nobody is not written for ever"


@pytest.mark.parametrize("name", ["tax-platform", "a-platform"])
def test_a_department_cannot_have_the_platforms_name(plane: ControlPlane, name: str) -> None:
    department = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": {"name": name}}
    with pytest.raises(Refused, match=r"metadata.name: ends in -platform.*choose another name"):
        plane.apply({**department, "spec": {"displayName": "T", "contact": "mailto:t@t.example"}})


@pytest.mark.parametrize(
    ("steward", "said"),
    [
        ({"kind": "Group", "name": "system:authenticated"}, "spec.stewards\\[\\].name"),
        ({"kind": "User", "name": "ada", "namespace": "x"}, "spec.stewards\\[\\].namespace"),
    ],
)
def test_a_steward_is_named_as_one_subject(plane: ControlPlane, steward: dict[str, str], said: str) -> None:
    department = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": {"name": "stewarded"}}
    with pytest.raises(Refused, match=said):
        plane.apply({**department, "spec": {"displayName": "T", "contact": "mailto:t@t.example", "stewards": [steward]}})


def test_a_service_that_went_can_be_made_again_under_the_quota(plane: ControlPlane) -> None:
    """As where a site has load balancers: each takes a port of the nodes, and the first was made before there was a quota."""
    for name in ("data-api-again", "models-again"):
        spec = {"type": "LoadBalancer", "ports": [{"name": "https", "port": 443}], "externalTrafficPolicy": "Local"}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": OURS}, "spec": spec}
        assert plane.api().create(service, dry_run=True)["spec"]["ports"][0]["nodePort"], "counted, and allowed"
