"""A management cluster that is lost with all its files: its sites go on, and are found again when it is made anew."""

from __future__ import annotations

import os
import shutil
import signal
from typing import Any

from commonweal_cli.management.stack import apply
from commonweal_local import management, sites
from commonweal_local.progress import Silent
from commonweal_local.sites import processes
from commonweal_local.sites.api import Api
from commonweal_local.waiting import until
from commonweal_stacks import blueprint, clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.site import parse_site
from contract.management.conftest import Home
from support.waiting import wait_for

NAME = "outlived"
SITE = {
    "name": NAME,
    "kind": "local",
    "local": {"mode": "ControlPlane"},
    "clientCidrs": [],
    "storage": {"provisioner": "rancher.io/local-path"},
}


def declare(home: Home) -> None:
    """Say that the site should be, as its stack does, and wait until it is Available."""
    objects = clusters.site_objects(parse_site(SITE, stack=NAME), blueprint.current())
    for obj in objects:
        home.client().apply(obj)

    def available() -> bool | None:
        conditions: list[dict[str, Any]] = home.client().get(objects[-1]).get("status", {}).get("conditions", [])
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions) or None

    wait_for(f"site {NAME} to be Available", available, every=0.25)


def test_sites_outlive_it_and_are_adopted_by_the_next_one(home: Home) -> None:
    declare(home)
    site = sites.find(NAME)
    first, api = processes.first_process(site), Api(site)
    uid = api.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    pids = list(home.pids().values())
    os.kill(pids[0], signal.SIGKILL)
    until("its programs to end with it", 20, lambda: not any(processes.alive(pid) for pid in pids))
    shutil.rmtree(home.path / "management")
    assert api.ready(), "the site goes on without it"

    management.up(Silent())
    said: list[str] = []
    assert set(apply(said.append).counts) == {"create"}
    assert any("is another than before" in line for line in said)
    declare(home)
    assert processes.first_process(sites.find(NAME)) == first, "the running site was adopted, not started again"
    assert api.call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"] == uid
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.kubeconfig_secret(NAME), "namespace": names.FLEET}}
    assert home.client().get(secret)["data"][names.KUBECONFIG_KEY]
