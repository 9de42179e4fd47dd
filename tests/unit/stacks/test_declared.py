"""What is said of a Cluster beside what the adapters render: what to wait for, and its entry in the inventory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commonweal_stacks import blueprint, clusters
from commonweal_stacks.components.cluster import profile
from commonweal_stacks.resources import SKIP_AWAIT, WAIT_FOR, awaited
from commonweal_stacks.site import parse_site

SITE = parse_site(
    {"name": "onprem", "kind": "local", "clientCidrs": [], "storage": {"provisioner": "rancher.io/local-path"}}, stack="onprem"
)
CLUSTER = clusters.site_objects(SITE, blueprint.current())[-1]


def test_a_cluster_is_there_when_it_is_available_and_nothing_is_still_to_be_done() -> None:
    wanted = ["condition=TopologyReconciled", "condition=RollingOut=False", "condition=Available"]
    assert json.loads(awaited(CLUSTER)["metadata"]["annotations"][WAIT_FOR]) == wanted


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"type": "LoadBalancer"}, {WAIT_FOR: "jsonpath={.status.loadBalancer.ingress[0]}"}),
        ({"type": "ClusterIP"}, {SKIP_AWAIT: "true"}),
        ({}, {SKIP_AWAIT: "true"}),
    ],
)
def test_of_a_service_only_an_address_is_waited_for(spec: dict[str, Any], word: dict[str, str]) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec}
    assert awaited(service)["metadata"]["annotations"] == word
    assert "annotations" not in service["metadata"]


def test_what_is_waited_for_is_one_word_or_a_list_and_leaves_other_annotations_and_objects_alone() -> None:
    noted = {**CLUSTER, "metadata": {**CLUSTER["metadata"], "annotations": {"a": "b"}}}
    assert json.loads(awaited(noted)["metadata"]["annotations"][WAIT_FOR])[-1] == "condition=Available"
    assert awaited(noted)["metadata"]["annotations"]["a"] == "b"
    classes = [obj for obj in clusters.class_objects("local", blueprint.current()) if obj["kind"] == "ClusterClass"]
    assert [awaited(obj)["metadata"]["annotations"] for obj in classes] == [{WAIT_FOR: "condition=VariablesReady"}]
    template = next(obj for obj in clusters.class_objects("local", blueprint.current()) if obj["kind"] == "LocalClusterTemplate")
    assert awaited(template) == template


def test_a_site_is_in_the_fleets_inventory_under_its_name_and_says_who_looks_after_it() -> None:
    found = profile("onprem")
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("onprem", "commonweal-fleet")
    assert found["metadata"]["labels"]["x-k8s.io/cluster-manager"] == "commonweal"
    assert found["spec"] == {"displayName": "onprem", "clusterManager": {"name": "commonweal"}}
    assert "status" not in found
