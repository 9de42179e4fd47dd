"""A site of each kind, as its stack file would say it."""

from __future__ import annotations

from typing import Any

from commonweal_stacks.site import SiteConfig, parse_site
from commonweal_stacks.site_kinds import Kind

PRINT = "AB:" * 19 + "AB"
ADDRESSES: dict[Kind, dict[str, Any]] = {
    "aws": {"aws": {"region": "eu-central-1", "imageAccount": "123456789012", "sshKeyName": "fleet"}},
    "azure": {
        "azure": {
            "subscriptionId": "01234567-89ab-cdef-0123-456789abcdef",
            "location": "germanywestcentral",
            "identity": "fleet",
            "imageGallery": "ClusterImages-0123",
        }
    },
    "gcp": {"gcp": {"project": "commonweal-fleet", "region": "europe-west3"}},
    "vsphere": {
        "vsphere": {
            "server": "vcenter.example.org",
            "thumbprint": PRINT,
            "datacenter": "Main",
            "datastore": "/Main/datastore/fast",
            "folder": "/Main/vm/fleet",
            "resourcePool": "/Main/host/rack/Resources",
            "network": "VM Network",
            "nodes": "10.20.0.0/24",
            "endpoint": "10.20.0.5",
            "identity": "vcenter",
        }
    },
    "metal3": {"metal3": {"endpoint": "10.30.0.5", "nodes": "10.30.0.0/24", "images": "https://images.example.org/machines"}},
    "edge-k3s": {"edgeK3s": {"endpoint": "10.40.0.5", "nodes": "10.40.0.0/24", "images": "https://images.example.org/machines"}},
    "adopted": {"kubeconfig": "adopted.kubeconfig"},
    "local": {"local": {"mode": "ControlPlane"}},
}
KUBEADM: tuple[Kind, ...] = ("aws", "azure", "gcp", "vsphere", "metal3")
MACHINES: tuple[Kind, ...] = (*KUBEADM, "edge-k3s")


def name_of(kind: Kind) -> str:
    """Return the name of the site of a kind."""
    return f"site-{kind}"


def described(kind: Kind, **changes: Any) -> dict[str, Any]:
    """Return what stands under `commonweal:site` for the site of a kind; a change to `...` takes a key out."""
    common = {"name": name_of(kind), "kind": kind, "clientCidrs": [], "storage": {"provisioner": "example.org/disks"}}
    return {key: value for key, value in (common | ADDRESSES[kind] | changes).items() if value is not ...}


def site(kind: Kind, **changes: Any) -> SiteConfig:
    """Return the site of a kind, as the program reads it."""
    value = described(kind, **changes)
    return parse_site(value, stack=value["name"])
