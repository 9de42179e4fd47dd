"""The management cluster: Cluster API's core with its webhooks, put there by `pulumi up`, and what it is allowed."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from commonweal_cli.management.stack import apply
from commonweal_local import management
from commonweal_local.progress import Silent
from commonweal_stacks import blueprint
from commonweal_stacks import fleet_names as names
from contract.management.conftest import Home
from support.kube_api import Refused
from support.waiting import wait_for


def silent(_line: str) -> None:
    """Nothing is shown."""


CORE = f"{names.GROUP}/{names.VERSION}"


def cluster(name: str, revision: str = "local-r2", version: str = "v1.36.3", **variables: Any) -> dict[str, Any]:
    topology = {"classRef": {"name": revision}, "version": version, "variables": [{"name": k, "value": v} for k, v in variables.items()]}
    return {"apiVersion": CORE, "kind": "Cluster", "metadata": {"name": name, "namespace": names.FLEET}, "spec": {"topology": topology}}


def test_one_up_brings_definitions_controller_webhooks_and_classes_in_an_order_that_holds(home: Home) -> None:
    assert set(home.first.counts) == {"create"}
    made = [line.removeprefix("created ") for line in home.said if line.startswith("created ")]
    order = [
        next(n for n, line in enumerate(made) if line.startswith(kind)) for kind in ("CustomResource", "MutatingWebhook", "ClusterClass")
    ]
    assert order == sorted(order)
    assert home.first.outputs["namespace"] == names.FLEET
    for revision in blueprint.REVISIONS:
        found = home.client().get(
            {"apiVersion": CORE, "kind": "ClusterClass", "metadata": {"name": f"local-{revision}", "namespace": names.FLEET}}
        )
        assert any(c["type"] == "VariablesReady" and c["status"] == "True" for c in found["status"]["conditions"])


def test_a_second_up_changes_nothing_and_leaves_what_runs(home: Home) -> None:
    before = home.pids()
    management.up(Silent())
    assert home.pids() == before
    assert set(apply(silent).counts) == {"same"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (cluster("x", version="newest", nodes=2), "version: Invalid value: .*newest"),
        (cluster("x", nodes="many"), "nodes.*integer"),
        (cluster("x", nodes=2, colour="red"), "colour.*not defined"),
        (cluster("x"), 'variable "nodes" must be set'),
    ],
)
def test_the_webhooks_refuse_a_cluster_that_its_class_does_not_allow(home: Home, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        home.client().create(wrong, dry_run=True)


def test_a_cluster_of_the_class_is_taken_and_gets_the_classs_defaults(home: Home) -> None:
    taken = home.client().create(cluster("x", nodes=2), dry_run=True)
    assert taken["spec"]["topology"]["classRef"] == {"name": "local-r2"}


def test_each_controller_may_do_its_own_work_and_no_more(home: Home) -> None:
    core, provider = home.client("cluster-api"), home.client("local-provider")
    assert core.may("patch", "clusters", names.GROUP)
    assert core.may("create", "localcontrolplanes", "local.commonweal.dev"), "the provider's role is taken over"
    assert provider.may("patch", "localclusters/status", "local.commonweal.dev")
    for user in (core, provider):
        assert not user.may("create", "clusterrolebindings", "rbac.authorization.k8s.io")
        assert not user.may("create", "validatingwebhookconfigurations", "admissionregistration.k8s.io")
    assert not provider.may("delete", "clusters", names.GROUP)


def test_nobody_comes_in_without_a_certificate(home: Home) -> None:
    from support.kube_api import KubeApi

    stranger = KubeApi(home.plane.server, "guessed", home.plane.pki / "ca.crt")
    with pytest.raises(Refused, match="401"):
        stranger.request("GET", f"/apis/{CORE}/clusters")


def test_no_key_lies_in_pulumis_state_and_none_can_be_read_by_others(home: Home) -> None:
    keys = [re.sub(r"-----[A-Z ]+-----|\s", "", file.read_text()) for file in sorted(home.plane.pki.glob("*.key"))]
    state = "".join(file.read_text() for file in (home.path / "pulumi" / "state").rglob("*.json")).replace("\\n", "")
    assert "ClusterClass" in state
    assert len(keys) > 5
    assert not [key for key in keys if key in state]
    assert "client-key-data" not in state
    assert not [file for file in home.plane.pki.glob("*") if file.suffix in (".key", ".conf") and file.stat().st_mode & 0o077]


def test_a_controller_that_is_killed_comes_back(home: Home) -> None:
    before = home.pids()
    os.kill(before["cluster-api"], signal.SIGKILL)

    def back() -> bool | None:
        return (home.pids()["cluster-api"] != before["cluster-api"] and management.status().controllers["cluster-api"]) or None

    wait_for("the core controller to answer again", back)
    assert home.pids()["kube-apiserver"] == before["kube-apiserver"]


def test_the_definitions_that_hold_every_site_are_not_deleted_by_a_destroy(home: Home) -> None:
    from commonweal_cli.site.stack import Stack
    from commonweal_local import paths
    from commonweal_local.exceptions import LocalError

    stack = Stack("management", paths.source() / "stacks" / "management", directory="management", title="the management stack")
    with pytest.raises(LocalError, match="protect"):
        stack.run("destroy", silent)
    for revision in blueprint.REVISIONS:
        home.client().get({"apiVersion": CORE, "kind": "ClusterClass", "metadata": {"name": f"local-{revision}", "namespace": names.FLEET}})
