"""The contract that every kind of site keeps: whatever makes its machines, the cluster is the blueprint's.

`COMMONWEAL_GOLDEN=write` writes the rendered objects anew; read the difference before you commit it.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from commonweal_api.signatures import canonical
from commonweal_stacks import clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import REVISIONS, current, files, revision
from commonweal_stacks.clusters import ADAPTERS, Declaration, adapter_of, objects, reference
from commonweal_stacks.conformity.comparison import Rendered, unlike, used
from commonweal_stacks.manifests import LABELS, Manifest, key_of
from commonweal_stacks.site_kinds import Kind
from support.sites import KUBEADM, MACHINES, name_of, site

KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES = ("small", "medium", "large")
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "site-kinds"


class Readable(yaml.SafeDumper):
    """No anchors: what is written out twice can be read twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def rendered(kind: Kind, blueprint: str = current().revision, **changes: Any) -> list[Manifest]:
    """Return all objects of the site of a kind, those that all sites of the kind share first."""
    chosen = revision(blueprint)
    return [*clusters.class_objects(kind, chosen), *clusters.site_objects(site(kind, blueprint=blueprint, **changes), chosen)]


def of_kind(made: list[Manifest], kind: str) -> Manifest:
    found = [each for each in made if each["kind"] == kind]
    assert len(found) == 1
    return found[0]


def pair(kind: Kind, **changes: Any) -> Rendered:
    return adapter_of(kind).declaration, rendered(kind, **changes)


def test_every_kind_has_an_adapter_that_says_what_it_is() -> None:
    assert set(ADAPTERS) == set(KINDS)
    for kind, adapter in ADAPTERS.items():
        declaration: Declaration = adapter.declaration
        assert declaration.kind == kind
        assert declaration.kubeadm is (kind in KUBEADM)
        assert declaration.encrypted is (kind in MACHINES)
        assert (declaration.provider is None) is (kind == "adopted")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blueprint", REVISIONS)
def test_objects_are_ours_named_and_in_order(kind: Kind, size: str, blueprint: str) -> None:
    made = rendered(kind, blueprint, size=size)

    assert bool(made) is (kind != "adopted")
    assert max(Counter(map(key_of, made)).values(), default=1) == 1
    for each in made:
        metadata = each["metadata"]
        assert metadata["namespace"] == names.FLEET
        assert metadata["name"] == metadata["name"].lower()
        assert len(metadata["name"]) <= 63
        assert "generateName" not in metadata
        assert metadata["labels"].items() >= LABELS.items()
        assert metadata["labels"][objects.KIND_LABEL] == kind
        assert metadata["labels"][objects.BLUEPRINT_LABEL] == blueprint
    assert [each["kind"] for each in made if each["kind"] in {"Cluster", "ClusterClass"}] == (["ClusterClass", "Cluster"] if made else [])
    assert not made or made[-1]["kind"] == "Cluster"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "adopted"])
def test_a_cluster_is_the_sites_and_the_blueprints(kind: Kind) -> None:
    for blueprint, size in itertools.product(REVISIONS.values(), SIZES):
        cluster = rendered(kind, blueprint.revision, size=size)[-1]
        topology, expected = cluster["spec"]["topology"], blueprint.sizes[size]  # type: ignore[index]
        assert cluster["metadata"]["name"] == name_of(kind)
        assert cluster["metadata"]["labels"][objects.SITE_LABEL] == name_of(kind)
        assert topology["version"].partition("+")[0] == blueprint.kubernetes
        if kind == "local":
            assert {"name": "nodes", "value": expected.workers} in topology["variables"]
        else:
            assert topology["controlPlane"]["replicas"] == expected.planes
            assert [each["replicas"] for each in topology["workers"]["machineDeployments"]] == [expected.workers]
        assert cluster["spec"]["clusterNetwork"]["pods"]["cidrBlocks"] == [blueprint.network.pods]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "adopted"])
def test_every_reference_of_a_class_leads_to_an_object_before_it(kind: Kind) -> None:
    made = rendered(kind)
    known = {(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in made if each["kind"] != "Cluster"}

    found = list(references(of_kind(made, "ClusterClass")))

    assert len(found) == (2 if kind == "local" else 5)
    assert {tuple(each[key] for key in ("apiVersion", "kind", "name")) for each in found} <= known
    assert made[-1]["spec"]["topology"]["classRef"]["name"] == of_kind(made, "ClusterClass")["metadata"]["name"]


def references(value: Any) -> Any:
    if isinstance(value, dict):
        if "templateRef" in value:
            yield value["templateRef"]
        yield from itertools.chain.from_iterable(references(item) for item in value.values())
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(references(item) for item in value)


@pytest.mark.parametrize("kind", MACHINES)
def test_a_template_is_never_edited_in_place(kind: Kind) -> None:
    """Its spec is immutable: with another spec it has another name. The class, which is not, keeps its name."""
    for one, other in itertools.combinations([{"size": size, "blueprint": name} for size in SIZES for name in REVISIONS], 2):
        before = {key_of(each): each["spec"] for each in rendered(kind, **one)[:-2]}
        after = {key_of(each): each["spec"] for each in rendered(kind, **other)[:-2]}
        for key in before.keys() & after.keys():
            assert canonical(before[key]) == canonical(after[key])
    small, large = (of_kind(rendered(kind, size=size), "ClusterClass") for size in ("small", "large"))
    assert small["metadata"] == large["metadata"]
    assert small["spec"] != large["spec"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_provider_shows_only_where_the_adapter_says(kind: Kind) -> None:
    """Its API groups are those that are declared, and its kinds those that are named as infrastructure."""
    declaration = adapter_of(kind).declaration
    api = dict(declaration.provider.api) if declaration.provider else {}
    for each in rendered(kind):
        group, _, version = each["apiVersion"].partition("/")
        if each["kind"] in declaration.infrastructure:
            assert api[group] == version
        else:
            assert group.endswith(names.GROUP)
            assert version == names.VERSION


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(KUBEADM, 2)))
@pytest.mark.parametrize("blueprint", REVISIONS)
def test_sites_of_two_kinds_differ_only_where_it_is_declared(one: Kind, other: Kind, blueprint: str) -> None:
    assert unlike(pair(one, blueprint=blueprint, size="large"), pair(other, blueprint=blueprint, size="large")) == []


@given(
    kinds=st.tuples(st.sampled_from(KUBEADM), st.sampled_from(KUBEADM)),
    site_names=st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True), min_size=2, max_size=2, unique=True),
    size=st.sampled_from(SIZES),
    blueprint=st.sampled_from(list(REVISIONS)),
)
@settings(max_examples=40, deadline=None)
def test_so_do_sites_of_any_names_and_of_one_kind(kinds: tuple[Kind, Kind], site_names: list[str], size: str, blueprint: str) -> None:
    one, other = (pair(kind, name=name, size=size, blueprint=blueprint) for kind, name in zip(kinds, site_names, strict=True))
    assert unlike(one, other) == []


@pytest.mark.parametrize("kind", KUBEADM)
def test_no_difference_is_declared_that_is_none(kind: Kind) -> None:
    others = [pair(other) for other in KUBEADM if other != kind]
    assert set().union(*(used(pair(kind), other) for other in others)) == set(adapter_of(kind).declaration.differences)


def test_a_difference_that_nobody_declared_is_found() -> None:
    one, other = pair("aws"), pair("gcp")
    plane = of_kind(list(other[1]), "KubeadmControlPlaneTemplate")["spec"]["template"]["spec"]["kubeadmConfigSpec"]
    plane["clusterConfiguration"]["apiServer"]["extraArgs"].append({"name": "anonymous-auth", "value": "true"})
    plane["files"][0]["content"] = "{}"

    arguments = "spec/template/spec/kubeadmConfigSpec/clusterConfiguration/apiServer/extraArgs/anonymous-auth"
    assert unlike(one, other) == [
        f"KubeadmControlPlaneTemplate:{arguments}/name",
        f"KubeadmControlPlaneTemplate:{arguments}/value",
        "KubeadmControlPlaneTemplate:spec/template/spec/kubeadmConfigSpec/files//etc/commonweal/audit.yaml/content",
    ]


@pytest.mark.parametrize("blueprint", REVISIONS)
def test_k3s_is_told_what_kubeadm_is_told(blueprint: str) -> None:
    edge, cloud = rendered("edge-k3s", blueprint), rendered("aws", blueprint)
    k3s = of_kind(edge, "KThreesControlPlaneTemplate")["spec"]["template"]["spec"]["kthreesConfigSpec"]
    kubeadm = of_kind(cloud, "KubeadmControlPlaneTemplate")["spec"]["template"]["spec"]["kubeadmConfigSpec"]
    configuration, server = kubeadm["clusterConfiguration"], k3s["serverConfig"]

    for part, arguments in (
        ("apiServer", "kubeAPIServerArg"),
        ("controllerManager", "kubeControllerManagerArgs"),
        ("scheduler", "kubeSchedulerArgs"),
    ):
        assert server[arguments] == [f"{each['name']}={each['value']}" for each in configuration[part]["extraArgs"]]
    kubelet = {f"{each['name']}={each['value']}" for each in kubeadm["initConfiguration"]["nodeRegistration"]["kubeletExtraArgs"]}
    assert kubelet ^ set(k3s["agentConfig"]["kubeletArgs"]) == {
        "cloud-provider=external",
        "provider-id=metal3://{{ ds.meta_data.providerid }}",
    }
    assert [{**each, "contentFrom": ...} for each in k3s["files"]] == [{**each, "contentFrom": ...} for each in kubeadm["files"]]
    assert (server["clusterCidr"], server["serviceCidr"]) == (revision(blueprint).network.pods, revision(blueprint).network.services)


@pytest.mark.parametrize("blueprint", REVISIONS)
def test_a_local_site_is_told_its_revision_and_finds_the_rest_there(blueprint: str) -> None:
    plane = of_kind(rendered("local", blueprint), "LocalControlPlaneTemplate")
    assert plane["spec"]["template"]["spec"] == {"blueprint": blueprint}


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_of_encryption_is_in_the_secret_that_the_machines_read_and_nowhere_else(kind: Kind) -> None:
    key = "5e" * 32
    made = clusters.secret_objects(site(kind), current(), files.encryption(current(), key))

    assert len(made) == (1 if kind in MACHINES else 0)
    for secret in made:
        assert "Xl5eXl5e" in secret["stringData"][files.ENCRYPTION_KEY]
        assert secret["metadata"]["namespace"] == names.FLEET
        assert f'"name": "{secret["metadata"]["name"]}"' in json.dumps(rendered(kind))
    assert "Xl5eXl5e" not in json.dumps(rendered(kind))


def test_an_adopted_sites_kubeconfig_has_the_shape_that_the_fleets_tools_read() -> None:
    assert clusters.kubeconfig_secret("site-adopted", "kind: Config\n") == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "cluster.x-k8s.io/secret",
        "metadata": {
            "name": "site-adopted-kubeconfig",
            "namespace": names.FLEET,
            "labels": {**LABELS, "cluster.x-k8s.io/cluster-name": "site-adopted"},
        },
        "data": {"value": "a2luZDogQ29uZmlnCg=="},
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "adopted"])
def test_rendering_is_as_reviewed_and_survives_yaml(kind: Kind) -> None:
    made = rendered(kind)
    text = yaml.dump_all(made, Dumper=Readable, sort_keys=False, width=140)
    file = GOLDEN / f"{kind}.yaml"
    if os.environ.get("COMMONWEAL_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert list(yaml.safe_load_all(text)) == made
    assert file.read_text() == text, f"{file.name} is another; COMMONWEAL_GOLDEN=write writes it again"


def test_the_page_of_kinds_says_what_the_adapters_say() -> None:
    assert reference.main(["--check"]) == 0, "run `python -m commonweal_stacks.clusters.reference`"
