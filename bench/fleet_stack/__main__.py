"""As many sites as COMMONWEAL_BENCH_SITES says, declared from the one blueprint, in the local provider's shared mode."""

import os

import pulumi
import pulumi_kubernetes

from commonweal_stacks import blueprint, clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.components.cluster import PATIENCE
from commonweal_stacks.management_access import management_file
from commonweal_stacks.resources import KubernetesObject
from commonweal_stacks.site import parse_site

# One provider for all: each provider of a program is a process of its own.
provider = pulumi_kubernetes.Provider("management", kubeconfig=str(management_file()), cluster_identifier=names.FLEET)
options = pulumi.ResourceOptions(provider=provider, custom_timeouts=PATIENCE)
for number in range(int(os.environ["COMMONWEAL_BENCH_SITES"])):
    name = f"f{number:03}"
    site = parse_site(
        {
            "name": name,
            "kind": "local",
            "local": {"mode": "Shared"},
            "clientCidrs": [],
            "storage": {"provisioner": "rancher.io/local-path"},
        },
        stack=name,
    )
    for obj in clusters.site_objects(site, blueprint.current()):
        KubernetesObject(obj, options)
