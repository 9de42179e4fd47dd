"""What Helm makes of our charts is what we wrote: Helm reads no template into a schema or a policy."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_operator.desired.platform import PRIORITY_CLASS
from support.control_plane import REPOSITORY, find_tools
from support.kube_api import manifests_in

CHARTS = REPOSITORY / "charts"


def _rendered(chart: Path, *settings: str) -> dict[tuple[str, str], dict[str, Any]]:
    command: list[str | Path] = [
        find_tools("helm")["helm"],
        "template",
        "test",
        chart,
        "--namespace",
        "commonweal-system",
        "--kube-version",
        "1.36.3",
        *settings,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(m["kind"], m["metadata"]["name"]): m for m in manifests_in(done.stdout)}


def test_the_definitions_come_out_as_they_are_in_crds_but_kept() -> None:
    rendered = _rendered(CHARTS / "commonweal-crds")
    for definition in manifests_in(REPOSITORY / "crds"):
        found = rendered.pop((definition["kind"], definition["metadata"]["name"]))
        assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert found == definition
    assert rendered == {}


@pytest.mark.parametrize(
    "written",
    [found for folder in ("access", "admission") for found in manifests_in(CHARTS / "commonweal" / "templates" / folder)],
    ids=lambda m: f"{m['kind']}-{m['metadata']['name']}",
)
def test_roles_and_admission_policies_come_out_as_written(written: dict[str, Any], platform: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert platform[written["kind"], written["metadata"]["name"]] == written


@pytest.fixture(scope="module")
def platform() -> dict[tuple[str, str], dict[str, Any]]:
    """All that the platform's chart renders, by kind and name."""
    return _rendered(
        CHARTS / "commonweal", "--set", ",".join(f"images.{name}={name}:1" for name in ("operator", "runtime", "store", "portal"))
    )


def test_the_policies_know_the_operator_under_the_name_that_the_chart_gives_it(platform: dict[tuple[str, str], dict[str, Any]]) -> None:
    (operator,) = platform["ClusterRoleBinding", "commonweal-operator"]["subjects"]
    known = f"system:serviceaccount:{operator['namespace']}:{operator['name']}"
    policies = {name: yaml.safe_dump(m, width=10_000) for (kind, name), m in platform.items() if kind == "ValidatingAdmissionPolicy"}
    naming = {name for name, text in policies.items() if "system:serviceaccount:commonweal-system" in text}
    assert {"commonweal-owned-objects", "commonweal-operator-objects", "commonweal-traffic", "commonweal-registrars"} <= naming
    for name in naming:
        assert known in policies[name]


def test_every_pod_of_ours_has_the_class_that_the_chart_makes(platform: dict[tuple[str, str], dict[str, Any]]) -> None:
    """And it goes before a pod of no class, which is what a department's are, and after those of Kubernetes itself."""
    made = platform["PriorityClass", PRIORITY_CLASS]
    assert 0 < made["value"] <= 1_000_000_000
    assert made["globalDefault"] is False
    pods = [m["spec"]["template"]["spec"] for (kind, _), m in platform.items() if kind == "Deployment"]
    assert pods
    assert {pod["priorityClassName"] for pod in pods} == {PRIORITY_CLASS}
