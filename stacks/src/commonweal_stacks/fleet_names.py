"""Names that the management cluster, the sites' stacks and the providers agree on."""

from __future__ import annotations

FLEET = "commonweal-fleet"
"""The namespace of every Cluster, its templates and its kubeconfig Secret. A Cluster is named as its site."""

GROUP = "cluster.x-k8s.io"
VERSION = "v1beta2"
CONTRACT_LABEL = f"{GROUP}/{VERSION}"
"""On a CustomResourceDefinition: the versions of it, joined by `_`, that speak the contract v1beta2."""

CLUSTER_NAME_LABEL = f"{GROUP}/cluster-name"
KUBECONFIG_KEY = "value"
PROVIDER_LABEL = f"{GROUP}/provider"


def kubeconfig_secret(site: str) -> str:
    """Return the name of the Secret that holds a site's kubeconfig under `value`."""
    return f"{site}-kubeconfig"
