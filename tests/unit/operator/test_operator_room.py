"""Attack d: what the platform runs keeps its place on a node that somebody else fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

OUTPUTS = sorted((Path(__file__).resolve().parents[2] / "golden").glob("*/output.yaml"))


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Return the pods of every golden department, by the name of their workload."""
    objects = [obj for path in OUTPUTS for obj in yaml.safe_load_all(path.read_text())]
    found = [(o["metadata"]["name"], o["spec"]["template"]["spec"]) for o in objects if o["kind"] in ("Deployment", "StatefulSet")]
    assert len(found) >= 9
    return found


def test_d_every_container_asks_for_all_the_memory_and_disk_that_it_may_take() -> None:
    """A node that runs short ends first who takes more than was asked for, whatever priority it has."""
    for name, pod in pods():
        for container in pod["containers"]:
            limits, requests = container["resources"]["limits"], container["resources"]["requests"]
            assert set(limits) == {"memory", "ephemeral-storage"}, name
            assert {part: requests[part] for part in limits} == limits, name


def test_d_a_pod_starts_again_on_a_node_that_was_short_of_memory() -> None:
    """Whoever made the node short would otherwise keep a store away for five minutes more."""
    for name, pod in pods():
        assert {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"], name
