"""What this machine lacks, and what to do about it: a list of looks, of which each becomes a finding, whatever happens to it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import util
from pathlib import Path

from commonweal_local import debian, kernel, machine, paths, surroundings
from commonweal_local.exceptions import LocalError
from commonweal_local.findings import Finding, Look, Verdict, look
from commonweal_local.management import host
from commonweal_local.management import layout as planes
from commonweal_local.sites import bridge, checks, pki
from commonweal_local.sites.site import BRIDGE, NETWORK, all_sites
from commonweal_local.toolchain import find, golang
from commonweal_local.toolchain.catalogue import PROGRAMS

LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GIB = 6.0


def examine() -> list[Finding]:
    """Look at everything. Never changes anything on the machine, and never raises."""
    return look(looks(as_root=os.geteuid() == 0))


def is_fit(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.verdict is not Verdict.MISSING for finding in findings)


def looks(*, as_root: bool) -> list[Look]:
    """What there is to look at, for root or for another user; each with what to do when that look fails."""
    return [
        Look("system", _system, "Use Debian 12, on which this is tested."),
        Look("Python", _python, "`make venv` makes an environment.", Verdict.MISSING),
        Look("rights", lambda: _root(as_root), "Run with sudo for real pods."),
        Look("text", _text, "Set LANG to C.UTF-8."),
        Look("proxy", lambda: proxy(os.environ), "Unset the variables that name a proxy."),
        Look("memory", lambda: memory(machine.memory_mib("MemAvailable") * 1024), "See that /proc is mounted."),
        Look("disk of the cache", lambda: disk("cache", paths.cache()), paths.ELSEWHERE, Verdict.MISSING),
        Look("disk of the home", lambda: disk("home", paths.home()), paths.ELSEWHERE, Verdict.MISSING),
        *_package_looks(needed=as_root),
        Look("tools", lambda: _tools(PROGRAMS), "`commonweal tools` builds them from a checkout."),
        Look("certificates", _certificates, "`commonweal local status` names the sites."),
        *(_looks_as_root() if as_root else ()),
    ]


def _package_looks(*, needed: bool) -> Iterator[Look]:
    for purpose, wanted, necessary in (
        ("sites", debian.SITE_PACKAGES, needed),
        ("the demonstration's heritage machine", debian.HERITAGE_PACKAGES, False),
        ("tests", debian.TEST_PACKAGES, False),
    ):
        remedy = f"`{debian.install_command(wanted)}`"
        yield Look(f"Debian packages for {purpose}", partial(_packages, purpose, wanted, needed=necessary), remedy)


def _packages(purpose: str, wanted: Sequence[debian.Package], *, needed: bool) -> Finding:
    return packages(purpose, debian.missing(wanted), needed=needed)


def _looks_as_root() -> list[Look]:
    return [
        *kernel.looks(),
        Look(f"addresses {NETWORK}.0/24", _bridge, f"See with `ip addr` that no interface has an address in {NETWORK}.0/24."),
        Look("traffic between sites", _forwarding, "See with `iptables -S FORWARD` that forwarded packets are let through."),
    ]


def disk(subject: str, place: Path, free_gib: Callable[[Path], float] = machine.free_gib) -> Finding:
    """Whether the disk that a place is on has room, and files can be made there."""
    free = free_gib(place)
    if free < machine.LEAST_FREE_GIB:
        variable = f"COMMONWEAL_{subject.upper()}"
        return Finding(
            f"disk of the {subject}",
            Verdict.MISSING,
            f"{free:.1f} GiB free at {place}, {machine.LEAST_FREE_GIB} needed",
            f"Free some, or point {variable} elsewhere.",
        )
    try:
        paths.require_writable(place)
    except LocalError as error:
        return Finding(f"disk of the {subject}", Verdict.MISSING, error.what, error.remedy)
    return Finding(f"disk of the {subject}", Verdict.GOOD, f"{free:.0f} GiB free at {place}")


def memory(kib: int) -> Finding:
    """Whether two sites with departments fit into the memory that is available (KiB)."""
    gib = kib / 2**20
    if gib < LEAST_MEMORY_GIB:
        remedy = f"Two sites with three departments use about {LEAST_MEMORY_GIB:g} GiB: end other programs, or start one site."
        return Finding("memory", Verdict.NOTE, f"{gib:.1f} GiB available", remedy)
    return Finding("memory", Verdict.GOOD, f"{gib:.1f} GiB available")


def packages(purpose: str, missing: Sequence[debian.Package], *, needed: bool) -> Finding:
    """Whether the Debian packages for a purpose are there; what is not needed here is only noted."""
    subject = f"Debian packages for {purpose}"
    if not missing:
        return Finding(subject, Verdict.GOOD, "all there")
    remedy = f"`commonweal doctor --install` as root, or: {debian.install_command(missing)}"
    return Finding(subject, Verdict.MISSING if needed else Verdict.NOTE, f"not installed: {debian.named(missing)}", remedy)


def proxy(environment: Mapping[str, str]) -> Finding:
    """Which proxies are named. Our own programs leave sites out by themselves; a person's kubectl and pulumi need to be told."""
    named = surroundings.proxies_of(environment)
    if not named:
        return Finding("proxy", Verdict.GOOD, "none")
    remedy = f"For kubectl and pulumi typed by hand: export no_proxy={','.join(surroundings.near())}"
    return Finding("proxy", Verdict.NOTE, f"{', '.join(named)}: asked for what is elsewhere, never for sites", remedy)


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


def _text() -> Finding:
    encoding = sys.stdout.encoding.lower()
    if encoding != "utf-8":
        return Finding("text", Verdict.NOTE, f"printed as {encoding}: what it lacks is written as \\u2026", "Set LANG to C.UTF-8.")
    return Finding("text", Verdict.GOOD, encoding)


def _tools(names: Iterable[str]) -> list[Finding]:
    found = {name: find(name) for name in names}
    lacking = [name for name, tool in found.items() if tool is None]
    if not lacking:
        return [Finding("tools", Verdict.GOOD, f"{len(found)} found")]
    build = Finding(
        "tools", Verdict.NOTE, f"not built yet: {', '.join(lacking)}", "`commonweal tools` builds them: about 12 minutes on two processors."
    )
    return [build, _go()]


def _go() -> Finding:
    found = golang.find()
    if found:
        return Finding("Go", Verdict.GOOD, str(found))
    return Finding(
        "Go", Verdict.NOTE, "none that is new enough", f"`commonweal tools` installs Go {golang.WHEEL} from a wheel into the cache."
    )


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
        return Finding(f"certificates of {of}", Verdict.NOTE, said, f"{renewal} issues them again.")
    return Finding(f"certificates of {of}", Verdict.GOOD, said or "none yet")


def _bridge() -> Finding:
    subject = f"addresses {NETWORK}.0/24"
    if machine.program("ip") is None:
        return Finding(subject, Verdict.NOTE, "not looked at, for there is no ip", kernel.INSTALL)
    clash = bridge.conflicting_interface()
    if clash:
        return Finding(subject, Verdict.MISSING, f"taken by {clash}", f"Take it down while sites run: `ip addr show {clash}`.")
    return Finding(subject, Verdict.GOOD, "free for sites")


def _forwarding() -> Finding:
    """A firewall that filters bridged packets, as container engines set up, would cut the sites off from each other."""
    filtered = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if filtered.exists() and filtered.read_text().strip() == "1" and not checks.forwards_by_default():
        remedy = f"iptables -I FORWARD -i {BRIDGE} -o {BRIDGE} -j ACCEPT"
        return Finding("traffic between sites", Verdict.NOTE, "this machine's firewall drops forwarded packets", remedy)
    return Finding("traffic between sites", Verdict.GOOD, "not filtered by this machine")
