"""What the picture of a demonstration is made from: stages, the parts of each site's start, its pods, and whose processor time it was."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from processor import Sampler, by_group, most_used

from commonweal_cli.demo.command import TO_FIRST_READ
from commonweal_cli.kubectl import Kubectl
from commonweal_local import sites, toolchain
from commonweal_local.sites.state import recorded

WIDTH_SECONDS = 1
MOST_PROGRAMS = 30
MADE_UP = re.compile(r"(-[a-z0-9]{6,10})?-[a-z0-9]{5}$")
PARTS = {
    "containerd": "images laid, containerd",
    "api-server": "API server",
    "node-ready": "node Ready",
    "add-ons": "add-ons",
    "ready": "all of it",
}


def series_of(record: Mapping[str, Any], pods: Mapping[str, Sequence[Mapping[str, Any]]], sampler: Sampler) -> dict[str, Any]:
    """Return everything up to the first consented read. The pods are those of the first site: the others' come up beside them."""
    first = record["stages"][TO_FIRST_READ]
    bins = sampler.bins[: int(first) + 1]
    return {
        "firstRead": round(first, 1),
        "stages": [_rounded(span) for span in record["spans"] if span["name"] != TO_FIRST_READ and span["at"] < first],
        "sites": [part for name in record["memory_mib"] for part in parts_of(name, record["since"])],
        "pods": list(next(iter(pods.values()), ())),
        "processor": {"width": WIDTH_SECONDS, "cores": os.cpu_count(), "groups": by_group(bins, WIDTH_SECONDS)},
        "programs": most_used(bins, MOST_PROGRAMS),
    }


def parts_of(name: str, since: float) -> list[dict[str, Any]]:
    """Return when each part of a site was there, counted from its first process's start."""
    state = recorded(sites.find(name))
    at = state["started"] - since
    return [
        {"name": f"site {name}: {PARTS.get(mark, mark)}", "at": round(at, 1), "seconds": round(s, 1)} for mark, s in state["marks"].items()
    ]


def pods_of(name: str, since: float) -> list[dict[str, Any]]:
    """Return from when to when each of a site's pods came up; the API server tells whole seconds."""
    cluster = Kubectl(toolchain.path_of("kubectl"), sites.find(name).kubeconfig, name)
    return started(cluster.items("pods"), since)


def started(items: Sequence[Mapping[str, Any]], since: float) -> list[dict[str, Any]]:
    """Return from when a node was found for each pod that is Ready until it was. Pure."""
    found = []
    for pod in items:
        times = {c["type"]: _seconds(c["lastTransitionTime"]) for c in pod["status"].get("conditions", ()) if c["status"] == "True"}
        if {"PodScheduled", "Ready"} <= times.keys():
            meta, seconds = pod["metadata"], times["Ready"] - times["PodScheduled"]
            name = f"{meta['namespace']}/{MADE_UP.sub('', meta['name'])}"
            found.append({"name": name, "at": round(max(times["PodScheduled"] - since, 0.0), 1), "seconds": seconds})
    return found


def ended(pods: Sequence[Mapping[str, Any]]) -> float:
    """Return how long the pod in the middle took."""
    return float(median(pod["seconds"] for pod in pods))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _rounded(span: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": span["name"], "at": round(span["at"], 1), "seconds": round(span["seconds"], 1)}
