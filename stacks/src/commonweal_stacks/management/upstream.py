"""Cluster API and the providers that are not ours: which versions, and where their definitions lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commonweal_stacks.exceptions import SiteConfigError


@dataclass(frozen=True)
class Upstream:
    """One part of one Go module: its definitions lie in `<config>/crd/bases`, its webhooks in `<config>/webhook/manifests.yaml`.

    `checksum` is the module's as Go writes it (`h1:` and the base64 of a SHA-256). `image` is the controller's, without its tag.
    """

    name: str
    module: str
    version: str
    checksum: str
    config: str
    image: str = ""

    @property
    def directory(self) -> str:
        """The name of the folder that keeps the definitions."""
        return f"{self.name}-{self.version}"


_CORE = ("sigs.k8s.io/cluster-api", "v1.14.2", "h1:o3GFNaeNFAOEEMpDPfhCK+2CjmV6gtQ8yLEcUwCg7bA=")
_REGISTRY = "registry.k8s.io/cluster-api"
UPSTREAM: Mapping[str, Upstream] = {
    part.name: part
    for part in (
        Upstream("cluster-api", *_CORE, "core/config", f"{_REGISTRY}/cluster-api-controller"),
        Upstream("kubeadm-bootstrap", *_CORE, "bootstrap/kubeadm/config", f"{_REGISTRY}/kubeadm-bootstrap-controller"),
        Upstream("kubeadm-control-plane", *_CORE, "controlplane/kubeadm/config", f"{_REGISTRY}/kubeadm-control-plane-controller"),
        Upstream("aws", "sigs.k8s.io/cluster-api-provider-aws/v2", "v2.13.0", "h1:yQz7GBrIkPLuEJ5MXNuZ/6eUssTJK8reUnZ6t5QIPnU=", "config"),
        Upstream("gcp", "sigs.k8s.io/cluster-api-provider-gcp", "v1.13.1", "h1:l4zdwsHFwcA8CP5P4NPar9fUu5kMwucKhp2IQBHduJs=", "config"),
    )
}


def directory_of(name: str) -> Path:
    """Return where the definitions lie once fetched.

    In it are `crds/*.yaml`, `crds.kustomization.yaml`, `metadata.yaml`, and where the module has them `webhooks.yaml` and `role.yaml`.
    """
    cache = Path(os.environ.get("COMMONWEAL_CACHE") or "~/.cache/commonweal").expanduser()
    return cache / "definitions" / UPSTREAM[name].directory


def fetched(name: str) -> Path:
    """Return the folder of the definitions. Raises SiteConfigError when they were not fetched to this machine."""
    directory = directory_of(name)
    if not directory.is_dir():
        raise SiteConfigError(f"The definitions of {name} {UPSTREAM[name].version} are not in {directory}. Fetch them with `make tools`.")
    return directory
