"""Sites on vSphere: machines that kubeadm sets up."""

from __future__ import annotations

from commonweal_stacks.clusters.contract import UNCHECKED, Declaration, Provider
from commonweal_stacks.clusters.kubeadm import Node, node_differences, site_objects
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, block_of
from commonweal_stacks.manifests import Manifest

GROUP = "infrastructure.cluster.x-k8s.io"
API = f"{GROUP}/v1beta1"
API_PORT = 6443
NODE = Node("{{ local_hostname }}", {"cloud-provider": "external"})

DECLARATION = Declaration(
    kind="vsphere",
    summary="virtual machines of vSphere, set up by kubeadm",
    evidence="rendered",
    checked=UNCHECKED,
    provider=Provider("vsphere", "v1.15", contract="v1beta1", api={GROUP: "v1beta1"}),
    kubeadm=True,
    encrypted=True,
    infrastructure=("VSphereClusterTemplate", "VSphereMachineTemplate"),
    differences=node_differences("cloud-provider"),
    needs=(
        "the kubeadm providers v1.14.2 and the vSphere provider",
        "a Secret `identity` with the user's name and password in the fleet's namespace",
        "a load balancer, or another way, that brings `endpoint` to the machines of the control plane",
        "a virtual machine template named as the blueprint's image",
        "a network plug-in and the vSphere cloud controller on the new cluster",
    ),
)


def _machine(fleet: Fleet, part: str, name: str) -> Manifest:
    block, machine = block_of(fleet.site.vsphere), fleet.blueprint.machines[name]
    spec = {
        "cloneMode": "linkedClone",
        "server": block.server,
        "thumbprint": block.thumbprint,
        "datacenter": block.datacenter,
        "datastore": block.datastore,
        "folder": block.folder,
        "resourcePool": block.resource_pool,
        "network": {"devices": [{"networkName": block.network, "dhcp4": True}]},
        "template": fleet.blueprint.image,
        "numCPUs": machine.cpus,
        "memoryMiB": machine.memory_gib * 1024,
        "diskGiB": machine.disk_gib,
        "powerOffMode": "trySoft",
    }
    return fleet.template(API, "VSphereMachineTemplate", part, spec)


def _objects(fleet: Fleet) -> list[Manifest]:
    block = block_of(fleet.site.vsphere)
    spec = {
        "server": block.server,
        "thumbprint": block.thumbprint,
        "identityRef": {"kind": "Secret", "name": block.identity},
        "controlPlaneEndpoint": {"host": block.endpoint, "port": API_PORT},
    }
    cluster = fleet.template(API, "VSphereClusterTemplate", "network", spec)
    plane = _machine(fleet, "plane-machines", fleet.size.plane)
    worker = _machine(fleet, "worker-machines", fleet.size.worker)
    return site_objects(fleet, NODE, cluster, (plane, worker))


ADAPTER = MachineAdapter(DECLARATION, _objects)
