"""A real site with pods through Cluster API: made, brought to another version and size while a pod answers, and taken away."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from commonweal_local import sites
from commonweal_local.images.base import BASE_IMAGE
from commonweal_local.sites import bridge, cgroups, processes
from commonweal_local.sites.api import Api
from commonweal_local.waiting import until
from support.local_provider import NEW, OLD, LocalFleet, site

pytestmark = [
    pytest.mark.sites,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites with pods need root; run the tests with sudo"),
]
NAME = "elife"
PATIENCE = 90.0
EVERY = 0.1


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("home")
        patch.setenv("COMMONWEAL_HOME", str(place))
        yield place
        assert sites.down() == []


@pytest.fixture(scope="module")
def fleet(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    """The provider as root, without a mode of its own: pods are the default."""
    with LocalFleet(tmp_path_factory.mktemp("capi"), home) as running:
        yield running


class Asking:
    """Asks an address ten times a second, from the host, and counts what was not answered."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.answered, self.refused = 0, list[str]()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                with urllib.request.urlopen(self._url, timeout=2) as answer:
                    self.answered += answer.read() == b"here\n"
            except (OSError, urllib.error.URLError) as error:
                self.refused.append(str(error))


def serve(api: Api) -> str:
    """A pod behind a load balancer's address; the URL once it answers."""
    container = {
        "name": "web",
        "image": BASE_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", "mkdir -p /tmp/www && echo here > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"],
    }
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    selector = {"matchLabels": {"app": "web"}}
    meta = {"name": "web", "namespace": "default"}
    api.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"selector": selector, "template": pod}})
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports}
    api.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    until("the pod", PATIENCE, lambda: not api.unavailable(("default",)), every=0.3)

    def address() -> str:
        ingress = api.call("GET", "/api/v1/namespaces/default/services/web")["status"]["loadBalancer"].get("ingress") or [{}]
        return str(ingress[0].get("ip", ""))

    until("an address", PATIENCE, lambda: bool(address()), every=0.3)
    url = f"http://{address()}/"
    until("an answer", PATIENCE, lambda: b"here" in urllib.request.urlopen(url, timeout=2).read(), meanwhile=(OSError,))
    return url


def pods(api: Api) -> dict[str, tuple[str, int]]:
    """Each pod's container and how often it was started again."""
    found: list[dict[str, Any]] = api.call("GET", "/api/v1/pods")["items"]
    return {pod["metadata"]["uid"]: (c["containerID"], c["restartCount"]) for pod in found for c in pod["status"]["containerStatuses"]}


def node(api: Api) -> dict[str, Any]:
    (found,) = api.call("GET", "/api/v1/nodes")["items"]
    return dict(found["status"])


def test_a_site_lives_through_an_upgrade_while_its_pods_answer_and_leaves_nothing(fleet: LocalFleet, home: Path) -> None:
    fleet.declare(NAME)
    fleet.available(NAME)
    one = site(NAME)
    api, first = Api(one), processes.first_process(one)
    assert (fleet.object("LocalControlPlane", NAME) or {})["status"]["mode"] == "Pods"
    assert node(api)["nodeInfo"]["kubeletVersion"] == OLD
    url = serve(api)
    before = pods(api)

    with Asking(url) as asking:
        fleet.declare(NAME, NEW, revision="r3", nodes=1)
        fleet.runs(NAME, NEW)
        until("the new size", PATIENCE, lambda: mib(node(api)["allocatable"]["memory"]) < 8192, every=0.3)
    assert asking.refused == []
    assert asking.answered > 20
    assert api.call("GET", "/version")["gitVersion"] == node(api)["nodeInfo"]["kubeletVersion"] == NEW
    assert pods(api) == before, "no pod was started again or replaced"
    assert processes.first_process(one) == first
    assert 7 * 1024 < mib(node(api)["allocatable"]["memory"]) < mib(node(api)["capacity"]["memory"])
    fleet.available(NAME)

    members = list(processes.members(one))
    fleet.delete(NAME)
    assert not any(processes.alive(pid) for pid in members)
    assert one.link not in bridge.links()
    assert not [group for group in cgroups.hierarchies() if (group / one.cgroup).exists()]
    assert str(home) not in Path("/proc/self/mounts").read_text()
    assert [entry.name for entry in (home / "sites").iterdir()] in ([".lock"], [])


def mib(quantity: str) -> int:
    """Memory as a kubelet reports it."""
    return int(quantity.removesuffix("Ki")) // 1024
