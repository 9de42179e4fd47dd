"""Making a site its own machine, from inside fresh namespaces: host name, directories, kernel settings, uplink."""

from __future__ import annotations

import socket
from pathlib import Path

from commonweal_local.paths import write
from commonweal_local.shell import run
from commonweal_local.sites.balancer import UPLINK
from commonweal_local.sites.site import HOST_ADDRESS, Site
from commonweal_local.waiting import until

OWN_DIRECTORIES = ("/var/lib", "/var/log")
# The kubelet writes these host-wide settings unless they already read as it wants.
SETTINGS_OF_THE_HOST = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
SETTINGS_OF_THE_SITE = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}


def enter(site: Site) -> None:
    """Prepare the namespaces; called once, by the site's first process, which must be process 1."""
    socket.sethostname(site.node)
    _mounts(site)
    _mask_settings(site)
    _uplink(site)


def behind(site: Site, target: str) -> Path:
    """Where a directory of the site's own lies on the machine."""
    return site.directory / "node" / target.strip("/").replace("/", "-")


def _mounts(site: Site) -> None:
    """Private /run, /var/lib and /var/log: every tool keeps its default paths, and everything goes with the namespace."""
    # Unmounts of the host still reach us (slave); pods may propagate mounts among themselves (shared).
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for target in OWN_DIRECTORIES:
        own = behind(site, target)
        own.mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", own, target)


def _mask_settings(site: Site) -> None:
    """Cover host-wide settings with files that already hold what the kubelet would write."""
    for key, value in SETTINGS_OF_THE_HOST.items():
        file = write(site.etc / "sysctl" / key.replace("/", "."), value + "\n")
        if Path("/proc/sys", key).exists():
            run("mount", "--bind", file, f"/proc/sys/{key}")


def _uplink(site: Site) -> None:
    run("ip", "link", "set", "lo", "up")
    # The host pushes the cable's end in as soon as it knows our process.
    until("the uplink", 20, lambda: f"{UPLINK}:" in Path("/proc/net/dev").read_text(), every=0.02)
    run("ip", "addr", "add", f"{site.address}/24", "dev", UPLINK)
    run("ip", "link", "set", UPLINK, "up")
    run("ip", "route", "add", "default", "via", HOST_ADDRESS)
    for key, value in SETTINGS_OF_THE_SITE.items():
        try:
            Path("/proc/sys", key).write_text(value)
        except OSError as error:
            print(f"setting {key}: {error}", flush=True)
