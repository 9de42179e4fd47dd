"""Who waits for objects of ours to say Ready is told by the API server, and is not told too early."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from support.control_plane import ControlPlane, find_tools
from support.kube_api import MERGE, KubeApi
from support.manifests import department

PATH = "/apis/commonweal.dev/v1alpha1/departments"
NAMES = ("waits-one", "waits-two")


@pytest.fixture
def cluster(control_plane: ControlPlane, api: KubeApi) -> Iterator[Kubectl]:
    """The API server as the demonstration reaches it, with two departments that nobody reports on."""
    for name in NAMES:
        api.apply(department(name=name))
    yield Kubectl(find_tools("kubectl")["kubectl"], control_plane.kubeconfig(), "plane")
    for name in NAMES:
        api.request("DELETE", f"{PATH}/{name}")


def say(api: KubeApi, name: str, status: str) -> None:
    """Report on a department, as the operator does."""
    generation = api.request("GET", f"{PATH}/{name}")["metadata"]["generation"]
    found: dict[str, Any] = {
        "type": "Ready",
        "status": status,
        "reason": "AllReady" if status == "True" else "StoreStarting",
        "message": "",
    }
    condition = {**found, "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    api.request("PATCH", f"{PATH}/{name}/status", {"status": {"conditions": [condition]}}, content_type=MERGE)


def test_a_wait_ends_with_the_report_that_was_waited_for(cluster: Kubectl, api: KubeApi) -> None:
    said: list[str] = []
    say(api, NAMES[0], "False")

    def heard(line: str) -> None:
        said.append(line)
        # Each report comes only when it is seen to be missing, so the wait is under way.
        if "and 1 more" in line:
            say(api, NAMES[0], "True")
        elif NAMES[1] in line:
            say(api, NAMES[1], "True")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cluster.wait_for, ["departments"], "Ready", 60, heard).result(90)
    assert any("StoreStarting" in line for line in said)
    assert said[-1] == f"plane: waits for Department {NAMES[1]} (no status yet)"


def test_a_wait_that_runs_out_names_what_was_missing(cluster: Kubectl) -> None:
    with pytest.raises(KubectlError, match=rf"not ready after 1 s:\n  Department {NAMES[0]} \(no status yet\)"):
        cluster.wait_for(["departments"], "Ready", 1, lambda _: None)
