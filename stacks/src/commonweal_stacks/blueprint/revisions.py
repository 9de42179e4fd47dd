"""The revisions there are. Add at the end; never edit one that a site may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from commonweal_stacks.blueprint.model import Blueprint, Kubelet, Machine, Network, Size
from commonweal_stacks.exceptions import UnknownRevisionError

_R1 = Blueprint(
    revision="r1",
    kubernetes="v1.36.3",
    network=Network(pods="10.244.0.0/16", services="10.96.0.0/16", domain="cluster.local"),
    admission=("NodeRestriction",),
    pod_security="baseline",
    encryption="secretbox",
    encrypted=("secrets", "configmaps"),
    audit_days=30,
    kubelet=Kubelet(max_pods=110, pod_pids=-1, log_mib=10, log_files=3),
    storage_classes=("std-rwo",),
    system="ubuntu-2404",
    machines={
        "standard-2": Machine(cpus=2, memory_gib=8, disk_gib=80),
        "standard-4": Machine(cpus=4, memory_gib=16, disk_gib=120),
        "standard-8": Machine(cpus=8, memory_gib=32, disk_gib=200),
    },
    sizes={
        "small": Size(planes=1, workers=2, plane="standard-2", worker="standard-4"),
        "medium": Size(planes=3, workers=3, plane="standard-4", worker="standard-4"),
        "large": Size(planes=3, workers=6, plane="standard-4", worker="standard-8"),
    },
)
# One pod cannot take all processes of a node any more.
_R2 = replace(_R1, revision="r2", kubelet=replace(_R1.kubelet, pod_pids=4096))
_R3 = replace(_R2, revision="r3", kubernetes="v1.37.2")
# No Service takes addresses that are somebody else's.
_R4 = replace(_R2, revision="r4", admission=(*_R2.admission, "DenyServiceExternalIPs"))
_R5 = replace(_R4, revision="r5", kubernetes=_R3.kubernetes)

REVISIONS: Mapping[str, Blueprint] = MappingProxyType({each.revision: each for each in (_R1, _R2, _R3, _R4, _R5)})
"""All revisions, old to new."""

CURRENT = "r4"
"""The revision of a site whose file names none."""


def revision(name: str) -> Blueprint:
    """Return a revision. Raises UnknownRevisionError."""
    found = REVISIONS.get(name)
    if found is None:
        raise UnknownRevisionError(f"there is no blueprint {name!r}; there are {', '.join(REVISIONS)}")
    return found


def current() -> Blueprint:
    """Return the revision that a new site gets."""
    return REVISIONS[CURRENT]
