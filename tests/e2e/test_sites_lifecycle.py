"""A real site with pods through Cluster API: made, brought to another version, restored and rotated while a pod answers, and taken away."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commonweal_cli import main
from commonweal_local import sites
from commonweal_local.images.base import BASE_IMAGE
from commonweal_local.sites import bridge, cgroups, data_guard, processes, rotation
from commonweal_local.sites.api import Api
from commonweal_local.sites.site import Site
from commonweal_local.waiting import until
from commonweal_stacks import fleet_names as names
from support.asking import Asking
from support.local_provider import NEW, OLD, LocalFleet, site
from support.waiting import HANG

pytestmark = [
    pytest.mark.sites,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites with pods need root; run the tests with sudo"),
]
NAME = "elife"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


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


def asking(url: str) -> Asking:
    """Ask the pod, from the host; another answer than its own is none."""

    def ask() -> None:
        with urllib.request.urlopen(url, timeout=2) as answer:
            if (said := answer.read()) != b"here\n":
                raise OSError(f"{url} answered {said!r}")

    return Asking(ask)


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
    until("the pod", HANG, lambda: not api.unavailable(("default",)), every=0.3)

    def address() -> str:
        ingress = api.call("GET", "/api/v1/namespaces/default/services/web")["status"]["loadBalancer"].get("ingress") or [{}]
        return str(ingress[0].get("ip", ""))

    until("an address", HANG, lambda: bool(address()), every=0.3)
    url = f"http://{address()}/"
    until("an answer", HANG, lambda: b"here" in urllib.request.urlopen(url, timeout=2).read(), meanwhile=(OSError,))
    return url


def pods(api: Api) -> dict[str, tuple[str, int]]:
    """Each pod's container and how often it was started again."""
    found: list[dict[str, Any]] = api.call("GET", "/api/v1/pods")["items"]
    return {pod["metadata"]["uid"]: (c["containerID"], c["restartCount"]) for pod in found for c in pod["status"]["containerStatuses"]}


def node(api: Api) -> dict[str, Any]:
    (found,) = api.call("GET", "/api/v1/nodes")["items"]
    return dict(found["status"])


@dataclass(frozen=True)
class Living:
    """A site with a pod behind an address, and what must stay as it is: its first process and its pods' containers."""

    site: Site
    url: str
    first: int | None
    pods: dict[str, tuple[str, int]]

    @property
    def as_it_was(self) -> bool:
        """Whether no pod was started again or replaced, nor the site."""
        return pods(Api(self.site)) == self.pods and processes.first_process(self.site) == self.first


@pytest.fixture(scope="module")
def living(fleet: LocalFleet) -> Living:
    fleet.declare(NAME)
    fleet.available(NAME)
    one = site(NAME)
    url = serve(Api(one))
    return Living(one, url, processes.first_process(one), pods(Api(one)))


def test_a_site_goes_to_another_version_and_size_while_its_pods_answer(fleet: LocalFleet, living: Living) -> None:
    api = Api(living.site)
    assert (fleet.object("LocalControlPlane", NAME) or {})["status"]["mode"] == "Pods"
    assert node(api)["nodeInfo"]["kubeletVersion"] == OLD
    with asking(living.url) as asked:
        fleet.declare(NAME, NEW, revision="r3", nodes=1)
        fleet.runs(NAME, NEW)
        until("the new size", HANG, lambda: mib(node(api)["allocatable"]["memory"]) < 8192, every=0.3)
    assert asked.wrong == []
    assert asked.answered > 20
    assert api.call("GET", "/version")["gitVersion"] == node(api)["nodeInfo"]["kubeletVersion"] == NEW
    assert living.as_it_was
    assert 7 * 1024 < mib(node(api)["allocatable"]["memory"]) < mib(node(api)["capacity"]["memory"])
    fleet.available(NAME)


def test_a_lost_etcd_comes_back_from_its_backup_under_pods_that_answer(fleet: LocalFleet, living: Living, tmp_path: Path) -> None:
    file, api = tmp_path / "one.backup", Api(living.site)
    marks = {name: {"metadata": {"name": name, "namespace": "default"}} for name in ("kept", "later")}
    api.call("POST", CONFIG_MAPS, marks["kept"])
    with asking(living.url) as asked:
        assert main.main(["local", "backup", NAME, "--to", str(file)]) == 0
        api.call("POST", CONFIG_MAPS, marks["later"])
        shutil.rmtree(living.site.directory / "etcd")
        os.kill(rotation.host_pid(living.site, "etcd") or -1, signal.SIGKILL)
        until("the loss to be noticed", HANG, lambda: data_guard.is_lost(living.site), every=0.3)
        assert main.main(["local", "restore-etcd", NAME, "--from", str(file)]) == 0
    found = {item["metadata"]["name"] for item in api.call("GET", CONFIG_MAPS)["items"]}
    assert ("kept" in found, "later" in found) == (True, False)
    assert asked.wrong == []
    assert asked.answered > 20
    assert living.as_it_was
    fleet.available(NAME)
    scaled(api, 2)  # the controllers and the kubelet work on what was restored


@pytest.mark.parametrize("what", [[], ["--encryption"]], ids=["certificates", "encryption key"])
def test_certificates_and_key_change_under_pods_that_answer(fleet: LocalFleet, living: Living, what: list[str]) -> None:
    before, served = pods(Api(living.site)), (living.site.pki / "apiserver.crt").read_bytes()
    with asking(living.url) as asked:
        assert main.main(["local", "rotate", NAME, *what]) == 0
    assert asked.wrong == []
    assert pods(Api(living.site)) == before
    assert processes.first_process(living.site) == living.first
    assert ((living.site.pki / "apiserver.crt").read_bytes() == served) is bool(what)
    fleet.available(NAME)
    wanted = living.site.kubeconfig.read_text()
    until("the Secret to hold the new kubeconfig", HANG, lambda: kubeconfig_of(fleet) == wanted, every=0.3)


def test_authorities_of_a_site_with_pods_are_not_changed(living: Living, capsys: pytest.CaptureFixture[str]) -> None:
    before = (living.site.pki / "ca.crt").read_bytes()
    assert main.main(["local", "rotate", NAME, "--authorities"]) == 1
    assert "Leave --authorities out" in capsys.readouterr().err
    assert (living.site.pki / "ca.crt").read_bytes() == before


def test_a_deleted_cluster_leaves_nothing_on_the_machine(fleet: LocalFleet, living: Living, home: Path) -> None:
    one, members = living.site, list(processes.members(living.site))
    fleet.delete(NAME)
    assert not any(processes.alive(pid) for pid in members)
    assert one.link not in bridge.links()
    assert not [group for group in cgroups.hierarchies() if (group / one.cgroup).exists()]
    assert str(home) not in Path("/proc/self/mounts").read_text()
    assert [entry.name for entry in (home / "sites").iterdir()] in ([".lock"], [])


def scaled(api: Api, replicas: int) -> None:
    """Ask for that many pods, and wait for them."""
    deployment = "/apis/apps/v1/namespaces/default/deployments/web"
    api.call("PATCH", deployment, {"spec": {"replicas": replicas}}, content="application/merge-patch+json")
    until(f"{replicas} pods", HANG, lambda: api.call("GET", deployment)["status"].get("readyReplicas", 0) == replicas, every=0.3)


def kubeconfig_of(fleet: LocalFleet) -> str:
    secret = fleet.object("Secret", names.kubeconfig_secret(NAME)) or {}
    return base64.b64decode(secret.get("data", {}).get(names.KUBECONFIG_KEY, "")).decode()


def mib(quantity: str) -> int:
    """Memory as a kubelet reports it."""
    return int(quantity.removesuffix("Ki")) // 1024
