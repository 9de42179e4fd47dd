"""The settings of a cluster, as frozen values."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

SizeName = Literal["small", "medium", "large"]
DNS_NUMBER = 10
"""Which address of the services kubeadm and k3s give the name service."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of a size that every provider can give; each adapter knows what its provider calls it."""

    cpus: int
    memory_gib: int
    disk_gib: int


@dataclass(frozen=True, slots=True)
class Size:
    """How many machines a site has, and which. `planes` is odd, for etcd; the machines are names in `Blueprint.machines`."""

    planes: int
    workers: int
    plane: str
    worker: str


@dataclass(frozen=True, slots=True)
class Network:
    """Networks inside a cluster, the same in all of them: no cluster routes to the pods of another."""

    pods: str
    services: str
    domain: str

    @property
    def api(self) -> str:
        """The address of the API server's own service: the first of the services."""
        return str(ipaddress.ip_network(self.services)[1])

    @property
    def dns(self) -> str:
        """The address of the name service."""
        return str(ipaddress.ip_network(self.services)[DNS_NUMBER])

    @property
    def issuer(self) -> str:
        """Under which name service accounts' tokens are issued; consumers on other sites are told it."""
        return f"https://kubernetes.default.svc.{self.domain}"

    def collision(self, outside: str) -> str | None:
        """Return the network of ours that overlaps one outside the cluster, or None."""
        other = ipaddress.ip_network(outside)
        ours = {cidr: ipaddress.ip_network(cidr) for cidr in (self.pods, self.services)}
        return next((cidr for cidr, network in ours.items() if network.version == other.version and network.overlaps(other)), None)


@dataclass(frozen=True, slots=True)
class Kubelet:
    """Limits that each node sets, so that a pod that fits on one site fits on every other. `pod_pids` -1 is no limit."""

    max_pods: int
    pod_pids: int
    log_mib: int
    log_files: int


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One revision of the blueprint. A revision that a site has used is never edited: write a new one.

    `kubernetes` is the version with its `v`. `admission` are the plug-ins on top of the server's default set. `pod_security` is the standard
    that a namespace without labels of its own is held to. `encryption` is how the `encrypted` resources lie in etcd. `audit_days` is how long
    a node keeps the API server's audit log. `system` is the operating system of the image that machines start from.
    """

    revision: str
    kubernetes: str
    network: Network
    admission: tuple[str, ...]
    pod_security: Literal["privileged", "baseline", "restricted"]
    encryption: Literal["secretbox"]
    encrypted: tuple[str, ...]
    audit_days: int
    kubelet: Kubelet
    storage_classes: tuple[str, ...]
    system: str
    machines: Mapping[str, Machine]
    sizes: Mapping[SizeName, Size]

    def __post_init__(self) -> None:
        object.__setattr__(self, "machines", MappingProxyType(dict(self.machines)))
        object.__setattr__(self, "sizes", MappingProxyType(dict(self.sizes)))

    @property
    def image(self) -> str:
        """The name of the image that machines start from: the same contents everywhere, whatever a provider calls its copy."""
        return f"{self.system}-kube-{self.kubernetes}"

    def data(self) -> dict[str, Any]:
        """Return the revision as plain values, for a digest or a report."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value
