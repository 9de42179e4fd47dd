"""What a real API server with the providers' real definitions, and the real Cluster API, make of the rendered objects. No cloud is called."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from commonweal_stacks import clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import current, refusal_of, revision
from commonweal_stacks.clusters import adapter_of, local
from commonweal_stacks.management.upstream import UPSTREAM
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site_kinds import Kind
from support.cluster_api import ClusterApi, labels
from support.kube_api import MERGE, Refused
from support.sites import MACHINES, site
from support.waiting import wait_for

REAL: tuple[Kind, ...] = ("aws", "gcp")
NONSENSE = {"noSuchField": "x"}
CORE = f"{names.GROUP}/{names.VERSION}"


def rendered(kind: Kind, name: str, blueprint: str = current().revision, **changes: Any) -> list[Manifest]:
    chosen = revision(blueprint)
    shared = clusters.class_objects(kind, chosen)
    return [*shared, *clusters.site_objects(site(kind, name=name, blueprint=blueprint, **changes), chosen)]


def with_nonsense(obj: Manifest) -> Manifest:
    """Return the object with a field that nobody knows, at the place where an adapter writes its own."""
    wrong = copy.deepcopy(obj)
    spec = wrong["spec"]
    inner = spec.get("template", {}).get("spec") if "template" in spec else spec.get("topology", spec)
    inner.update(NONSENSE)
    return wrong


@pytest.mark.parametrize("kind", REAL)
def test_the_contract_is_the_one_on_the_definitions_label(kind: Kind) -> None:
    provider = adapter_of(kind).declaration.provider
    assert provider
    assert provider.version == UPSTREAM[provider.upstream].version
    spoken = labels(provider.upstream)[f"{names.GROUP}/{provider.contract}"].split("_")
    assert set(provider.api.values()) <= set(spoken)
    newer = {"v1beta1": f"{names.GROUP}/v1beta2", "v1beta2": f"{names.GROUP}/v1beta3"}[provider.contract]
    assert newer not in labels(provider.upstream), "the provider speaks a newer contract; say so in its adapter"


@pytest.mark.parametrize("blueprint", ["r1", "r2", "r3", "r4", "r5"])
@pytest.mark.parametrize("kind", REAL)
def test_every_object_passes_the_real_definitions_and_none_does_with_a_wrong_field(
    management: ClusterApi, kind: Kind, blueprint: str
) -> None:
    made = [each for each in rendered(kind, f"check-{kind}", blueprint, size="large") if each["kind"] != "Cluster"]
    for each in made:
        assert management.dry_run(each) == ""
        assert "noSuchField" in management.dry_run(with_nonsense(each)), each["kind"]
    assert {each["kind"] for each in made} >= set(adapter_of(kind).declaration.infrastructure)


@pytest.mark.parametrize("kind", REAL)
def test_optional_addresses_pass_too(management: ClusterApi, kind: Kind) -> None:
    blocks: dict[str, dict[str, Any]] = {
        "aws": {"region": "us-gov-west-1", "nodes": "172.16.0.0/16"},
        "gcp": {"project": "other-project", "region": "us-east1", "nodes": "172.16.0.0/20", "imageProject": "images-project"},
    }
    for each in rendered(kind, f"other-{kind}", current().revision, **{str(kind): blocks[kind]})[:-1]:
        assert management.dry_run(each) == ""


@pytest.mark.parametrize("kind", [*MACHINES, "local"])
def test_cluster_api_expands_a_cluster_of_each_class(management: ClusterApi, kind: Kind) -> None:
    """For aws and gcp what it makes passes the providers' real definitions. The others' definitions are open; local's are our own."""
    name = f"made-{kind}"
    made = rendered(kind, name)
    management.create(made)

    cluster = wait_for(f"{name} to be expanded", lambda: reconciled(management, name))

    infrastructure, plane = cluster["spec"]["infrastructureRef"], cluster["spec"]["controlPlaneRef"]
    assert (infrastructure["name"], plane["name"]) == (name, name)
    api = {each["kind"]: each["apiVersion"] for each in made}
    found = management.found(api[f"{plane['kind']}Template"], plane["kind"], name)
    assert found
    assert found["spec"]["version"] == made[-1]["spec"]["topology"]["version"]
    if kind == "local":
        assert found["spec"] == {"version": current().kubernetes, "nodes": 2, "mode": "ControlPlane", "blueprint": current().revision}
    else:
        workers = management.found(CORE, "MachineDeployment", f"{name}-workers")
        assert workers
        assert (found["spec"]["replicas"], workers["spec"]["replicas"]) == (1, 2)
    if kind == "azure":
        check_azure_settings(management, found, workers)  # type: ignore[arg-type]


def check_azure_settings(management: ClusterApi, plane: Manifest, workers: Manifest) -> None:
    """The patches name the Secrets that the provider makes for the machine templates that Cluster API has made."""
    machines = plane["spec"]["machineTemplate"]["spec"]["infrastructureRef"]["name"]
    assert plane["spec"]["kubeadmConfigSpec"]["files"][-1]["contentFrom"]["secret"]["name"] == f"{machines}-azure-json"
    template = workers["spec"]["template"]["spec"]
    bootstrap = template["bootstrap"]["configRef"]
    config = management.found("bootstrap.cluster.x-k8s.io/v1beta2", "KubeadmConfigTemplate", bootstrap["name"])
    assert config
    secrets = [file["contentFrom"]["secret"]["name"] for file in config["spec"]["template"]["spec"]["files"]]
    assert secrets == [f"{template['infrastructureRef']['name']}-azure-json"]


def reconciled(management: ClusterApi, name: str) -> Manifest | None:
    cluster = management.found(CORE, "Cluster", name)
    conditions = (cluster or {}).get("status", {}).get("conditions", [])
    state = {each["type"]: each for each in conditions}.get("TopologyReconciled", {})
    # Before core has looked at a class it says so; any other failure will not go away by itself.
    assert state.get("reason") != "ReconcileFailed" or "not successfully reconciled" in state["message"], state
    return cluster if state.get("status") == "True" else None


@pytest.mark.parametrize(
    ("before", "after"), [("r1", "r2"), ("r2", "r1"), ("r2", "r3"), ("r3", "r2"), ("r3", "r1"), ("r2", "r4"), ("r4", "r5"), ("r5", "r4")]
)
def test_a_revision_is_refused_in_preview_exactly_when_cluster_api_refuses_it(management: ClusterApi, before: str, after: str) -> None:
    name = f"goes-{before}-{after}"
    for blueprint in (before, after):
        for each in clusters.class_objects("local", revision(blueprint)):
            management.apply(each)
    management.create(rendered("local", name, before)[-1:])
    wait_for(f"{name} to be expanded", lambda: reconciled(management, name))
    report_running(management, name, revision(before).kubernetes)
    change = {"spec": {"topology": rendered("local", name, after)[-1]["spec"]["topology"]}}

    ours = refusal_of(revision(before).kubernetes, revision(after))
    theirs = wait_for(f"the class of {after} to be known", lambda: answer(management, name, change))

    assert bool(ours) is ("version cannot be decreased" in theirs)
    assert bool(ours) is bool(theirs)


def report_running(management: ClusterApi, name: str, version: str) -> None:
    """Say of a site's control plane what its provider would: core lets no version change before the first is there."""
    api = management.api()
    path = api.path_of({"apiVersion": local.API, "kind": "LocalControlPlane", "metadata": {"name": name, "namespace": names.FLEET}})
    status = {"initialization": {"controlPlaneInitialized": True}, "version": version, "externalManagedControlPlane": True}
    api.request("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)


def answer(management: ClusterApi, name: str, change: Any) -> str | None:
    """Return why a change of a Cluster is refused, empty when it is not, None while core has not looked at the new class."""
    api = management.api()
    path = api.path_of({"apiVersion": CORE, "kind": "Cluster", "metadata": {"name": name, "namespace": names.FLEET}})
    try:
        api.request("PATCH", path, change, content_type=MERGE, dryRun="All")
    except Refused as refused:
        return None if "successfully reconciled" in refused.message else refused.message
    return ""
