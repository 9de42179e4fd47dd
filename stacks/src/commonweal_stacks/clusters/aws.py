"""Sites on Amazon Web Services: machines that kubeadm sets up.

Not the provider's managed control plane: that one decides by itself about admission plug-ins, audit, encryption and versions, and no two
clouds decide alike. The same holds for the other clouds.
"""

from __future__ import annotations

from typing import Any

from commonweal_stacks.clusters.contract import EXPANDED, Declaration, Provider
from commonweal_stacks.clusters.kubeadm import Node, node_differences, site_objects
from commonweal_stacks.clusters.machines import Fleet, MachineAdapter, block_of
from commonweal_stacks.manifests import Manifest

GROUP = "infrastructure.cluster.x-k8s.io"
API = f"{GROUP}/v1beta2"
MACHINES = {"standard-2": "m6i.large", "standard-4": "m6i.xlarge", "standard-8": "m6i.2xlarge"}
PROFILES = "cluster-api-provider-aws.sigs.k8s.io"
NODE = Node("{{ ds.meta_data.local_hostname }}", {"cloud-provider": "external"})

DECLARATION = Declaration(
    kind="aws",
    summary="machines of Amazon Web Services, set up by kubeadm",
    evidence="expanded",
    checked=EXPANDED,
    provider=Provider("aws", "v2.13.0", contract="v1beta1", api={GROUP: "v1beta2"}, upstream="aws"),
    kubeadm=True,
    encrypted=True,
    infrastructure=("AWSClusterTemplate", "AWSMachineTemplate"),
    differences=node_differences("cloud-provider"),
    needs=(
        "the kubeadm providers v1.14.2 and the AWS provider, with credentials for the account",
        "the provider's instance profiles in the account (`clusterawsadm bootstrap iam create-cloudformation-stack`)",
        "machine images named after the blueprint's image in `imageAccount`, or the community's",
        "a network plug-in and the AWS cloud controller on the new cluster",
    ),
)


def _machine(fleet: Fleet, part: str, name: str, profile: str) -> Manifest:
    block, machine = block_of(fleet.site.aws), fleet.blueprint.machines[name]
    spec: dict[str, Any] = {
        "instanceType": MACHINES[name],
        "iamInstanceProfile": f"{profile}.{PROFILES}",
        "imageLookupBaseOS": "ubuntu-24.04",
        "instanceMetadataOptions": {"httpTokens": "required"},
        "rootVolume": {"size": machine.disk_gib, "type": "gp3", "encrypted": True},
        "sshKeyName": block.ssh_key_name or "",  # left out, it would stand for a key called `default`
    }
    if block.image_account:
        spec |= {"imageLookupOrg": block.image_account, "imageLookupFormat": f"{fleet.blueprint.image}-*"}
    return fleet.template(API, "AWSMachineTemplate", part, spec)


def _objects(fleet: Fleet) -> list[Manifest]:
    block = block_of(fleet.site.aws)
    network = {"vpc": {"cidrBlock": block.nodes}}
    balancer = {"loadBalancerType": "nlb", "healthCheckProtocol": "TCP"}
    spec = {"region": block.region, "network": network, "controlPlaneLoadBalancer": balancer, "sshKeyName": block.ssh_key_name or ""}
    cluster = fleet.template(API, "AWSClusterTemplate", "network", spec)
    plane = _machine(fleet, "plane-machines", fleet.size.plane, "control-plane")
    worker = _machine(fleet, "worker-machines", fleet.size.worker, "nodes")
    return site_objects(fleet, NODE, cluster, (plane, worker))


ADAPTER = MachineAdapter(DECLARATION, _objects)
