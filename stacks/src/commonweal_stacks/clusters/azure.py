"""Sites on Azure: machines that kubeadm sets up."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from commonweal_stacks.clusters import kubeadm
from commonweal_stacks.clusters.contract import UNCHECKED, Declaration, Difference, Provider
from commonweal_stacks.clusters.kubeadm import Node, node_differences, site_objects
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, block_of
from commonweal_stacks.clusters.objects import WORKERS
from commonweal_stacks.manifests import Manifest

GROUP = "infrastructure.cluster.x-k8s.io"
API = f"{GROUP}/v1beta1"
MACHINES = {"standard-2": "Standard_D2s_v5", "standard-4": "Standard_D4s_v5", "standard-8": "Standard_D8s_v5"}
NODE = Node('{{ ds.meta_data["local_hostname"] }}', {"cloud-provider": "external"})
SUBNETS = ("control-plane", "node")

DECLARATION = Declaration(
    kind="azure",
    summary="machines of Azure, set up by kubeadm",
    evidence="rendered",
    checked=UNCHECKED,
    provider=Provider("azure", "v1.7", contract="v1beta1", api={GROUP: "v1beta1"}),
    kubeadm=True,
    encrypted=True,
    infrastructure=("AzureClusterTemplate", "AzureMachineTemplate"),
    differences=(
        *node_differences("cloud-provider"),
        Difference(
            "ClusterClass", "spec/patches", "the provider writes each machine template's cloud settings into a Secret named after it"
        ),
    ),
    variables=("builtin.controlPlane.machineTemplate", "builtin.machineDeployment.infrastructureRef"),
    needs=(
        "the kubeadm providers v1.14.2 and the Azure provider",
        "an AzureClusterIdentity `identity` that the fleet's namespace may use",
        "machine images in the gallery `imageGallery`, named as the blueprint's operating system, their version that of Kubernetes",
        "a network plug-in and the Azure cloud controller on the new cluster",
    ),
)


def _machine(fleet: Fleet, part: str, name: str) -> Manifest:
    block, machine = block_of(fleet.site.azure), fleet.blueprint.machines[name]
    gallery = {"gallery": block.image_gallery, "name": fleet.blueprint.system, "version": fleet.blueprint.kubernetes.removeprefix("v")}
    disk = {"osType": "Linux", "diskSizeGB": machine.disk_gib, "managedDisk": {"storageAccountType": "Premium_LRS"}}
    spec = {"vmSize": MACHINES[name], "image": {"computeGallery": gallery}, "osDisk": disk}
    return fleet.template(API, "AzureMachineTemplate", part, spec)


def _patch(name: str, target: Mapping[str, Any], path: str, content: str) -> dict[str, Any]:
    return {
        "name": name,
        "definitions": [{"selector": target, "jsonPatches": [{"op": "add", "path": path, "valueFrom": {"template": content}}]}],
    }


def _settings(role: str, template: str) -> str:
    """Return the file made of the Secret that the provider names after a machine template."""
    secret = f"{{secret: {{key: {role}-azure.json, name: '{template}-azure-json'}}}}"
    return f"{{path: /etc/kubernetes/azure.json, owner: root:root, permissions: '0600', contentFrom: {secret}}}"


def _patches() -> list[dict[str, Any]]:
    plane = {"apiVersion": kubeadm.PLANE_API, "kind": kubeadm.PLANE, "matchResources": {"controlPlane": True}}
    matched = {"machineDeploymentClass": {"names": [WORKERS]}}
    worker = {"apiVersion": kubeadm.BOOTSTRAP_API, "kind": kubeadm.BOOTSTRAP, "matchResources": matched}
    of_plane = _settings("control-plane", "{{ .builtin.controlPlane.machineTemplate.infrastructureRef.name }}")
    of_worker = _settings("worker-node", "{{ .builtin.machineDeployment.infrastructureRef.name }}")
    return [
        _patch("plane-settings", plane, "/spec/template/spec/kubeadmConfigSpec/files/-", of_plane),
        _patch("worker-settings", worker, "/spec/template/spec/files", f"[{of_worker}]"),
    ]


def _subnets(nodes: str) -> list[dict[str, Any]]:
    """Return one half of the network for each role."""
    halves = ipaddress.ip_network(nodes).subnets()
    return [{"role": role, "name": role, "cidrBlocks": [str(half)]} for role, half in zip(SUBNETS, halves, strict=True)]


def _objects(fleet: Fleet) -> list[Manifest]:
    block = block_of(fleet.site.azure)
    spec = {
        "location": block.location,
        "subscriptionID": block.subscription_id,
        "identityRef": {"apiVersion": API, "kind": "AzureClusterIdentity", "name": block.identity},
        "networkSpec": {"vnet": {"cidrBlocks": [block.nodes]}, "subnets": _subnets(block.nodes)},
    }
    cluster = fleet.template(API, "AzureClusterTemplate", "network", spec)
    plane = _machine(fleet, "plane-machines", fleet.size.plane)
    worker = _machine(fleet, "worker-machines", fleet.size.worker)
    return site_objects(fleet, NODE, cluster, (plane, worker), patches=_patches())


ADAPTER = MachineAdapter(DECLARATION, _objects)
