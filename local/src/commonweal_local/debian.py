"""Debian packages: what sites, the demonstration and tests need from the machine and why, what is missing, and installing it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commonweal_local import machine
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import run


@dataclass(frozen=True)
class Package:
    """A package, what it is for, and the programs or files that show it is there, whoever installed them; `static` ones need no library."""

    name: str
    why: str
    signs: tuple[str, ...]
    static: bool = False

    def present(self) -> bool:
        """Whether all of it that is needed is on this machine."""
        found = [_place_of(sign) for sign in self.signs]
        return all(place is not None and (not self.static or machine.is_static(place)) for place in found)

    def line(self) -> str:
        """Its name, and why it is needed."""
        return f"{self.name} ({self.why})"


CNI = "/usr/lib/cni"
CHROMIUM = "/usr/bin/chromium"
SITE_PACKAGES = (
    Package("containerd", "keeps a site's images and runs its containers", ("containerd", "ctr", "containerd-shim-runc-v2")),
    Package("runc", "starts each container", ("runc",)),
    Package(
        "containernetworking-plugins",
        "connects pods to their site's network",
        tuple(f"{CNI}/{name}" for name in ("bridge", "host-local", "loopback", "portmap")),
    ),
    Package("iptables", "passes pods' packets to the network policies", ("iptables",)),
    Package("nftables", "leads services to their pods, and cuts sites off when asked to", ("nft",)),
    Package("iproute2", "lays the cables between sites", ("ip",)),
    Package("util-linux", "gives each site namespaces of its own", ("unshare", "nsenter", "setpriv")),
    Package("mount", "gives each site its own /run and /var/lib", ("mount",)),
    Package("busybox-static", "is what sandboxes and volumes of a site run", ("busybox",), static=True),
)
HERITAGE_PACKAGES = (
    Package(
        "postgresql-15",
        "is the heritage machine's database, which the demonstration's departments publish from",
        tuple(f"/usr/lib/postgresql/15/bin/{name}" for name in ("postgres", "initdb")),
    ),
)
TEST_PACKAGES = (
    Package("mariadb-server-core", "is a source that tests publish from", ("/usr/sbin/mariadbd", "mariadb-install-db")),
    Package("pgbouncer", "stands before a source in tests", ("/usr/sbin/pgbouncer",)),
    Package("chromium", "shows the portal's pages in tests", (CHROMIUM,)),
    Package("mariadb-client-core", "tells that server's set-up its defaults", ("/usr/bin/my_print_defaults",)),
)
DEMO_PACKAGES = (*SITE_PACKAGES, *HERITAGE_PACKAGES)
ALL_PACKAGES = (*DEMO_PACKAGES, *TEST_PACKAGES)
# A machine that was just started often installs its own updates.
WAIT = "DPkg::Lock::Timeout=300"
POLICY = Path("/usr/sbin/policy-rc.d")


def missing(packages: Iterable[Package]) -> list[Package]:
    """Those packages of which a program or a file is not on this machine."""
    return [package for package in packages if not package.present()]


def has_apt() -> bool:
    """Whether this is a Debian, or of its family."""
    return shutil.which("apt-get") is not None


def named(packages: Iterable[Package]) -> str:
    """Each package with the reason for it, in one line."""
    return ", ".join(package.line() for package in packages)


def install_command(packages: Iterable[Package]) -> str:
    """The command for a person to run."""
    return f"sudo apt-get install --no-install-recommends {' '.join(package.name for package in packages)}"


def install(packages: Sequence[Package], progress: Progress) -> None:
    """Install packages without starting their services, having said which and why.

    Raises LocalError: without root with the command to ask an administrator for; and when a program is still not there afterwards.
    """
    if not packages:
        return
    if not has_apt():
        raise LocalError(
            f"Not installed: {named(packages)}; named as in Debian",
            "Install what they contain with this system's own package program.",
        )
    if os.geteuid() != 0:
        raise LocalError(f"Not installed: {named(packages)}", f"Ask an administrator to run: {install_command(packages)}")
    progress.say("This machine lacks, and gets now from Debian:")
    for package in packages:
        progress.say(f"  {package.line()}")
    with progress.step(f"installing {len(packages)} Debian packages") as step, _no_services():
        step.update("package lists")
        refresh_lists()
        step.update("download and set-up")
        # Again, for a program may be gone of whose package dpkg says that it is installed.
        _apt("install", "--yes", "--no-install-recommends", "--reinstall", *(package.name for package in packages))
    _require_installed(packages)


def _require_installed(packages: Sequence[Package]) -> None:
    still = missing(packages)
    if still:
        raise LocalError(
            f"apt-get says that it installed what was missing, and of these there is still something missing: {named(still)}",
            f"Look where `dpkg --listfiles {still[0].name}` says that its files are, and that PATH leads there.",
        )


def install_files(files: Sequence[Path]) -> None:
    """Install package files without fetching anything and without starting services; needs root. Raises LocalError."""
    with _no_services():
        try:
            run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *files)
        except CommandFailedError as error:
            raise LocalError(f"dpkg could not install the packages ({error})", "Fix what it says, then repeat.") from error


def refresh_lists() -> None:
    """Fetch the lists of packages; needs root."""
    _apt("update")


def _apt(*words: str) -> None:
    try:
        run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", "-o", WAIT, *words)
    except CommandFailedError as error:
        raise LocalError(
            f"apt-get {words[0]} failed: {error}", "Fix what it says (often the network or a held lock), then repeat."
        ) from error


@contextmanager
def _no_services() -> Iterator[None]:
    """Sites start their own containerd: installing it must not start another one. A policy that is there is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(POLICY.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    try:
        yield
    finally:
        POLICY.unlink()


def _place_of(sign: str) -> Path | None:
    """Where a program or file is; None when it is nowhere, or is no program that can be started."""
    if sign.startswith("/"):
        return Path(sign) if os.access(sign, os.X_OK) else None
    found = machine.program(sign)
    return Path(found) if found else None
