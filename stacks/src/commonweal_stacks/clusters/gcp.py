"""Sites on Google Cloud: machines that kubeadm sets up."""

from __future__ import annotations

from typing import Any

from commonweal_stacks.clusters.contract import EXPANDED, Declaration, Provider
from commonweal_stacks.clusters.kubeadm import Node, node_differences, site_objects
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, block_of
from commonweal_stacks.manifests import Manifest

GROUP = "infrastructure.cluster.x-k8s.io"
API = f"{GROUP}/v1beta1"
MACHINES = {"standard-2": "n2-standard-2", "standard-4": "n2-standard-4", "standard-8": "n2-standard-8"}
NODE = Node('{{ ds.meta_data.local_hostname.split(".")[0] }}', {"cloud-provider": "external"})

DECLARATION = Declaration(
    kind="gcp",
    summary="machines of Google Cloud, set up by kubeadm",
    evidence="expanded",
    checked=EXPANDED,
    provider=Provider("gcp", "v1.13.1", contract="v1beta1", api={GROUP: "v1beta1"}, upstream="gcp"),
    kubeadm=True,
    encrypted=True,
    infrastructure=("GCPClusterTemplate", "GCPMachineTemplate"),
    differences=node_differences("cloud-provider"),
    needs=(
        "the kubeadm providers v1.14.2 and the Google Cloud provider, with credentials for the project",
        "machine images named after the blueprint's image in `imageProject` (dots as dashes)",
        "a network plug-in and the Google cloud controller on the new cluster",
    ),
)


def _machine(fleet: Fleet, part: str, name: str) -> Manifest:
    block, machine = block_of(fleet.site.gcp), fleet.blueprint.machines[name]
    image = fleet.blueprint.image.replace(".", "-")
    spec: dict[str, Any] = {
        "instanceType": MACHINES[name],
        "image": f"projects/{block.image_project or block.project}/global/images/{image}",
        "rootDeviceSize": machine.disk_gib,
        "rootDeviceType": "pd-balanced",
        "shieldedInstanceConfig": {
            "secureBoot": "Enabled",
            "virtualizedTrustedPlatformModule": "Enabled",
            "integrityMonitoring": "Enabled",
        },
        "subnet": fleet.site.name,
    }
    return fleet.template(API, "GCPMachineTemplate", part, spec)


def _objects(fleet: Fleet) -> list[Manifest]:
    block, name = block_of(fleet.site.gcp), fleet.site.name
    subnet = {"name": name, "region": block.region, "cidrBlock": block.nodes, "purpose": "PRIVATE"}
    network = {"name": name, "autoCreateSubnetworks": False, "subnets": [subnet]}
    cluster = fleet.template(API, "GCPClusterTemplate", "network", {"project": block.project, "region": block.region, "network": network})
    plane = _machine(fleet, "plane-machines", fleet.size.plane)
    worker = _machine(fleet, "worker-machines", fleet.size.worker)
    return site_objects(fleet, NODE, cluster, (plane, worker))


ADAPTER = MachineAdapter(DECLARATION, _objects)
