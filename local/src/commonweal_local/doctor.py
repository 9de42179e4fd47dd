"""What this machine lacks, and what to do about it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib import util
from pathlib import Path

from commonweal_local import debian, machine, paths
from commonweal_local.failure import LocalError
from commonweal_local.management import host
from commonweal_local.management import plane as planes
from commonweal_local.shell import succeeds
from commonweal_local.sites import bridge, checks, pki
from commonweal_local.sites.site import BRIDGE, all_sites
from commonweal_local.toolchain import find, golang
from commonweal_local.toolchain.catalogue import PROGRAMS

LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GIB = 6.0
TOUCH_NO_HOST_NETWORK = ("unshare", "--net", "--")


class Verdict(StrEnum):
    """`MISSING` stops something from working; `NOTE` costs time or a feature."""

    GOOD = "ok"
    NOTE = "note"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. The remedy is empty when nothing needs doing."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def line(self) -> str:
        remedy = f"\n          -> {self.remedy}" if self.remedy else ""
        return f"{self.verdict.value:<8}  {self.subject}: {self.found}{remedy}"


def examine() -> list[Finding]:
    """Look at everything; never changes anything on the machine."""
    as_root = os.geteuid() == 0
    findings = [_system(), _python(), _root(as_root), _memory(), *_disks(), *_packages(), *_tools(), *_certificates()]
    if as_root:
        findings += [*_kernel(), _bridge(), _forwarding()]
    return findings


def is_fit(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.verdict is not Verdict.MISSING for finding in findings)


def disk(subject: str, place: Path, free_gib: Callable[[Path], float] = machine.free_gib) -> Finding:
    """Whether the disk that a place is on has room."""
    free = free_gib(place)
    if free < machine.LEAST_FREE_GIB:
        variable = f"COMMONWEAL_{subject.upper()}"
        return Finding(
            f"disk of the {subject}",
            Verdict.MISSING,
            f"{free:.1f} GiB free at {place}, {machine.LEAST_FREE_GIB} needed",
            f"Free some, or point {variable} elsewhere.",
        )
    return Finding(f"disk of the {subject}", Verdict.GOOD, f"{free:.0f} GiB free at {place}")


def memory(kib: int) -> Finding:
    """Whether two sites with departments fit into the memory that is available (KiB)."""
    gib = kib / 2**20
    if gib < LEAST_MEMORY_GIB:
        remedy = f"Two sites with three departments use about {LEAST_MEMORY_GIB:g} GiB: end other programs, or start one site."
        return Finding("memory", Verdict.NOTE, f"{gib:.1f} GiB available", remedy)
    return Finding("memory", Verdict.GOOD, f"{gib:.1f} GiB available")


def packages(purpose: str, missing: list[str], *, needed: bool) -> Finding:
    """Whether the Debian packages for a purpose are there; what is not needed here is only noted."""
    subject = f"Debian packages for {purpose}"
    if not missing:
        return Finding(subject, Verdict.GOOD, "all there")
    remedy = f"`commonweal doctor --install` as root, or: {debian.install_command(missing)}"
    return Finding(subject, Verdict.MISSING if needed else Verdict.NOTE, f"not installed: {', '.join(missing)}", remedy)


def _system() -> Finding:
    if platform.system() != "Linux":
        return Finding(
            "system", Verdict.MISSING, platform.system(), "Local sites are Linux namespaces: use a Linux machine or a virtual one."
        )
    if not debian.has_apt():
        return Finding("system", Verdict.NOTE, "Linux without apt", "Images are made from Debian packages: build them on Debian or Ubuntu.")
    return Finding("system", Verdict.GOOD, f"Linux {platform.release()}, {os.cpu_count()} processors")


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < LEAST_PYTHON:
        return Finding("Python", Verdict.MISSING, version, "Install Python 3.11 or newer, then `make venv`.")
    if util.find_spec("pip") is None:
        return Finding("Python", Verdict.MISSING, f"{version} without pip", "`make venv` makes an environment with pip.")
    return Finding("Python", Verdict.GOOD, f"{version} at {sys.prefix}")


def _root(as_root: bool) -> Finding:
    if as_root:
        return Finding("rights", Verdict.GOOD, "root: sites run real pods")
    return Finding("rights", Verdict.NOTE, "not root: objects will be real, nodes and pods simulated", "Run with sudo for real pods.")


def _memory() -> Finding:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return memory(next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))


def _disks() -> list[Finding]:
    return [disk("cache", paths.cache()), disk("home", paths.home())]


def _packages() -> list[Finding]:
    return [
        packages("sites", debian.missing(debian.SITE_PACKAGES), needed=os.geteuid() == 0),
        packages("tests and the demo's heritage machine", debian.missing(debian.TEST_PACKAGES), needed=False),
    ]


def _tools() -> list[Finding]:
    try:
        found = {name: find(name) for name in PROGRAMS}
    except LocalError as error:
        return [Finding("tools", Verdict.MISSING, error.what, error.remedy)]
    lacking = [name for name, tool in found.items() if tool is None]
    if not lacking:
        return [Finding("tools", Verdict.GOOD, f"{len(found)} found")]
    build = Finding(
        "tools", Verdict.NOTE, f"not built yet: {', '.join(lacking)}", "`commonweal tools` builds them: about 20 minutes on two processors."
    )
    return [build, _go()]


def _go() -> Finding:
    found = golang.find()
    if found:
        return Finding("Go", Verdict.GOOD, str(found))
    return Finding(
        "Go", Verdict.NOTE, "none that is new enough", f"`commonweal tools` installs Go {golang.WHEEL} from a wheel into the cache."
    )


def _kernel() -> list[Finding]:
    """Try each feature in a network namespace of its own, which ends with the trial."""
    nothing = "This kernel cannot run sites with pods; use another machine, or `--mode control-plane`."
    queue = ("iptables", "-t", "mangle", "-A", "POSTROUTING", "-j", "NFQUEUE", "--queue-num", "98", "--queue-bypass")
    trials = {
        "kernel: overlay file system": ("overlay" in Path("/proc/filesystems").read_text() or succeeds("modprobe", "overlay"), nothing),
        "kernel: control groups": (any(Path("/sys/fs/cgroup").iterdir()), nothing),
        "kernel: network namespaces": (succeeds(*TOUCH_NO_HOST_NETWORK, "true"), nothing),
        "kernel: veth": (
            succeeds(*TOUCH_NO_HOST_NETWORK, "ip", "link", "add", "name", "try0", "type", "veth", "peer", "name", "try1"),
            nothing,
        ),
        "kernel: bridge": (succeeds(*TOUCH_NO_HOST_NETWORK, "ip", "link", "add", "name", "try0", "type", "bridge"), nothing),
        "kernel: nftables": (succeeds(*TOUCH_NO_HOST_NETWORK, "nft", "add", "table", "inet", "a"), nothing),
        "kernel: packet queues (network policies)": (succeeds(*TOUCH_NO_HOST_NETWORK, *queue), nothing),
    }
    return [
        Finding(subject, Verdict.GOOD if works else Verdict.MISSING, "works" if works else "does not work", "" if works else remedy)
        for subject, (works, remedy) in trials.items()
    ]


def _certificates() -> list[Finding]:
    now = dt.datetime.now(dt.UTC)
    found = [
        certificates(f"site {one.name}", pki.outlook(one, now), f"`commonweal local rotate {one.name}`") for one in all_sites(paths.sites())
    ]
    management = host.found(paths.home())
    if management:
        found.append(certificates("the management cluster", planes.outlook(management, now), planes.RENEWED))
    return found


def certificates(of: str, outlook: tuple[str, bool], renewal: str) -> Finding:
    """Whether certificates last; one that ends soon would stop its cluster, but not now. `outlook` is as `pki.first_end` returns it."""
    said, soon = outlook
    if soon:
        return Finding(f"certificates of {of}", Verdict.NOTE, said, f"{renewal} issues them anew.")
    return Finding(f"certificates of {of}", Verdict.GOOD, said or "none yet")


def _bridge() -> Finding:
    clash = bridge.conflicting_interface() if machine.program("ip") else None
    if clash:
        remedy = f"Take it down while sites run: `ip addr show {clash}`."
        return Finding("addresses 10.210.0.0/24", Verdict.MISSING, f"taken by {clash}", remedy)
    return Finding("addresses 10.210.0.0/24", Verdict.GOOD, "free for sites")


def _forwarding() -> Finding:
    """A firewall that filters bridged packets, as container engines set up, would cut the sites off from each other."""
    filtered = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if filtered.exists() and filtered.read_text().strip() == "1" and not checks.forwards_by_default():
        remedy = f"iptables -I FORWARD -i {BRIDGE} -o {BRIDGE} -j ACCEPT"
        return Finding("traffic between sites", Verdict.NOTE, "this machine's firewall drops forwarded packets", remedy)
    return Finding("traffic between sites", Verdict.GOOD, "not filtered by this machine")
