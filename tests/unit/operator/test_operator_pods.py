"""What a pod holds, so that whoever steals it holds no more: keys, tokens, files, ways into other pods. Each component has its row; a new one needs its own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from commonweal_api.department import DepartmentSpec
from commonweal_api.plan import FeedPeer, ModelPlan, StorePlan
from commonweal_operator.desired import NamespaceContent, department_children
from commonweal_operator.desired.platform import PlatformConfig
from support.probing import hasty
from support.site import PLATFORM

# Which files of which Secret each container is given.
MOUNTED = {
    ("store", "postgres"): {},
    ("store", "keeper"): {"commonweal-keys": {"database", "sector"}},
    ("data-api", "data-api"): {"commonweal-keys": {"database"}, "commonweal-data-api-tls": {"tls.crt", "tls.key"}},
    ("models", "models"): {
        "commonweal-models": {"password", "store.crt", "requests"},
        "commonweal-models-tls": {"tls.crt", "tls.key"},
    },
    ("volumes", "volumes"): {"commonweal-volumes-tls": {"tls.crt", "tls.key"}},
}


def pods(platform: PlatformConfig = PLATFORM, peers: list[FeedPeer] | None = None) -> dict[str, dict[str, Any]]:
    """Return the pod template of each component of a department that has all of them."""
    content = NamespaceContent(
        name="tax",
        uid="u",
        spec=DepartmentSpec.model_validate({"displayName": "Tax", "contact": "mailto:data@tax.example"}),
        store=StorePlan(department="tax", display_name="Tax", contact="mailto:data@tax.example", peers=peers or []),
        models=ModelPlan(department="tax"),
        consumers=frozenset(),
        callers=frozenset(),
        peers=frozenset(),
        claims=frozenset({"files"}),
    )
    found = [orjson.loads(made.body) for made in department_children(content, platform) if made.kind in ("Deployment", "StatefulSet")]
    return {workload["metadata"]["name"]: workload["spec"]["template"]["spec"] for workload in found}


def sources(volume: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a volume in one form, whether it is projected or not."""
    return list(volume.get("projected", {}).get("sources", [])) or [volume]


def secrets_of(pod: dict[str, Any], container: dict[str, Any]) -> dict[str, set[str]]:
    """Return the files of each Secret that a container sees; `*` stands for all that the Secret has or ever gets."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    found: dict[str, set[str]] = {}
    for part in (part for mount in container["volumeMounts"] for part in sources(volumes.get(mount["name"], {}))):
        if "secret" in part:
            name = part["secret"].get("secretName") or part["secret"]["name"]
            found.setdefault(name, set()).update({item["key"] for item in part["secret"].get("items", [])} or {"*"})
    return found


def test_a_container_sees_the_keys_that_it_needs_and_no_other() -> None:
    found = {(name, c["name"]): secrets_of(pod, c) for name, pod in pods().items() for c in pod["containers"]}
    assert found == MOUNTED


PEER = FeedPeer(name="south", url="https://south.example")
WITH_SECTOR = {
    "another site asks for what people said": (PLATFORM, [PEER]),
    "tokens carry the sources' keys": (PLATFORM.model_copy(update={"person_subject": "Source"}), []),
}


@pytest.mark.parametrize("case", WITH_SECTOR)
def test_the_data_api_is_given_what_makes_ids_only_where_it_makes_some_or_has_other_sites(case: str) -> None:
    pod = pods(*WITH_SECTOR[case])["data-api"]
    assert secrets_of(pod, pod["containers"][0])["commonweal-keys"] == {"database", "sector"}


def mounted_by(pod: dict[str, Any]) -> dict[str, list[str]]:
    """Return which containers of a pod see each of its volumes."""
    return {v["name"]: [c["name"] for c in pod["containers"] for m in c["volumeMounts"] if m["name"] == v["name"]] for v in pod["volumes"]}


@pytest.mark.parametrize("name", sorted({name for name, _ in MOUNTED}))
def test_two_containers_of_a_pod_share_no_place_to_write_but_the_socket_of_the_store(name: str) -> None:
    pod = pods()[name]
    writable = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    shared = {volume for volume, by in mounted_by(pod).items() if volume in writable and len(by) > 1}
    assert shared == ({"socket"} if name == "store" else set())
    assert not pod.get("shareProcessNamespace")
    assert all(by for by in mounted_by(pod).values()), "a volume that no container mounts is there for nothing"


@pytest.mark.parametrize("name", sorted({name for name, _ in MOUNTED}))
def test_what_a_pod_writes_outside_its_claim_is_bounded(name: str) -> None:
    empty = [volume for volume in pods()[name]["volumes"] if "emptyDir" in volume]
    assert empty
    assert all("sizeLimit" in volume["emptyDir"] for volume in empty)


@pytest.mark.parametrize("name", sorted({name for name, _ in MOUNTED}))
def test_a_pod_is_given_no_token_but_to_the_container_that_names_it(name: str) -> None:
    pod = pods()[name]
    tokens = [v["name"] for v in pod["volumes"] if any("serviceAccountToken" in part for part in sources(v))]
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    asks_the_api_server = {"store": ["keeper"], "data-api": ["data-api"], "models": ["models"], "volumes": []}[name]
    assert sorted({c for token in tokens for c in mounted_by(pod)[token]}) == asks_the_api_server
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert not any("valueFrom" in e and "secretKeyRef" in e["valueFrom"] for e in container["env"]), "a variable is inherited and shown"


def test_no_pod_is_ended_for_being_late() -> None:
    """On a busy node answers are late, and a start takes the most of all: whoever is ended for it comes back later still, until all of them only start."""
    late = [found for pod in pods().values() for container in pod["containers"] for found in hasty(container)]
    assert late == []
