"""What whoever sets a cluster up gives the programs of Kubernetes by itself, from no more than the cluster's networks. Pure.

Kubeadm does so on machines. A site that is set up without it takes the same from here, so that it differs from the others in nothing but what it
says it differs in. Left out is what is about certificates, addresses of the machine, and how machines join, for there each has its own.
"""

from __future__ import annotations

from typing import Any

from commonweal_stacks.blueprint.model import Network

_Flags = dict[str, str]


def api_server_flags(network: Network) -> _Flags:
    """Return the flags of the API server."""
    return {
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "service-account-issuer": network.issuer,
        "service-cluster-ip-range": network.services,
    }


def controller_flags(network: Network) -> _Flags:
    """Return the flags of the controller manager."""
    return {
        "allocate-node-cidrs": "true",
        "bind-address": "127.0.0.1",
        "cluster-cidr": network.pods,
        "service-cluster-ip-range": network.services,
        "use-service-account-credentials": "true",
    }


def scheduler_flags() -> _Flags:
    """Return the flags of the scheduler."""
    return {"bind-address": "127.0.0.1"}


def kubelet_settings(network: Network) -> dict[str, Any]:
    """Return the fields of a KubeletConfiguration."""
    return {
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [network.dns],
        "clusterDomain": network.domain,
    }
