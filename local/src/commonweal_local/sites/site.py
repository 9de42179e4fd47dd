"""One site's names, addresses and files. Everything follows from its name, its index, its mode and the blueprint's revision."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

from commonweal_local.exceptions import LocalError
from commonweal_local.paths import write
from commonweal_stacks import blueprint as blueprints
from commonweal_stacks.blueprint import Blueprint, Network
from commonweal_stacks.exceptions import UnknownRevisionError

BRIDGE, LINK = "lsite0", "ls-"
NETWORK = "10.210.0"
HOST_ADDRESS = f"{NETWORK}.1"
DOMAIN = "sites.internal"
# Machines beside the sites on the same bridge: no cluster, as an old virtual machine is. The sites resolve their names.
NEIGHBOURS = {"heritage": f"{NETWORK}.250"}
CGROUP = "local-site"
BALANCER_ADDRESSES = 15
LOOPBACK_PORTS = 21000
# A site has its own /var/lib, /var/log and /run, so nothing that it needs from the host may lie there.
HIDDEN_IN_SITES = ("/run", "/var/lib", "/var/log", "/proc", "/sys", "/dev")


class Mode(StrEnum):
    """What a site runs: everything (root), or the control plane with simulated nodes and pods (any user)."""

    PODS = "pods"
    CONTROL_PLANE = "control-plane"


# A node's addresses are in one network with those of its load balancers. On loopback the kernel gives ports from 32768 on to whoever asks for any,
# and management clusters have those from 24000 on.
MOST_SITES = {Mode.PODS: 8, Mode.CONTROL_PLANE: 24}


@dataclass(frozen=True)
class Ports:
    api: int
    etcd: int
    controllers: int
    scheduler: int
    kwok: int


@dataclass(frozen=True)
class Site:
    """The configuration of one site, kept in `site.json`. `programs` maps a program's name to its path on the host.

    `kubernetes` is the version that its programs were chosen by ("" as the toolchain has it), `cluster` the `namespace/name` of the
    Cluster API object that asked for it ("" when a person did), `memory_gib` what its pods may use together (0: the whole machine's).
    `revision` counts changes of a running site: its first process says in `state.json` which one it has reached. `blueprint` is the revision
    whose settings it runs with ("" for the current one). `networks` are those that it was made with, since none of a cluster's can be changed:
    the blueprint's, or none for a site from before they were, whose networks follow from its index.
    """

    name: str
    index: int
    mode: Mode
    root: Path
    programs: Mapping[str, str]
    images: tuple[str, ...] = ()
    proxy: str = "nftables"
    cni: str = "/usr/lib/cni"
    fake_nodes: int = field(default=3)
    kubernetes: str = ""
    cluster: str = ""
    memory_gib: int = 0
    revision: int = 0
    blueprint: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path, name: str) -> Self:
        """Read a site back; raises LocalError when there is none of that name."""
        try:
            kept = json.loads((root / name / "site.json").read_text())
        except OSError as error:
            known = ", ".join(site.name for site in all_sites(root)) or "none"
            raise LocalError(f"There is no site {name!r} (sites: {known})", f"`commonweal local up {name}` makes it.") from error
        ours = {each.name for each in fields(cls)}  # a newer program may have written more, and what it means is not for this one
        kept = {key: value for key, value in kept.items() if key in ours}
        return cls(**{**kept, "mode": Mode(kept["mode"]), "root": root, "images": tuple(kept["images"])})

    def save(self) -> None:
        kept = asdict(self)
        del kept["root"]
        write(self.directory / "site.json", {**kept, "mode": self.mode.value, "images": list(self.images)})

    @property
    def runs_pods(self) -> bool:
        return self.mode is Mode.PODS

    @property
    def directory(self) -> Path:
        return self.root / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def base_archive(self) -> Path:
        """The image that sandboxes and add-ons run in, shared by all sites under one root."""
        return self.root / "base.tar"

    @property
    def node(self) -> str:
        return f"{self.name}-0"

    @property
    def link(self) -> str:
        """The host's end of the site's cable; at most 15 characters, the kernel's limit."""
        return f"{LINK}{self.name}"

    @property
    def address(self) -> str:
        return f"{NETWORK}.{11 + self.index}" if self.runs_pods else "127.0.0.1"

    @property
    def listen(self) -> str:
        return "0.0.0.0" if self.runs_pods else "127.0.0.1"

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.ports.api}"

    @property
    def hardware_address(self) -> str:
        """Fixed, so that neighbours keep reaching a site that was restarted."""
        return "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))

    @cached_property
    def ports(self) -> Ports:
        if self.runs_pods:
            return Ports(api=6443, etcd=2379, controllers=10257, scheduler=10259, kwok=10247)
        first = LOOPBACK_PORTS + 100 * self.index
        return Ports(api=first + 43, etcd=first + 79, controllers=first + 57, scheduler=first + 59, kwok=first + 47)

    @property
    def settings(self) -> Blueprint:
        """What its programs run with. Raises LocalError for a revision that this program does not know."""
        try:
            return blueprints.revision(self.blueprint or blueprints.CURRENT)
        except UnknownRevisionError as error:
            raise LocalError(
                f"Site {self.name!r} is of a blueprint that is not known here: {error}", "Use the release that made it."
            ) from error

    @property
    def network(self) -> Network:
        """The networks inside the cluster."""
        own = {"pods": f"10.{220 + self.index}.0.0/16", "services": f"10.{230 + self.index}.0.0/16", "domain": "cluster.local"}
        return Network(**{**own, **self.networks})

    @property
    def node_pods(self) -> str:
        """The part of the pods' network that its one node has."""
        return str(next(ipaddress.ip_network(self.network.pods).subnets(new_prefix=24)))

    @property
    def balancer_pool(self) -> tuple[str, ...]:
        """Addresses for Services of type LoadBalancer, reachable from the host and from other sites."""
        first = 100 + BALANCER_ADDRESSES * self.index
        return tuple(f"{NETWORK}.{first + offset}" for offset in range(BALANCER_ADDRESSES))

    @property
    def cgroup(self) -> str:
        return f"{CGROUP}/{self.name}"


def all_sites(root: Path) -> list[Site]:
    """Every site under a root, by name; running or not."""
    return [Site.load(root, found.parent.name) for found in sorted(root.glob("*/site.json"))]


def check_name(name: str) -> str:
    """The name itself; it becomes part of a link's name (15 characters in all), a host name and a directory."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,10}", name):
        raise LocalError(f"{name!r} cannot name a site", "Use a letter, then lower-case letters and digits, at most 11 in all.")
    return name


def free_index(taken: Iterable[int], most: int) -> int:
    """The lowest index below `most` that nobody has; it decides the site's addresses. Raises LocalError."""
    used = set(taken)
    for index in range(most):
        if index not in used:
            return index
    raise LocalError(
        f"{most} sites of this mode are the most that one machine's addresses allow",
        "`commonweal local down SITE` frees one; it may be another home's (`COMMONWEAL_HOME`).",
    )


def hosts_file(sites: Iterable[Site]) -> str:
    """What resolves `<site>.sites.internal` and the names of the neighbours in every site."""
    known = [(site.address, site.name) for site in sites if site.runs_pods]
    return "".join(f"{address} {name}.{DOMAIN}\n" for address, name in [*known, *((a, n) for n, a in NEIGHBOURS.items())])
