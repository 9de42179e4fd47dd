"""Sites of bare machines that Metal3 powers on and writes: set up by kubeadm."""

from __future__ import annotations

from typing import Any

from commonweal_stacks.clusters.contract import UNCHECKED, Declaration, Provider
from commonweal_stacks.clusters.kubeadm import Node, node_differences, site_objects
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, block_of
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site_kinds import BareMetal

GROUP = "infrastructure.cluster.x-k8s.io"
API = f"{GROUP}/v1beta1"
API_PORT = 6443
MACHINE_LABEL = "commonweal.dev/machine"
NODE_NAME = "{{ ds.meta_data.local_hostname }}"
PROVIDER_ID = "metal3://{{ ds.meta_data.providerid }}"
NODE = Node(NODE_NAME, {"provider-id": PROVIDER_ID})
INFRASTRUCTURE = ("Metal3ClusterTemplate", "Metal3MachineTemplate", "Metal3DataTemplate")
PROVIDER = Provider("metal3", "v1.8", contract="v1beta1", api={GROUP: "v1beta1"})

DECLARATION = Declaration(
    kind="metal3",
    summary="bare machines under Metal3, set up by kubeadm",
    evidence="rendered",
    checked=UNCHECKED,
    provider=PROVIDER,
    kubeadm=True,
    encrypted=True,
    infrastructure=INFRASTRUCTURE,
    differences=node_differences("cloud-provider", "provider-id"),
    needs=(
        "the kubeadm providers v1.14.2, the Metal3 provider and its bare metal operator",
        f"BareMetalHosts with the label `{MACHINE_LABEL}`: the blueprint's name of the machine, such as standard-4",
        "the machine image and its checksum in the folder `images`: `<image>.qcow2` and `<image>.qcow2.sha256sum`",
        "a load balancer, or another way, that brings `endpoint` to the machines of the control plane",
        "a network plug-in on the new cluster",
    ),
)


def network(fleet: Fleet, block: BareMetal) -> Manifest:
    """Return the template of the site's endpoint."""
    spec = {"controlPlaneEndpoint": {"host": block.endpoint, "port": API_PORT}, "cloudProviderEnabled": False}
    return fleet.template(API, "Metal3ClusterTemplate", "network", spec)


def machine(fleet: Fleet, block: BareMetal, part: str, name: str, *, image: str) -> tuple[Manifest, Manifest]:
    """Return what a machine is told of itself, and the template of the machine; they go by their size's label."""
    keys = ("name", "local-hostname", "local_hostname")
    told = {"clusterName": fleet.site.name, "metaData": {"objectNames": [{"key": key, "object": "machine"} for key in keys]}}
    data = fleet.object(API, "Metal3DataTemplate", f"{part}-data", told)
    file = f"{block.images}/{image}.qcow2"
    spec: dict[str, Any] = {
        "automatedCleaningMode": "metadata",
        "dataTemplate": {"name": data["metadata"]["name"]},
        "hostSelector": {"matchLabels": {MACHINE_LABEL: name}},
        "image": {"url": file, "checksum": f"{file}.sha256sum", "checksumType": "sha256", "format": "qcow2"},
    }
    return data, fleet.template(API, "Metal3MachineTemplate", part, spec)


def _objects(fleet: Fleet) -> list[Manifest]:
    block, image = block_of(fleet.site.metal3), fleet.blueprint.image
    plane_data, plane = machine(fleet, block, "plane-machines", fleet.size.plane, image=image)
    worker_data, worker = machine(fleet, block, "worker-machines", fleet.size.worker, image=image)
    return site_objects(fleet, NODE, network(fleet, block), (plane, worker), more=(plane_data, worker_data))


ADAPTER = MachineAdapter(DECLARATION, _objects)
