"""The rules of Cluster API's provider contract v1beta2 that a file can be held to."""

from __future__ import annotations

from typing import Any

import pytest

from support.kube_api import manifests_in
from support.local_provider import DEFINITIONS, GROUP, LocalFleet, definitions

KINDS = ("LocalCluster", "LocalControlPlane", "LocalClusterTemplate", "LocalControlPlaneTemplate")
BY_KIND = {found["spec"]["names"]["kind"]: found for found in definitions()}
OURS = ("LocalCluster", "LocalControlPlane")


def schema(kind: str) -> dict[str, Any]:
    (version,) = BY_KIND[kind]["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return found


def test_there_are_the_four_kinds_and_no_more() -> None:
    assert sorted(BY_KIND) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_named_scoped_and_labelled_as_the_contract_asks(kind: str) -> None:
    found = BY_KIND[kind]
    assert found["metadata"]["name"] == f"{kind.lower()}s.{GROUP}"
    assert found["metadata"]["labels"]["cluster.x-k8s.io/v1beta2"] == found["spec"]["versions"][0]["name"] == "v1alpha1"
    assert found["spec"]["scope"] == "Namespaced"
    assert found["spec"]["names"]["listKind"] == f"{kind}List"


@pytest.mark.parametrize("kind", OURS)
def test_a_template_takes_what_the_kind_takes_but_what_a_topology_sets(kind: str) -> None:
    template = schema(f"{kind}Template")["spec"]["properties"]["template"]["properties"]
    assert set(template["metadata"]["properties"]) == {"labels", "annotations"}
    set_by_others = {"version", "controlPlaneEndpoint"}
    assert set(template["spec"].get("properties", {})) == set(schema(kind)["spec"]["properties"]) - set_by_others


def test_the_fields_of_the_contract_are_there() -> None:
    assert set(schema("LocalCluster")["spec"]["properties"]["controlPlaneEndpoint"]["properties"]) == {"host", "port"}
    assert "provisioned" in schema("LocalCluster")["status"]["properties"]["initialization"]["properties"]
    plane = schema("LocalControlPlane")
    assert "version" in plane["spec"]["required"]
    assert {"version", "versions", "externalManagedControlPlane", "initialization", "conditions"} <= set(plane["status"]["properties"])
    assert "replicas" not in plane["spec"]["properties"], "there are no machines"


def test_cluster_api_may_do_with_our_kinds_what_it_must() -> None:
    (role,) = [
        found
        for found in manifests_in(DEFINITIONS)
        if found["kind"] == "ClusterRole" and found["metadata"].get("labels", {}).get("cluster.x-k8s.io/aggregate-to-manager") == "true"
    ]
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    verbs = ("create", "delete", "get", "list", "patch", "update", "watch")
    assert granted >= {(f"{kind.lower()}s", verb) for kind in KINDS for verb in verbs}
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {GROUP}


def test_every_field_is_described(fleet: LocalFleet) -> None:
    def bare(node: dict[str, Any], path: str) -> list[str]:
        inner = [*node.get("properties", {}).items(), *([("[]", node["items"])] if "items" in node else [])]
        return [
            found
            for name, each in inner
            for found in [*([f"{path}.{name}"] if "description" not in each else []), *bare(each, f"{path}.{name}")]
        ]

    missing = [found for kind in KINDS for found in bare({"properties": schema(kind)}, kind)]
    assert [found for found in missing if not found.endswith("[]")] == []
    assert fleet.object("LocalCluster", "nobody") is None, "and the server serves the kind"
