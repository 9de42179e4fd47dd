"""`commonweal score` on a live namespace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commonweal_cli.main import main
from contract.lockin.corpus import deployment, exempted
from support.control_plane import ControlPlane


@pytest.fixture(scope="module")
def site(plane: ControlPlane) -> ControlPlane:
    """One department, in whose namespace somebody has written what warns, what is exempt, and what was exempt."""
    plane.install_crds()
    plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dept-scored", "labels": {"commonweal.dev/department": "scored"}}}
    )
    spec = {"displayName": "Scored", "contact": "mailto:a@scored.example"}
    plane.apply({"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": {"name": "scored"}, "spec": spec})
    for name, image, exempt in (("warned", "ghcr.io/a", ""), ("kept", "gcr.io/a", exempted(9)), ("late", "x.azurecr.io/a", exempted(-3))):
        plane.apply(deployment(image, name=name, namespace="dept-scored", exempt=exempt), user="cluster")
    derived = deployment("gcr.io/a", name="derived", namespace="dept-scored")
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "kept",
        "uid": "00000000-0000-0000-0000-000000000000",
        "controller": True,
    }
    plane.apply(derived | {"kind": "ReplicaSet", "metadata": derived["metadata"] | {"ownerReferences": [owner]}}, user="cluster")
    return plane


def _score(site: ControlPlane, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    status = main(["score", *words, "--kubeconfig", str(site.kubeconfig())])
    return status, capsys.readouterr()


def test_the_score_of_a_department_with_its_findings(site: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = _score(site, capsys, "scored", "--json")
    found = json.loads(said.out)["scored"]
    assert {(f["object"]["name"], f["rule"]) for f in found["findings"]} == {("warned", "public-images"), ("late", "cloud-images")}
    assert [(f["object"]["name"], f["exemption"]["daysLeft"]) for f in found["exempt"]] == [("kept", 9)]
    assert (found["score"], found["withoutExemptions"]) == (87, 82)
    assert status == 1  # an exemption has ended


def test_the_score_in_words(site: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = _score(site, capsys)
    assert "scored: 87 of 100" in said.out
    assert "exempt Deployment dept-scored/kept: cloud-images for 9 more days" in said.out
    assert "the next change of the object is refused" in said.out


def test_a_department_that_is_not_there_is_named(site: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = _score(site, capsys, "nobody")
    assert status == 2
    assert "There is no department 'nobody' (there are: scored)" in said.err
