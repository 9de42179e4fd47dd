"""What a hand changes on a real API server is found, named by its leaf, and gone again once the layer is put right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commonweal_stacks import blueprint
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.gather import gather
from commonweal_stacks.conformity.tree import Digest, differences
from commonweal_stacks.platform.layer import Layer
from contract.conformity.conftest import apply
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi

SYSTEM = "/api/v1/namespaces/commonweal-system"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/departments.commonweal.dev"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
NETWORK = "/apis/networking.k8s.io/v1/namespaces/commonweal-system/networkpolicies"


def look(api: Api, layer: Layer) -> Digest:
    return gather(layer, blueprint.current(), api, {})


def merge(path: str, body: Any) -> Callable[[KubeApi], Any]:
    return lambda api: api.request("PATCH", path, body, content_type=MERGE)


def edit_schema(api: KubeApi) -> None:
    found = api.request("GET", CRD)
    properties = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["displayName"]["maxLength"] = 9999
    api.request("PUT", CRD, found)


EXTRA = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "by-hand", "labels": {"app.kubernetes.io/part-of": "commonweal"}},
    "data": {"a": "1"},
}


DRIFT: dict[str, tuple[Callable[[KubeApi], Any], str]] = {
    "a field is changed": (
        merge(f"{SYSTEM}/resourcequotas/commonweal-platform", {"spec": {"hard": {"pods": "21"}}}),
        'layer: ResourceQuota/commonweal-system/commonweal-platform:spec.hard.pods: "20" | "21"',
    ),
    "an object is deleted": (
        lambda api: api.request("DELETE", f"{NETWORK}/default-deny"),
        'layer: NetworkPolicy.networking.k8s.io/commonweal-system/default-deny:presence: (absent) | "gone"',
    ),
    "there is one of ours too many": (
        lambda api: api.request("POST", f"{SYSTEM}/configmaps", EXTRA),
        'layer: ConfigMap/commonweal-system/by-hand:data.a: (absent) | "1"',
    ),
    "a schema is edited": (edit_schema, "spec.properties.displayName.maxLength: 120 | 9999"),
    "a policy is unbound": (
        lambda api: api.request("DELETE", f"{BINDINGS}/commonweal-owned-objects"),
        'policies: ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io/commonweal-owned-objects:presence: (absent) | "gone"',
    ),
    "a label is changed": (
        merge("/api/v1/namespaces/commonweal-system", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}),
        'pod-security.kubernetes.io/enforce": "restricted" | "baseline"',
    ),
}


def test_drift_of_every_kind_is_found_named_and_mended(plane: ControlPlane, api: Api, layer: Layer) -> None:
    before = look(api, layer)
    for change, _ in DRIFT.values():
        change(plane.api())
    try:
        found = [str(one) for one in differences(before, look(api, layer))]
        assert [what for what, (_, leaf) in DRIFT.items() if not any(leaf in one for one in found)] == [], found
    finally:
        plane.api().request("DELETE", f"{SYSTEM}/configmaps/by-hand")
        apply(plane, layer)
    assert differences(before, look(api, layer)) == []


def test_what_may_differ_is_not_reported(plane: ControlPlane, api: Api, layer: Layer) -> None:
    before = look(api, layer)
    merge(f"{SYSTEM}/services/identity", {"spec": {"type": "NodePort"}})(plane.api())
    try:
        assert differences(before, look(api, layer)) == []
    finally:
        merge(f"{SYSTEM}/services/identity", {"spec": {"type": "ClusterIP"}})(plane.api())


def test_what_is_no_business_of_ours_is_not_reported(plane: ControlPlane, api: Api, layer: Layer) -> None:
    before = look(api, layer)
    plane.api().request("POST", f"{SYSTEM}/configmaps", {**EXTRA, "metadata": {"name": "theirs"}})
    try:
        assert look(api, layer).root == before.root
    finally:
        plane.api().request("DELETE", f"{SYSTEM}/configmaps/theirs")
