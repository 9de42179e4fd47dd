"""The embedded management cluster's names, ports, certificates and command lines: an API server with Cluster API beside it, and no nodes."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_local.exceptions import LocalError
from commonweal_local.paths import write
from commonweal_local.sites import pki, settings
from commonweal_local.sites.components import control_plane_lines
from commonweal_local.sites.pki import Leaf
from commonweal_local.sites.ports import is_free
from commonweal_local.sites.site import Mode, Ports, Site
from commonweal_stacks.management.controllers import GATES

NAME = "management"
CORE, PROVIDER, WEBHOOKS = "cluster-api", "local-provider", "webhooks"
LEAVES = (Leaf(CORE, CORE), Leaf(PROVIDER, PROVIDER), Leaf(WEBHOOKS, f"{CORE}-{WEBHOOKS}", addresses=("127.0.0.1",)))
RENEWED = "`commonweal management down --keep`, then `up`"
FIRST_PORT, BLOCK, BLOCKS = 24000, 100, 40
# Enough for owned objects to go with their owners, namespaces to empty, and roles to gather the rules that providers bring.
CONTROLLERS = ("garbage-collector-controller", "namespace-controller", "clusterrole-aggregation-controller")
# More makes more conflicts than progress: several controllers write the status of one Cluster.
QUERIES_PER_SECOND, BURST = 50, 100
# What the first process takes from a site's list of programs.
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", CORE)


@dataclass(frozen=True)
class Plane(Site):
    """A control plane on loopback, kept in `site.json` below its directory; `block` decides its ports."""

    block: int = 0

    @property
    def ports(self) -> Ports:
        first = FIRST_PORT + BLOCK * self.block
        return Ports(api=first + 43, etcd=first + 79, controllers=first + 57, scheduler=first + 59, kwok=first + 47)

    @property
    def webhook_port(self) -> int:
        """Where Cluster API's webhooks answer."""
        return self.ports.api + 1

    @property
    def health_port(self) -> int:
        return self.ports.api + 2

    @property
    def metrics_port(self) -> int:
        return self.ports.api + 3

    @property
    def answers(self) -> str:
        """The address that says whether the core controller and its webhooks are ready."""
        return f"http://127.0.0.1:{self.health_port}/readyz"


def plane(home: Path, programs: Mapping[str, str], block: int) -> Plane:
    """The management cluster of a home; its directory is `management` below it."""
    return Plane(NAME, 0, Mode.CONTROL_PLANE, home, dict(programs), block=block)


def free_block(preferred: int) -> int:
    """The preferred block of ports if all of it is free now, else the first that is. Raises LocalError."""
    candidates: list[int] = [preferred, *range(BLOCKS)]
    for block in candidates:
        if all(is_free(port) for port in _ports(block)):
            return block
    raise LocalError(
        f"No block of ports from {FIRST_PORT} to {FIRST_PORT + BLOCK * BLOCKS} is free", "`ss -ltnp` shows who has them; end one of those."
    )


def outlook(one: Plane, now: dt.datetime) -> tuple[str, bool]:
    """When the first of its certificates ends, in a sentence, and whether that is soon: those are issued anew when it starts."""
    return pki.first_end(pki.ends(one, [leaf.file for leaf in LEAVES]), now, RENEWED)


def furnish(one: Plane, now: dt.datetime) -> None:
    """Write certificates, kubeconfigs and what the stack must know, keeping what is there and lasts."""
    pki.make(one, now=now)
    for leaf in LEAVES:
        pki.issue(one, leaf, now)
    settings.write_files(one)
    for who in (CORE, PROVIDER):
        write(one.pki / f"{who}.conf", pki.kubeconfig(one, who), mode=0o600)
    write(one.directory / "controllers.json", controllers(one))


def controllers(one: Plane) -> dict[str, Any]:
    """What `stacks/management` needs of controllers that run as processes: where they answer, and as whom they come."""
    return {
        "webhooks": f"https://127.0.0.1:{one.webhook_port}",
        "ca": (one.pki / "ca.crt").read_text(),
        "ready": one.answers,
        "users": {CORE: CORE, "local": PROVIDER},
    }


def server_lines(one: Plane) -> dict[str, list[str]]:
    """The API server and what it cannot do without: program -> argv, in the order of their start."""
    lines = control_plane_lines(one)
    # Certificates only: no kubelet will ever ask for a token here, and no pod runs.
    return {
        "etcd": [*lines["etcd"], "--auto-compaction-retention=5m"],
        "kube-apiserver": lines["kube-apiserver"],
        "kube-controller-manager": [
            *lines["kube-controller-manager"],
            f"--controllers={','.join(CONTROLLERS)}",
            "--concurrent-gc-syncs=10",
        ],
    }


def core_line(one: Plane) -> list[str]:
    """Cluster API's core controller, with its webhooks."""
    return [
        one.programs[CORE],
        f"--kubeconfig={one.pki / CORE}.conf",
        f"--webhook-port={one.webhook_port}",
        f"--webhook-cert-dir={one.pki}",
        f"--webhook-cert-name={WEBHOOKS}.crt",
        f"--webhook-key-name={WEBHOOKS}.key",
        f"--health-addr=127.0.0.1:{one.health_port}",
        f"--diagnostics-address=127.0.0.1:{one.metrics_port}",
        "--insecure-diagnostics",
        f"--kube-api-qps={QUERIES_PER_SECOND}",
        f"--kube-api-burst={BURST}",
        f"--feature-gates={GATES}",
    ]


def provider_line(one: Plane) -> list[str]:
    """Our provider of local sites."""
    return [sys.executable, "-P", "-m", "commonweal_local.provider", "--kubeconfig", f"{one.pki / PROVIDER}.conf"]


def _ports(block: int) -> Iterable[int]:
    ports = plane(Path(), {}, block).ports
    return (ports.api, ports.api + 1, ports.api + 2, ports.api + 3, ports.etcd, ports.etcd + 1, ports.controllers)
