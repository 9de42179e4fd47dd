"""Small sites at the edge: k3s on bare machines under Metal3. The same settings as everywhere, in k3s's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commonweal_stacks.blueprint import Blueprint, files
from commonweal_stacks.clusters import metal3
from commonweal_stacks.clusters.contract import Declaration, Difference, Provider
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, Parts, block_of, encryption_name
from commonweal_stacks.manifests import Manifest

PLANE_GROUP, BOOTSTRAP_GROUP = "controlplane.cluster.x-k8s.io", "bootstrap.cluster.x-k8s.io"
VERSION = "v1beta2"
PLANE, BOOTSTRAP = "KThreesControlPlaneTemplate", "KThreesConfigTemplate"
RELEASE = "+k3s1"
# What k3s would put on a cluster besides Kubernetes: no other kind of site has it.
DISABLED = ("local-storage", "metrics-server", "servicelb", "traefik")

DECLARATION = Declaration(
    kind="edge-k3s",
    summary="bare machines under Metal3, set up by k3s",
    evidence="rendered",
    checked="rendered, and its settings compared with those of kubeadm's kinds; against no definitions of the providers'",
    provider=Provider("k3s", "v0.2", contract="v1beta1", api={PLANE_GROUP: VERSION, BOOTSTRAP_GROUP: VERSION, **metal3.PROVIDER.api}),
    encrypted=True,
    infrastructure=(*metal3.INFRASTRUCTURE, PLANE, BOOTSTRAP),
    differences=(Difference("Cluster", "spec/topology/version", "the same version as k3s counts its builds of it"),),
    needs=(
        "the k3s providers, the Metal3 provider and its bare metal operator",
        f"BareMetalHosts with the label `{metal3.MACHINE_LABEL}`: the blueprint's name of the machine, such as standard-4",
        "the image of the operating system and its checksum in the folder `images`: `<system>.qcow2` and `<system>.qcow2.sha256sum`",
        "a load balancer, or another way, that brings `endpoint` to the machines of the control plane",
    ),
)


def _objects(fleet: Fleet) -> list[Manifest]:
    block, blueprint = block_of(fleet.site.edge_k3s), fleet.blueprint
    plane_data, plane_machine = metal3.machine(fleet, block, "plane-machines", fleet.size.plane, image=blueprint.system)
    worker_data, worker_machine = metal3.machine(fleet, block, "worker-machines", fleet.size.worker, image=blueprint.system)
    parts = Parts(
        metal3.network(fleet, block),
        _plane(fleet, block.endpoint),
        plane_machine,
        _worker(fleet),
        worker_machine,
        (plane_data, worker_data),
    )
    return fleet.objects(parts, version=f"{blueprint.kubernetes}{RELEASE}")


def _plane(fleet: Fleet, endpoint: str) -> Manifest:
    blueprint, network = fleet.blueprint, fleet.blueprint.network
    server = {
        "tlsSan": [endpoint],
        "clusterCidr": network.pods,
        "serviceCidr": network.services,
        "clusterDNS": network.dns,
        "clusterDomain": network.domain,
        "disableComponents": list(DISABLED),
        "disableCloudController": False,  # else no node ever becomes ready: there is no other cloud controller
        "kubeAPIServerArg": _arguments(files.api_server_flags(blueprint)),
        "kubeControllerManagerArgs": _arguments(files.controller_flags(blueprint)),
        "kubeSchedulerArgs": _arguments(files.scheduler_flags(blueprint)),
    }
    given = files.machine_files(blueprint, encryption_name(fleet.site))
    spec = {"files": given, "preK3sCommands": [f"mkdir -p {files.LOGS}"], "serverConfig": server, "agentConfig": _agent(blueprint)}
    return fleet.template(f"{PLANE_GROUP}/{VERSION}", PLANE, "plane", {"kthreesConfigSpec": spec})


def _worker(fleet: Fleet) -> Manifest:
    return fleet.template(f"{BOOTSTRAP_GROUP}/{VERSION}", BOOTSTRAP, "workers", {"agentConfig": _agent(fleet.blueprint)})


def _agent(blueprint: Blueprint) -> dict[str, Any]:
    flags = {**files.kubelet_flags(blueprint), "provider-id": metal3.PROVIDER_ID}
    return {"nodeName": metal3.NODE_NAME, "kubeletArgs": _arguments(flags)}


def _arguments(flags: Mapping[str, str]) -> list[str]:
    return [f"{name}={flags[name]}" for name in sorted(flags)]


ADAPTER = MachineAdapter(DECLARATION, _objects)
