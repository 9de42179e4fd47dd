"""Control groups of sites, in every hierarchy that the kernel has mounted (version 1, 2 or both)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from commonweal_local.sites.site import CGROUP, Site
from commonweal_local.waiting import within

MOUNTED = Path("/sys/fs/cgroup")
# What kubelet and runc bound pods with; version 1 has a hierarchy of its own for each.
NEEDED = ("cpu", "cpuset", "memory", "pids")
REMEDY = (
    "Mount control groups with these controllers (boot with `cgroup_enable=memory`; in a container, run it privileged with /sys/fs/cgroup)"
)
INHERITED = ("cpuset.mems", "cpuset.cpus")


def hierarchies(mounted: Path = MOUNTED) -> list[Path]:
    """The root of each hierarchy: one in version 2, several in version 1."""
    if (mounted / "cgroup.controllers").exists():
        return [mounted]
    return [path for path in mounted.iterdir() if path.is_dir() and not path.is_symlink()]


def lacking(mounted: Path = MOUNTED) -> list[str]:
    """The controllers that pods need and the kernel does not offer here."""
    try:
        unified = mounted / "cgroup.controllers"
        offered = set(unified.read_text().split()) if unified.exists() else {path.name for path in mounted.iterdir()}
    except OSError:
        return list(NEEDED)  # nothing is mounted there
    return [name for name in NEEDED if name not in offered]


def make(site: Site) -> None:
    """Make the site's group everywhere: the kubelet wants its root group in every hierarchy.

    Groups that a killed predecessor left hold the kubelet up for seconds each, so they are removed first.
    """
    for hierarchy in hierarchies():
        prune(hierarchy / site.cgroup)
        group = hierarchy
        for part in Path(site.cgroup).parts:
            above, group = group, group / part
            group.mkdir(exist_ok=True)
            _inherit(above, group)


def remove(site: Site) -> list[str]:
    """Remove the site's groups; returns those that would not go."""
    return [left for hierarchy in hierarchies() for left in prune(hierarchy / site.cgroup)]


def remove_parent() -> None:
    """Remove the group above all sites, where no other site is left in it."""
    for hierarchy in hierarchies():
        with suppress(OSError):
            (hierarchy / CGROUP).rmdir()


def prune(group: Path) -> list[str]:
    """Remove a group and all below it, for up to 4 s while its processes end; returns it when it would not go."""

    def gone() -> bool:
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        return not group.exists()

    return [] if within(4, gone) else [f"control group {group}"]


def _inherit(above: Path, group: Path) -> None:
    """Version 1: a new cpuset admits no process until it has its own copy of these two."""
    for name in INHERITED:
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((above / name).read_text())
