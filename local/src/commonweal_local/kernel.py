"""What sites with pods need of the kernel, and of the rights that this process has: tried, each in a network namespace that ends with the trial."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import machine
from commonweal_local.exceptions import LocalError
from commonweal_local.findings import Finding, Look, Verdict, look
from commonweal_local.shell import succeeds
from commonweal_local.sites import cgroups

OTHERWISE = "use another machine, or a container with more rights (privileged); without pods: `commonweal demo --mode control-plane`"
REMEDY = f"The kernel, or the rights of this container, do not allow sites with pods: {OTHERWISE}."
INSTALL = "`commonweal doctor --install` as root installs it; then this can be tried."
TOUCH_NO_HOST_NETWORK = ("unshare", "--net", "--")
VETH = ("ip", "link", "add", "name", "try0", "type", "veth", "peer", "name", "try1")
BRIDGE = ("ip", "link", "add", "name", "try0", "type", "bridge")
QUEUE = ("iptables", "-t", "mangle", "-A", "POSTROUTING", "-j", "NFQUEUE", "--queue-num", "98", "--queue-bypass")


@dataclass(frozen=True)
class Trial:
    """A feature, the programs that try it, and the trial."""

    feature: str
    programs: tuple[str, ...]
    works: Callable[[], bool]

    def finding(self) -> Finding:
        """How it went; without its programs it is not tried, and nothing is said against the kernel."""
        subject = f"kernel: {self.feature}"
        absent = [name for name in self.programs if machine.program(name) is None]
        if absent:
            return Finding(subject, Verdict.NOTE, f"not tried, for there is no {' and no '.join(absent)}", INSTALL)
        return Finding(subject, Verdict.GOOD, "works") if self.works() else Finding(subject, Verdict.MISSING, "does not work", REMEDY)


def in_a_namespace(feature: str, *argv: str) -> Trial:
    """Return the trial that is a program run in a network namespace of its own."""
    return Trial(feature, ("unshare", argv[0]), lambda: succeeds(*TOUCH_NO_HOST_NETWORK, *argv))


TRIALS = (
    Trial("overlay file system", (), lambda: "overlay" in Path("/proc/filesystems").read_text() or succeeds("modprobe", "overlay")),
    in_a_namespace("network namespaces", "true"),
    in_a_namespace("veth", *VETH),
    in_a_namespace("bridge", *BRIDGE),
    in_a_namespace("nftables", "nft", "add", "table", "inet", "a"),
    in_a_namespace("packet queues (network policies)", *QUEUE),
)


def looks() -> list[Look]:
    """Every feature, to be looked at as root."""
    tried = [Look(f"kernel: {trial.feature}", trial.finding, REMEDY) for trial in TRIALS]
    return [Look("kernel: control groups", control_groups, f"{cgroups.REMEDY}."), *tried]


def control_groups(mounted: Path = cgroups.MOUNTED) -> Finding:
    """Whether pods can be bounded: the controllers are there, and groups may be made."""
    lacking = cgroups.lacking(mounted)
    if lacking:
        found = f"at {mounted} there is no {', no '.join(lacking)}"
        return Finding("kernel: control groups", Verdict.MISSING, found, f"{cgroups.REMEDY}; or {OTHERWISE}.")
    if not all(os.access(hierarchy, os.W_OK) for hierarchy in cgroups.hierarchies(mounted)):
        return Finding("kernel: control groups", Verdict.MISSING, f"{mounted} cannot be written", f"{cgroups.REMEDY}; or {OTHERWISE}.")
    return Finding("kernel: control groups", Verdict.GOOD, ", ".join(cgroups.NEEDED))


def require_pods() -> None:
    """Raise LocalError, with the remedy, when a site's pods could not run here."""
    wrong = [finding for finding in look(looks()) if finding.verdict is Verdict.MISSING]
    if wrong:
        raise LocalError("; ".join(f"{finding.subject}: {finding.found}" for finding in wrong), wrong[0].remedy)
