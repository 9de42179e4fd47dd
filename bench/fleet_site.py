"""One site through Cluster API and Pulumi: cold, warm, and which part of `pulumi up` takes how long. Part of bench/fleet.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from commonweal_cli.site import operations
from commonweal_local import paths
from commonweal_stacks.conformity.examine import examine
from commonweal_stacks.site import IMAGE_NAMES, IMAGES_KEY, SITE_KEY, stack_file

SITE = "benchsite"
# The parts of a run, in their order, and the line with which each ends; the last one ends with the run.
ENDS = {
    "engine, plug-ins and program": "created pulumi:providers:kubernetes",
    "cluster Available": "created Cluster.cluster.x-k8s.io/",
    "definitions": "created CustomResourceDefinition",
    "the rest of the platform layer": "",
}


@dataclass(frozen=True)
class OneSite:
    """What one site took: figures in seconds, and the share of each part of the cold run."""

    figures: Mapping[str, float]
    shares: Mapping[str, float]


def one_site(home: Path) -> OneSite:
    """Bring one control-plane site up from nothing, and once more. Its pods are simulated, so no image is fetched and none starts."""
    project = _project(home)
    heard: list[tuple[float, str]] = []
    begun = time.monotonic()
    cold = operations.up(SITE, say=lambda line: heard.append((time.monotonic() - begun, line)), project=project)
    whole = time.monotonic() - begun
    warm = operations.up(SITE, say=lambda _line: None, project=project)
    changes = sum(number for kind, number in warm.counts.items() if kind != "same")
    if changes:
        raise RuntimeError(f"the second `pulumi up` of {SITE} made {changes} changes: {warm.changed}")
    return OneSite(
        {
            "`pulumi up` of a site from nothing (control plane; Cluster, API server, platform layer)": round(cold.seconds, 1),
            "`pulumi up` of a site that is there": round(warm.seconds, 1),
            "digest of a site, nothing tried": examined(project, probing=False),
            "digest of a site, its promises tried (those that need no pod)": examined(project, probing=True),
        },
        shares(heard, whole),
    )


def examined(project: Path, *, probing: bool) -> float:
    """Return how long the digest of the site takes, seconds; comparing two of them is no work."""
    begun = time.monotonic()
    examine(SITE, project, probing=probing, say=lambda _line: None)
    return round(time.monotonic() - begun, 1)


def shares(heard: list[tuple[float, str]], whole: float) -> dict[str, float]:
    """Return the seconds of each part; a part ends with the last of its lines."""
    found, before = {}, 0.0
    for part, end in ENDS.items():
        times = [at for at, line in heard if end and line.startswith(end)]
        at = max(times, default=before) if end else whole
        if part == "engine, plug-ins and program":
            at = min(times, default=before)  # each cluster of a stack has a provider; the first shows that the program runs
        found[part], before = round(max(at - before, 0.0), 1), max(at, before)
    return found


def _project(home: Path) -> Path:
    committed, copy = paths.source() / "stacks" / "site", home / "bench-site"
    images = paths.write(copy / "images.json", {name: f"localhost/commonweal/{name}:simulated" for name in IMAGE_NAMES})
    for name in ("Pulumi.yaml", "__main__.py"):
        paths.write(copy / name, (committed / name).read_text(encoding="utf-8"))
    site = {
        "name": SITE,
        "kind": "local",
        "local": {"mode": "ControlPlane"},
        "clientCidrs": [],
        "storage": {"provisioner": "rancher.io/local-path"},
        "identity": {"enabled": True},
    }
    paths.write(copy / stack_file(SITE), yaml.safe_dump({"config": {SITE_KEY: site, IMAGES_KEY: str(images)}}))
    return copy
