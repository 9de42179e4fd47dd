"""What must be there before anything else of ours: namespace, limits, storage class, secrets."""

from __future__ import annotations

from typing import Any

from commonweal_stacks.manifests import AUTHORITY_SECRET, NAMESPACE, SECTORS_SECRET, SITE_KEY_SECRET, STORAGE_CLASS, Manifest, manifest
from commonweal_stacks.site import Storage


def namespace() -> Manifest:
    """The platform's namespace, in which only pods of the `restricted` standard are admitted."""
    found = manifest("v1", "Namespace", NAMESPACE, namespace="")
    for mode in ("enforce", "audit", "warn"):
        found["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "restricted"
        found["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}-version"] = "latest"
    return found


def quota() -> Manifest:
    """What the platform itself may use of a site: enough for an update of every workload at once."""
    hard = {"requests.cpu": "2", "requests.memory": "4Gi", "limits.memory": "4Gi", "pods": "20", "services.loadbalancers": "2"}
    return manifest("v1", "ResourceQuota", "commonweal-platform", spec={"hard": hard})


def limits() -> Manifest:
    """Defaults for containers that name no limits; the quota would refuse them otherwise, and a node that runs short ends first who takes what was not asked for."""
    kept = {"memory": "256Mi", "ephemeral-storage": "512Mi"}
    default = {"default": kept, "defaultRequest": {"cpu": "50m", **kept}, "type": "Container"}
    return manifest("v1", "LimitRange", "commonweal-platform", spec={"limits": [default]})


def default_deny() -> Manifest:
    """Nobody in the platform's namespace talks to anybody; the chart allows each component what it needs."""
    return manifest("networking.k8s.io/v1", "NetworkPolicy", "default-deny", spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def storage_class(storage: Storage) -> Manifest:
    """The class that every claim of ours names; what stands behind it is the site's business."""
    body: dict[str, Any] = {"provisioner": storage.provisioner, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"}
    if storage.parameters:
        body["parameters"] = dict(storage.parameters)
    return manifest("storage.k8s.io/v1", "StorageClass", STORAGE_CLASS, namespace="", **body)


def sectors(master: Any) -> Manifest:
    """The master from which the keys of all departments are derived; `master` may be a Pulumi output."""
    return manifest("v1", "Secret", SECTORS_SECRET, type="Opaque", stringData={"master": master})


def site_authority(key: Any) -> Manifest:
    """The key of the authority that certifies the site's workloads. Only the operator and administrators may read it. `key` may be a Pulumi output."""
    return manifest("v1", "Secret", AUTHORITY_SECRET, type="Opaque", stringData={"authority": key})


def site_key(seed: Any) -> Manifest:
    """The seed with which the site signs what it says of itself. No role of ours may read it: administrators only. `seed` may be a Pulumi output."""
    return manifest("v1", "Secret", SITE_KEY_SECRET, type="Opaque", stringData={"seed": seed})
