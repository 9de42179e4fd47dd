"""Small stand-ins for the files that Cluster API publishes, in the cache's shape: what is pure about them is tested without fetching any."""

from __future__ import annotations

from pathlib import Path

import yaml

from commonweal_stacks.management.upstream import UPSTREAM

PARTS = {
    "cluster-api": ("cluster.x-k8s.io", "Cluster", "clusters"),
    "kubeadm-bootstrap": ("bootstrap.cluster.x-k8s.io", "KubeadmConfig", "kubeadmconfigs"),
    "kubeadm-control-plane": ("controlplane.cluster.x-k8s.io", "KubeadmControlPlane", "kubeadmcontrolplanes"),
}


def write(cache: Path, *, stored: str = "v1beta2") -> None:
    """Write definitions, roles and webhooks of every part into a cache."""
    for part, (group, kind, plural) in PARTS.items():
        folder = cache / "definitions" / UPSTREAM[part].directory
        (folder / "crds").mkdir(parents=True)
        versions = [{"name": name, "served": True, "storage": name == stored, "schema": {}} for name in ("v1beta1", "v1beta2")]
        _dump(
            folder / "crds" / f"{group}_{plural}.yaml",
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}", "annotations": {"controller-gen.kubebuilder.io/version": "v0"}},
                "spec": {"group": group, "names": {"kind": kind, "plural": plural}, "scope": "Namespaced", "versions": versions},
            },
        )
        _dump(
            folder / "role.yaml",
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "manager-role"}},
        )
        hook = {"name": f"default.{plural}", "clientConfig": {"service": {"name": "w", "namespace": "system", "path": f"/mutate-{plural}"}}}
        _dump(
            folder / "webhooks.yaml",
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": "mutating-webhook-configuration"},
                "webhooks": [hook],
            },
        )


def _dump(file: Path, obj: object) -> None:
    file.write_text(yaml.safe_dump(obj), encoding="utf-8")
