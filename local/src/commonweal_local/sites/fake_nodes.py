"""The simulated nodes of a control-plane site: as many as its file says, made and taken away while it runs."""

from __future__ import annotations

from commonweal_kube.protocol import MERGE
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.site import Site
from commonweal_local.waiting import until

CAPACITY = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi"}
SECONDS = 120


def bring_to(site: Site, api: Api) -> None:
    """Make what is missing and delete what is too many, the last ones first; returns when all nodes report Ready."""
    wanted = [f"{site.name}-{number}" for number in range(site.fake_nodes)]
    for name in wanted:
        until(f"node {name}", SECONDS, lambda name=name: _make(site, api, name), every=0.3, meanwhile=Unreachable)  # type: ignore[misc]
    for node in _simulated(api):
        if node not in wanted:
            api.call("DELETE", f"/api/v1/nodes/{node}")
    until("simulated nodes", SECONDS, lambda: api.nodes_ready() and len(_simulated(api)) == len(wanted), every=0.2, meanwhile=Unreachable)


def _simulated(api: Api) -> list[str]:
    nodes = api.call("GET", "/api/v1/nodes?labelSelector=type%3Dkwok")["items"]
    return sorted((str(node["metadata"]["name"]) for node in nodes), reverse=True)


def _make(site: Site, api: Api, name: str) -> bool:
    labels = {"type": "kwok", "kubernetes.io/hostname": name, "topology.kubernetes.io/region": site.name}
    meta = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    api.apply({"apiVersion": "v1", "kind": "Node", "metadata": meta})
    capacity = {**CAPACITY, "pods": str(site.settings.kubelet.max_pods)}
    status = {"status": {"allocatable": capacity, "capacity": capacity}}
    api.call("PATCH", f"/api/v1/nodes/{name}/status", status, content=MERGE)
    return True
