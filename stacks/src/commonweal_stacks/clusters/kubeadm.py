"""What kubeadm sets up on machines, the same for every provider that gives them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import Blueprint, files
from commonweal_stacks.clusters.contract import Difference
from commonweal_stacks.clusters.machines import Fleet, Parts, encryption_name
from commonweal_stacks.manifests import Manifest

PLANE_API = f"controlplane.cluster.x-k8s.io/{names.VERSION}"
BOOTSTRAP_API = f"bootstrap.cluster.x-k8s.io/{names.VERSION}"
PLANE, BOOTSTRAP = "KubeadmControlPlaneTemplate", "KubeadmConfigTemplate"
OF_PLANE, OF_WORKER = "spec/template/spec/kubeadmConfigSpec", "spec/template/spec"
REGISTRATIONS = (
    (PLANE, f"{OF_PLANE}/initConfiguration/nodeRegistration"),
    (PLANE, f"{OF_PLANE}/joinConfiguration/nodeRegistration"),
    (BOOTSTRAP, f"{OF_WORKER}/joinConfiguration/nodeRegistration"),
)


def _two_sites() -> tuple[Difference, ...]:
    """Return the places that differ between any two sites, of one kind or of two, because they are two."""
    labels = ("commonweal.dev~1kind", "commonweal.dev~1site")
    refers = (
        ("ClusterClass", "spec/infrastructure/templateRef"),
        ("ClusterClass", "spec/controlPlane/templateRef"),
        ("ClusterClass", "spec/controlPlane/machineInfrastructure/templateRef"),
        ("ClusterClass", "spec/workers/machineDeployments/*/bootstrap/templateRef"),
        ("ClusterClass", "spec/workers/machineDeployments/*/infrastructure/templateRef"),
        ("Cluster", "spec/topology/classRef/name"),
    )
    return (
        Difference("*", "metadata/name", "objects of one namespace have names of their own"),
        *(Difference("*", f"metadata/labels/{label}", "says which site and kind it belongs to") for label in labels),
        *(Difference(kind, path, "the site's own templates") for kind, path in refers),
    )


SHARED: tuple[Difference, ...] = (
    *_two_sites(),
    Difference(PLANE, f"{OF_PLANE}/files/~1etc~1commonweal~1encryption.yaml/contentFrom/secret/name", "each site has a key of its own"),
)


def node_differences(*flags: str) -> tuple[Difference, ...]:
    """Return the places where a provider's nodes get their name, and these flags of the kubelet."""
    name = "how the provider tells a machine its name"
    flag = "how nodes and machines of the provider find each other"
    return (
        *(Difference(kind, f"{path}/name", name) for kind, path in REGISTRATIONS),
        *(Difference(kind, f"{path}/kubeletExtraArgs/{each}", flag) for each in flags for kind, path in REGISTRATIONS),
    )


@dataclass(frozen=True)
class Node:
    """What a provider's machines need to become nodes: the name (a template of cloud-init) and flags of the kubelet."""

    name: str
    flags: Mapping[str, str] = field(default_factory=dict)


def plane(fleet: Fleet, node: Node) -> Manifest:
    """Return the template of the control plane."""
    blueprint, secret = fleet.blueprint, encryption_name(fleet.site)
    registration = _registration(blueprint, node)
    spec = {
        "clusterConfiguration": _cluster_configuration(blueprint),
        "files": files.machine_files(blueprint, secret),
        "initConfiguration": {"nodeRegistration": registration},
        "joinConfiguration": {"nodeRegistration": registration},
    }
    return fleet.template(PLANE_API, PLANE, "plane", {"kubeadmConfigSpec": spec})


def worker(fleet: Fleet, node: Node) -> Manifest:
    """Return the template of a worker's set-up."""
    spec = {"joinConfiguration": {"nodeRegistration": _registration(fleet.blueprint, node)}}
    return fleet.template(BOOTSTRAP_API, BOOTSTRAP, "workers", spec)


def site_objects(
    fleet: Fleet,
    node: Node,
    cluster: Manifest,
    machines: tuple[Manifest, Manifest],
    *,
    more: Sequence[Manifest] = (),
    patches: Sequence[Mapping[str, Any]] = (),
) -> list[Manifest]:
    """Return the objects of a site. `machines` are the templates of the control plane's machines and of the workers'."""
    parts = Parts(cluster, plane(fleet, node), machines[0], worker(fleet, node), machines[1], tuple(more))
    return fleet.objects(parts, patches=patches)


def _registration(blueprint: Blueprint, node: Node) -> dict[str, Any]:
    return {"name": node.name, "kubeletExtraArgs": _arguments({**files.kubelet_flags(blueprint), **node.flags})}


def _cluster_configuration(blueprint: Blueprint) -> dict[str, Any]:
    volumes = [
        {"name": "commonweal", "hostPath": files.DIRECTORY, "mountPath": files.DIRECTORY, "readOnly": True, "pathType": "Directory"},
        {"name": "audit", "hostPath": files.LOGS, "mountPath": files.LOGS, "readOnly": False, "pathType": "DirectoryOrCreate"},
    ]
    return {
        "apiServer": {"extraArgs": _arguments(files.api_server_flags(blueprint)), "extraVolumes": volumes},
        "controllerManager": {"extraArgs": _arguments(files.controller_flags(blueprint))},
        "scheduler": {"extraArgs": _arguments(files.scheduler_flags(blueprint))},
    }


def _arguments(flags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": flags[name]} for name in sorted(flags)]
