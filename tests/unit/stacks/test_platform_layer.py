"""The platform layer: built in order, placed, and different between sites in nothing but what the list allows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonweal_stacks.conformity.blueprint import blueprint_leaves, blueprint_root
from commonweal_stacks.exceptions import ChartError
from commonweal_stacks.manifests import key_of
from commonweal_stacks.platform import chart, foundation
from commonweal_stacks.platform.layer import Keys, Layer, build_layer
from commonweal_stacks.resources import name_of, token_of
from commonweal_stacks.site import SiteConfig
from support.probing import hasty

IMAGES = {"operator": "localhost/o:1", "runtime": "localhost/r:1", "store": "localhost/s:1", "portal": "localhost/p:1"}


def site(**changes: Any) -> SiteConfig:
    values: Mapping[str, Any] = {"name": "onprem", "kind": "local", "clientCidrs": ["10.210.0.0/16"], "storage": {"provisioner": "a.b/c"}}
    return SiteConfig.model_validate({**values, "identity": {"enabled": True}, **changes})


@pytest.fixture(scope="module")
def layer() -> Layer:
    return build_layer(site(), IMAGES, Keys("m" * 64, "m" * 64, "m" * 64))


def test_the_layer_comes_up_foundation_first_then_guards_then_the_operator(layer: Layer) -> None:
    kinds = {stage.name: {obj["kind"] for obj in stage.objects} for stage in layer.stages}

    assert list(kinds) == ["foundation", "guards", "operator"]
    assert kinds["foundation"] == {"Namespace", "CustomResourceDefinition"}
    assert {"ResourceQuota", "LimitRange", "NetworkPolicy", "StorageClass", "Secret", "ValidatingAdmissionPolicy"} <= kinds["guards"]
    assert {"Deployment", "ServiceAccount", "ClusterRole"} <= kinds["operator"]
    assert "ValidatingAdmissionPolicy" not in kinds["operator"]


def test_every_object_is_named_and_labelled_and_its_resource_name_is_its_own(layer: Layer) -> None:
    names = [name_of(obj) for obj in layer.objects]

    assert len(names) == len(set(names))
    for obj in layer.objects:
        assert obj["metadata"]["name"]
        assert "generateName" not in obj["metadata"]
        assert obj["metadata"]["labels"]["app.kubernetes.io/part-of"] == "commonweal", key_of(obj)


def test_the_resource_types_are_those_of_the_vendors_plug_in() -> None:
    assert token_of({"apiVersion": "v1", "kind": "Service"}) == "kubernetes:core/v1:Service"
    assert token_of({"apiVersion": "apps/v1", "kind": "Deployment"}) == "kubernetes:apps/v1:Deployment"


def test_the_namespace_admits_restricted_pods_only_and_nobody_talks_by_default() -> None:
    labels = foundation.namespace()["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert foundation.default_deny()["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_pod_of_the_layer_meets_the_restricted_standard_with_a_read_only_root(layer: Layer) -> None:
    pods = [obj["spec"]["template"]["spec"] for obj in layer.objects if obj["kind"] == "Deployment"]
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["image"].startswith("localhost/")


def pods_of(layer: Layer) -> dict[str, Any]:
    """Return the pods that the layer runs, by the name of what runs them."""
    runs = [obj for obj in layer.objects if obj["kind"] in ("Deployment", "StatefulSet")]
    return {obj["metadata"]["name"]: obj["spec"]["template"]["spec"] for obj in runs}


def secrets_of(volume: dict[str, Any]) -> list[str]:
    projected = [source["secret"]["name"] for source in volume.get("projected", {}).get("sources", ()) if "secret" in source]
    return [*projected, *([volume["secret"]["secretName"]] if "secret" in volume else [])]


def test_the_whole_layer_fits_its_quota_while_each_of_its_workloads_is_updated(layer: Layer) -> None:
    """An update has one pod more of each Deployment for a while."""
    hard, sizes = foundation.quota()["spec"]["hard"], {"Mi": 1, "Gi": 1024}
    runs = [obj for obj in layer.objects if obj["kind"] in ("Deployment", "StatefulSet")]
    at_once = {obj["metadata"]["name"]: obj["spec"]["replicas"] + (obj["kind"] == "Deployment") for obj in runs}
    asked = {name: sum(int(c["resources"]["requests"]["memory"][:-2]) for c in pod["containers"]) for name, pod in pods_of(layer).items()}
    assert sum(at_once.values()) <= int(hard["pods"])
    assert (
        sum(at_once[name] * each for name, each in asked.items()) <= int(hard["requests.memory"][:-2]) * sizes[hard["requests.memory"][-2:]]
    )
    balanced = [obj for obj in layer.objects if obj["kind"] == "Service" and obj["spec"].get("type") == "LoadBalancer"]
    assert len(balanced) <= int(hard["services.loadbalancers"])


def test_d_every_pod_of_the_layer_asks_for_all_the_memory_and_disk_that_it_may_take(layer: Layer) -> None:
    """A node that runs short ends first who takes more than was asked for. Disk is asked for by the namespace's defaults."""
    (bounds,) = foundation.limits()["spec"]["limits"]
    assert bounds["defaultRequest"].items() >= bounds["default"].items()
    assert set(bounds["default"]) == {"memory", "ephemeral-storage"}
    pods = list(pods_of(layer).values())
    assert [pod["tolerations"][0]["key"] for pod in pods] == ["node.kubernetes.io/memory-pressure"] * 4
    for container in (each for pod in pods for each in pod["containers"]):
        given = container["resources"]
        assert given["requests"]["memory"] == given["limits"]["memory"], container["name"]


def test_no_pod_of_the_layer_is_ended_for_being_late(layer: Layer) -> None:
    assert [late for pod in pods_of(layer).values() for container in pod["containers"] for late in hasty(container)] == []


def test_the_storage_class_keeps_its_name_whatever_stands_behind_it() -> None:
    one = foundation.storage_class(site(storage={"provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}}).storage)
    assert one["metadata"]["name"] == "std-rwo"
    assert one["provisioner"] == "ebs.csi.aws.com"
    assert one["parameters"] == {"type": "gp3"}


def test_the_digest_does_not_depend_on_the_master(layer: Layer) -> None:
    other = build_layer(site(), IMAGES, Keys("n" * 64, "n" * 64, "n" * 64))
    assert blueprint_root(layer.objects) == blueprint_root(other.objects)
    assert "m" * 64 not in str(blueprint_leaves(layer.objects))


def test_other_images_are_a_difference(layer: Layer) -> None:
    other = build_layer(site(), IMAGES | {"operator": "localhost/o:2"}, Keys("m" * 64, "m" * 64, "m" * 64))
    ours, theirs = blueprint_leaves(layer.objects), blueprint_leaves(other.objects)
    assert {path for path in ours if ours[path] != theirs[path]} == {
        "Deployment.apps/commonweal-system/commonweal-operator:spec.template.spec.containers.operator.image"
    }


sites = st.builds(
    site,
    name=st.sampled_from(["onprem", "cloud"]),
    expose=st.sampled_from(["LoadBalancer", "ClusterIP"]),
    clientCidrs=st.lists(st.sampled_from(["10.1.0.0/16", "192.168.0.0/24", "fd00::/8"]), max_size=3, unique=True),
    storage=st.fixed_dictionaries(
        {
            "provisioner": st.sampled_from(["ebs.csi.aws.com", "a.b/c"]),
            "parameters": st.dictionaries(st.sampled_from("ab"), st.text(max_size=3)),
        }
    ),
    identity=st.fixed_dictionaries(
        {"enabled": st.just(value=True), "issuer": st.sampled_from(["http://a.example", "https://b.example/x"])}
    ),
)


@given(other=sites)
@settings(max_examples=12, deadline=None)
def test_two_sites_differ_only_in_what_the_list_allows(layer: Layer, other: SiteConfig) -> None:
    ours, theirs = blueprint_leaves(layer.objects), blueprint_leaves(build_layer(other, IMAGES, Keys("x" * 64, "x" * 64, "x" * 64)).objects)
    assert {path: (ours.get(path), theirs.get(path)) for path in {*ours, *theirs} if ours.get(path) != theirs.get(path)} == {}


def test_a_chart_that_cannot_be_rendered_says_why(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: broken\nversion: 0.1.0\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.yaml").write_text('{{ required "images.operator is not set" .Values.none }}')
    with pytest.raises(ChartError, match=r"images\.operator is not set"):
        chart.render(tmp_path, {})


def test_helm_that_is_nowhere_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    with pytest.raises(ChartError, match=r"helm is neither on PATH nor in .*: build the tools"):
        chart.find_helm()


def test_a_pod_of_the_platform_is_given_its_own_secrets_and_none_of_the_master_key_or_the_authority(layer: Layer) -> None:
    pods = pods_of(layer)
    mounted = {name: sorted(s for v in pod["volumes"] for s in secrets_of(v)) for name, pod in pods.items()}
    assert mounted == {
        "commonweal-operator": [],
        "identity": ["commonweal-identity", "commonweal-identity-provider", "commonweal-identity-tls", "commonweal-people"],
        "identity-store": ["commonweal-identity-store", "commonweal-identity-store-tls"],
        "portal": ["commonweal-portal", "commonweal-portal-tls"],
    }
    for pod in pods.values():
        assert all(v["emptyDir"]["sizeLimit"] for v in pod["volumes"] if "emptyDir" in v)
        assert not pod["enableServiceLinks"]
    # The operator alone has a token: it is what it is for.
    assert [name for name, pod in pods.items() if pod["automountServiceAccountToken"]] == ["commonweal-operator"]


def test_nobody_calls_the_operator_from_the_pods_network(layer: Layer) -> None:
    (policy,) = (obj for obj in layer.objects if obj["kind"] == "NetworkPolicy" and obj["metadata"]["name"] == "commonweal-operator")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"], "also where the chart comes alone, without the stack's default-deny"
    assert "ingress" not in policy["spec"]
