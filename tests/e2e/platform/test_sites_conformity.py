"""Two real sites, tried: they keep the same promises; a hand that breaks one is found by what the site does, and a roll-out stops at it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonweal_cli.conform import DIFFERENT, EQUAL
from commonweal_cli.demo import bring_up
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.main import main as commonweal
from commonweal_cli.site import operations
from commonweal_stacks.api import Api
from commonweal_stacks.conformity import probes

pytestmark = pytest.mark.sites
ONPREM, CLOUD = bring_up.SITES
# By hand, without any label of ours: no object of the platform is touched, and yet everybody may talk to everybody.
OPENED = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "by-hand", "namespace": bring_up.SYSTEM},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
}


@pytest.fixture
def cloud(brought: bring_up.Brought) -> Kubectl:
    return named(brought, CLOUD)


def named(brought: bring_up.Brought, name: str) -> Kubectl:
    return next(cluster for cluster in brought.clusters if cluster.name == name)


@pytest.fixture(autouse=True)
def nothing_stays(brought: bring_up.Brought) -> Iterator[None]:
    """Whatever a test tried, no site keeps anything of it."""
    yield
    for cluster in brought.clusters:
        assert probes.left(Api(cluster.kubeconfig.read_text(), site=cluster.name)) == []


@contextmanager
def opened(cluster: Kubectl) -> Iterator[None]:
    """Open the platform's namespace to all traffic, for the length of the block."""
    cluster.apply_object(OPENED)
    try:
        yield
    finally:
        cluster.run("delete", "networkpolicy", "by-hand", "-n", bring_up.SYSTEM)


def test_one_site_signs_what_it_is_and_the_other_is_held_to_it(
    brought: bring_up.Brought, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "onprem.json", tmp_path / "onprem.jwk"
    key.write_text(brought.outcomes[ONPREM].outputs["siteKey"])

    assert commonweal(["conform", "sign", ONPREM, "--out", str(file)]) == EQUAL
    said = capsys.readouterr().out
    assert "breaks a promise" not in said
    assert "not probed" not in said
    statement = json.loads(named(brought, ONPREM).get("configmaps", "commonweal-conformity", bring_up.SYSTEM)["data"]["statement.json"])
    assert statement == json.loads(file.read_text())

    assert commonweal(["conform", "verify", str(file), "--key", str(key)]) == EQUAL
    assert commonweal(["conform", CLOUD, "--expect-file", str(file), "--key", str(key)]) == EQUAL
    file.write_text(json.dumps(statement | {"payload": statement["payload"][:-8] + "AAAAfQ=="}))
    assert commonweal(["conform", "verify", str(file), "--key", str(key)]) == DIFFERENT


LABEL = "pod-security.kubernetes.io/enforce"
MEMORY = "/spec/limits/0/default/memory"
LENGTH = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/displayName/maxLength"
KINDS = ("Namespace", "NetworkPolicy", "ValidatingAdmissionPolicyBinding", "LimitRange", "CustomResourceDefinition")


def replaced(path: str, value: object) -> str:
    """Return a patch of one value."""
    return json.dumps([{"op": "replace", "path": path, "value": value}])


# What a hand does with kubectl, and the leaves by which it is found: in what is there, and in what the site then does.
DRIFT: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("label", "namespace", bring_up.SYSTEM, f"{LABEL}=privileged", "--overwrite"),
        (
            f'layer: Namespace/{bring_up.SYSTEM}:metadata.labels."{LABEL}": "restricted" | "privileged"',
            'probes: pod-security.platform: "holds" | "broken: accepted"',
        ),
    ),
    (
        ("delete", "networkpolicy", "default-deny", "-n", bring_up.SYSTEM),
        (
            f'layer: NetworkPolicy.networking.k8s.io/{bring_up.SYSTEM}/default-deny:presence: (absent) | "gone"',
            'probes: network.platform-in: "holds" | "broken: open"',
            'probes: network.platform-out: "holds" | "broken: open"',
        ),
    ),
    (
        ("delete", "validatingadmissionpolicybinding", "commonweal-department-namespaces"),
        (
            'commonweal-department-namespaces:presence: (absent) | "gone"',
            'probes: admission.agreement-in-a-department: "holds" | "broken: accepted"',
        ),
    ),
    (
        ("patch", "limitrange", "-n", bring_up.SYSTEM, "commonweal-platform", "--type=json", "-p", replaced(MEMORY, "300Mi")),
        (f"layer: LimitRange/{bring_up.SYSTEM}/commonweal-platform:spec.limits",),
    ),
    (
        ("patch", "crd", "departments.commonweal.dev", "--type=json", "-p", replaced(LENGTH, 9999)),
        ("spec.properties.displayName.maxLength: 120 | 9999",),
    ),
)


def test_what_a_hand_breaks_is_found_by_what_the_site_does_and_mended_by_pulumi(
    brought: bring_up.Brought, cloud: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "trees.html"
    assert commonweal(["conform", ONPREM, CLOUD, "--no-probes"]) == EQUAL
    try:
        for words, _ in DRIFT:
            cloud.run(*words)
        assert commonweal(["conform", ONPREM, CLOUD, "--html", str(picture)]) == DIFFERENT
    finally:
        mended = " ".join(operations.up(CLOUD, refresh=True, say=lambda _: None).changed)
    assert [kind for kind in KINDS if kind not in mended] == []
    said = capsys.readouterr().out
    assert [leaf for _, leaves in DRIFT for leaf in leaves if leaf not in said] == [], said
    probed = [line.split(": ")[1] for line in said.splitlines() if line.startswith("  probes: ")]
    assert probed == ["admission.agreement-in-a-department", "network.platform-in", "network.platform-out", "pod-security.platform"]
    assert re.search(r"\b4 of \d+ leaves differ", picture.read_text())
    assert commonweal(["conform", ONPREM, CLOUD, "--no-probes"]) == EQUAL


def test_a_roll_out_stops_at_the_site_that_breaks_a_promise_goes_on_when_it_is_mended_and_goes_back(
    brought: bring_up.Brought, cloud: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["roll", "--sites", f"{ONPREM},{CLOUD}", "--rings", "1,all"]
    with opened(cloud):
        assert commonweal(["fleet", *words]) == 1
    said = capsys.readouterr().out
    assert "ring 1: 1 done" in said
    assert f"{CLOUD}: it breaks a promise: network.platform-in: broken: open: reached: platform; network.platform-out: broken: open" in said

    assert commonweal(["fleet", *words]) == 0
    assert "ring 2: 1 done" in capsys.readouterr().out

    assert commonweal(["fleet", "rollback", "--sites", CLOUD]) == 0
    assert f"{CLOUD}: rolled back" in capsys.readouterr().out
