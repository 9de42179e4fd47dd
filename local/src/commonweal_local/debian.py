"""Debian packages: what sites and images need from the machine, what is missing, and installing it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from commonweal_local import machine
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress
from commonweal_local.shell import CommandFailed, run

# package -> a file or program that shows it is there, whoever installed it
SITE_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "nftables": "nft",
    "iproute2": "ip",
    "util-linux": "unshare",
    "busybox-static": "busybox",
}
TEST_PACKAGES = {
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
    "mariadb-server-core": "/usr/sbin/mariadbd",
    "mariadb-client-core": "/usr/bin/my_print_defaults",  # the server's own set-up asks it for its defaults
}
POLICY = Path("/usr/sbin/policy-rc.d")


def missing(packages: dict[str, str]) -> list[str]:
    """Those packages whose program or file is not on this machine."""
    return [package for package, sign in packages.items() if not _present(sign)]


def has_apt() -> bool:
    return shutil.which("apt-get") is not None


def install_command(packages: Iterable[str]) -> str:
    """The command for a person to run."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def install(packages: list[str], progress: Progress) -> None:
    """Install packages without starting their services; without root, raises LocalError that gives the command."""
    if not packages:
        return
    if not has_apt():
        raise LocalError(
            f"Not installed: {', '.join(packages)} (named as in Debian)",
            "Install what they contain with this system's own package program.",
        )
    if os.geteuid() != 0:
        raise LocalError(f"Not installed: {', '.join(packages)}", f"Run: {install_command(packages)}")
    with progress.step(f"installing Debian packages {', '.join(packages)}") as step, _no_services():
        step.update("package lists")
        refresh_lists()
        step.update("download and set-up")
        _apt("install", "--yes", "--no-install-recommends", *packages)


def install_files(files: Sequence[Path]) -> None:
    """Install package files without fetching anything and without starting services; needs root. Raises LocalError."""
    with _no_services():
        try:
            run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *files)
        except CommandFailed as error:
            raise LocalError(f"dpkg could not install the packages ({error})", "Mend what it says, then repeat.") from error


def refresh_lists() -> None:
    """Fetch the lists of packages; needs root."""
    _apt("update")


def _apt(*words: str) -> None:
    try:
        run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", *words)
    except CommandFailed as error:
        raise LocalError(
            f"apt-get {words[0]} failed: {error}", "Mend what it says (often the network or a held lock), then repeat."
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


def _present(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    return machine.program(sign) is not None
