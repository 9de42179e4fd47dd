"""A site with a control plane of its own, from its Cluster to its end, against Cluster API's real core."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.sites import processes
from commonweal_local.sites.api import Api
from commonweal_local.sites.site import Site
from commonweal_local.waiting import until, within
from commonweal_stacks import blueprint
from commonweal_stacks import fleet_names as names
from support.local_provider import NEW, OLD, LocalFleet, cluster, site
from support.waiting import HANG

NAME = "capione"
PARTS = 5  # etcd, API server, controllers, scheduler, kwok


@pytest.fixture(scope="module")
def made(fleet: LocalFleet) -> LocalFleet:
    """The fleet with the site in it, Available."""
    fleet.declare(NAME)
    fleet.available(NAME)
    return fleet


def nodes() -> int:
    return len(Api(site(NAME)).call("GET", "/api/v1/nodes")["items"])


def parts_of(one: Site) -> dict[str, Any]:
    """The pid of each of a site's programs, and how often it was started again."""
    found: dict[str, Any] = json.loads((one.directory / "state.json").read_text())["components"]
    return found


def patch(fleet: LocalFleet, body: dict[str, Any]) -> None:
    path = fleet.api().path_of(cluster(NAME))
    fleet.api().request("PATCH", path, body, content_type="application/merge-patch+json")


def test_a_cluster_becomes_available_with_a_real_api_server_behind_it(made: LocalFleet) -> None:
    plane, place, whole = (made.object(kind, NAME) for kind in ("LocalControlPlane", "LocalCluster", "Cluster"))
    assert plane
    assert place
    assert whole
    assert plane["status"]["version"] == Api(site(NAME)).call("GET", "/version")["gitVersion"] == OLD
    assert plane["status"]["versions"] == [{"version": OLD}]
    assert plane["status"]["externalManagedControlPlane"] is True
    assert "replicas" not in plane["spec"]
    assert "replicas" not in plane["status"]
    assert plane["status"]["nodes"] == nodes() == 2
    assert plane["status"]["blueprint"] == plane["spec"]["blueprint"] == "r1"
    endpoint = place["spec"]["controlPlaneEndpoint"]
    assert whole["spec"]["controlPlaneEndpoint"] == endpoint
    assert site(NAME).server == f"https://{endpoint['host']}:{endpoint['port']}"
    network = blueprint.current().network
    assert place["status"]["network"] == {"podCIDR": network.pods, "serviceCIDR": network.services}


def test_the_kubeconfig_secret_is_of_the_contracts_shape_and_works(made: LocalFleet, tmp_path: Path) -> None:
    from commonweal_kube.cluster import Cluster

    secret, plane = made.object("Secret", names.kubeconfig_secret(NAME)), made.object("LocalControlPlane", NAME)
    assert secret
    assert plane
    assert secret["type"] == "cluster.x-k8s.io/secret"
    assert secret["metadata"]["labels"] == {"cluster.x-k8s.io/cluster-name": NAME}
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("LocalControlPlane", plane["metadata"]["uid"], True)
    assert list(secret["data"]) == ["value"]
    file = tmp_path / "kubeconfig"
    file.write_bytes(base64.b64decode(secret["data"]["value"]))
    assert Cluster.from_kubeconfig(file).url == site(NAME).server


def test_it_grows_and_shrinks_while_it_runs(made: LocalFleet) -> None:
    first = processes.first_process(site(NAME))
    for size in (4, 1):
        made.declare(NAME, nodes=size)
        until(f"{size} nodes", HANG, lambda size=size: nodes() == size)  # type: ignore[misc]
        made.becomes("LocalControlPlane", NAME, "SizeApplied", "SizeApplied")
        assert (made.object("LocalControlPlane", NAME) or {})["status"]["nodes"] == size
    assert processes.first_process(site(NAME)) == first


def test_a_killed_provider_takes_up_what_runs_and_writes_nothing(made: LocalFleet) -> None:
    made.becomes("Cluster", NAME, "TopologyReconciled", "ReconcileSucceeded")
    made.becomes_true("LocalControlPlane", NAME, "Furnished", "")
    first = processes.first_process(site(NAME))
    # A site that is slow to answer meanwhile is told of, by a provider that was killed or not: then it is tried again, as often as it was before.
    assert any(killed_in_peace(made) for _ in range(3)), "each restart wrote something"
    assert processes.first_process(site(NAME)) == first


def killed_in_peace(made: LocalFleet) -> bool:
    """Kill the provider and let another one take up what runs; whether all it says is as before."""
    before = made.settled(NAME)
    restarted(made)
    after = made.settled(NAME)
    written = {key for key, body in after.items() if body != before[key] and not has_told_more(before[key], body)}
    return not written and {key: told(body) for key, body in after.items()} == {key: told(body) for key, body in before.items()}


def has_told_more(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a condition changed in between: that a site was slow to answer on a busy machine is told, and is no write of the restart's."""
    since = [{c["type"]: c["lastTransitionTime"] for c in body.get("status", {}).get("conditions", ())} for body in (before, after)]
    return since[0] != since[1]


def told(body: dict[str, Any]) -> dict[str, Any]:
    """What the provider says of a site, without when it said so."""
    status = body.get("status", {})
    conditions = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status.get("conditions", ())]
    return {"spec": body.get("spec"), "data": body.get("data"), "status": {**status, "conditions": conditions}}


def restarted(made: LocalFleet) -> None:
    """Kill the provider, and wait until another one has gone through all there was: a change that it makes shows that."""
    os.kill(made.processes["provider"].pid, signal.SIGKILL)
    made.processes["provider"].wait(10)
    said = len(made.log())
    made.start_provider()
    until("the provider to have read everything", HANG, lambda: "synced" in made.log()[said:])
    made.declare("capitrial", version="v1.36.99")
    made.becomes("LocalCluster", "capitrial", "Ready", "VersionUnknown")
    made.delete("capitrial")


def test_paused_nothing_is_brought_back_and_then_it_comes_with_its_data(made: LocalFleet) -> None:
    Api(site(NAME)).call("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    patch(made, {"spec": {"paused": True}})
    made.becomes("LocalControlPlane", NAME, "Paused", "Paused")
    first = processes.first_process(site(NAME))
    assert first
    os.kill(first, signal.SIGKILL)
    until("it to be dead", HANG, lambda: not processes.alive(first))
    assert not within(3, lambda: processes.first_process(site(NAME)) is not None, every=0.5)
    assert made.condition("LocalControlPlane", NAME, "Available")[0] == "True", "paused, it says what it said"
    patch(made, {"spec": {"paused": False}})
    until("another first process", HANG, lambda: processes.first_process(site(NAME)) not in (None, first))
    made.becomes("LocalControlPlane", NAME, "Available", "Available")
    assert Api(site(NAME)).call("GET", "/api/v1/namespaces/kept")["metadata"]["name"] == "kept"


def test_a_class_of_another_revision_gives_its_settings_and_starts_nothing_anew_that_has_them(made: LocalFleet) -> None:
    until("all programs to run again", HANG, lambda: len(parts_of(site(NAME))) == PARTS)
    parts = parts_of(site(NAME))
    made.declare(NAME, revision="r2", nodes=1)
    made.becomes_true("LocalControlPlane", NAME, "BlueprintApplied", "of r2")
    assert (made.object("LocalControlPlane", NAME) or {})["status"]["blueprint"] == site(NAME).blueprint == "r2"
    assert parts_of(site(NAME)) == parts, "the two differ in kubelets only"
    made.available(NAME)


def test_a_new_version_rolls_through_the_programs_and_is_what_the_site_says(made: LocalFleet) -> None:
    first = processes.first_process(site(NAME))
    made.declare(NAME, NEW, revision="r3", nodes=1)
    made.runs(NAME, NEW)
    made.available(NAME)
    assert Api(site(NAME)).call("GET", "/version")["gitVersion"] == NEW
    assert processes.first_process(site(NAME)) == first
    parts = parts_of(site(NAME))
    died = [name for name, part in parts.items() if part["restarts"]]
    assert not died, {name: (site(NAME).logs / f"{name}.log").read_text().partition("--- exited")[0][-2000:] for name in died}
    running = {Path(f"/proc/{part['pid']}/exe").readlink() for part in parts.values()}
    old = Path(site(NAME).programs["kube-apiserver"]).resolve()
    assert old in running
    assert len(running) == 2, "one binary holds Kubernetes and etcd, another kwok"


def test_there_is_no_way_back_to_an_older_version(made: LocalFleet) -> None:
    from support.kube_api import Refused

    with pytest.raises(Refused, match="version cannot be decreased"):
        made.declare(NAME, OLD, nodes=1)


def test_a_site_whose_files_were_removed_comes_back_empty_under_its_address(made: LocalFleet) -> None:
    place, first = made.object("LocalCluster", NAME), processes.first_process(site(NAME))
    assert place
    shutil.rmtree(site(NAME).directory)
    until("a new site", HANG, lambda: (site_pid := _pid()) is not None and site_pid != first)
    made.becomes("LocalControlPlane", NAME, "Available", "Available")
    made.available(NAME)
    assert (made.object("LocalCluster", NAME) or {})["spec"] == place["spec"]
    found = [item["metadata"]["name"] for item in Api(site(NAME)).call("GET", "/api/v1/namespaces")["items"]]
    assert "kept" not in found


def test_a_site_whose_port_somebody_took_says_who_and_comes_back_under_its_address(made: LocalFleet) -> None:
    place, one, members = made.object("LocalCluster", NAME), site(NAME), list(processes.members(site(NAME)))
    assert place
    patch(made, {"spec": {"paused": True}})
    made.becomes("LocalControlPlane", NAME, "Paused", "Paused")
    os.kill(processes.first_process(one) or -1, signal.SIGKILL)
    until("it to be dead", 20, lambda: not any(map(processes.alive, members)))
    shutil.rmtree(one.directory)
    with socket.create_server(("127.0.0.1", one.ports.api)):
        patch(made, {"spec": {"paused": False}})
        said = made.becomes("LocalCluster", NAME, "Ready", "AddressTaken")
        assert f"(pid {os.getpid()}), which has port {one.ports.api}. End that" in said
        assert not one.directory.exists(), "it was started nowhere else"
    made.becomes("LocalControlPlane", NAME, "Available", "Available")
    made.available(NAME)
    assert (made.object("LocalCluster", NAME) or {})["spec"] == place["spec"]
    assert site(NAME).index == one.index


def test_deleting_the_cluster_leaves_nothing(made: LocalFleet, sites_home: Path) -> None:
    one = site(NAME)
    members = processes.members(one)
    assert len(members) == PARTS + 1, "and the first process"
    made.delete(NAME)
    assert not any(processes.alive(pid) for pid in members)
    assert not one.directory.exists()
    assert [entry.name for entry in (sites_home / "sites").iterdir()] == [".lock"]


def _pid() -> int | None:
    from commonweal_local.exceptions import LocalError

    try:
        return processes.first_process(site(NAME))
    except LocalError:
        return None
