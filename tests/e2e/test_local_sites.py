"""Real sites on this machine: pods, names, enforced policies, volumes, links that are cut, programs that are killed, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commonweal_local import shell, sites, toolchain
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.images import builder
from commonweal_local.images.base import BASE_IMAGE
from commonweal_local.progress import Silent
from commonweal_local.sites import bridge, cgroups, processes
from commonweal_local.sites.site import Mode, Site
from commonweal_local.sites.state import Status
from commonweal_local.waiting import within
from support.waiting import HANG

pytestmark = [
    pytest.mark.sites,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites with pods need root; run the tests with sudo"),
]
NAMES = ("eone", "etwo")
SERVE = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'here')
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(('', 8080), Answer).serve_forever()
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())"
RESTRICTED = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SAFE_POD = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return builder.build(Silent())


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of our own, beside whatever sites a person runs on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("home")
        patch.setenv("COMMONWEAL_HOME", str(place))
        yield place
        assert sites.down() == []


@pytest.fixture(scope="module")
def pair(home: Path, images: dict[str, str]) -> list[Site]:
    up = sites.up(NAMES, images.values(), progress=Silent())
    for site in up:
        kubectl(site, "create", "namespace", "try")
        kubectl(site, "label", "namespace", "try", "pod-security.kubernetes.io/enforce=restricted")
    return up


def kubectl(site: Site, *words: str, stdin: str | None = None) -> str:
    return shell.run(toolchain.path_of("kubectl"), "--kubeconfig", site.kubeconfig, *words, stdin=stdin)


def apply(site: Site, item: dict[str, Any]) -> None:
    kubectl(site, "--namespace=try", "apply", "-f", "-", stdin=json.dumps(item))


def pod(name: str, image: str, *command: str, volume: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod that the `restricted` profile admits, with /tmp and, if wanted, a volume at /data."""
    mounts = [{"name": "tmp", "mountPath": "/tmp"}] + ([{"name": "data", "mountPath": "/data"}] if volume else [])
    container = {"name": "main", "image": image, "command": list(command), "securityContext": RESTRICTED, "volumeMounts": mounts}
    volumes = [{"name": "tmp", "emptyDir": {}}] + ([{"name": "data", **volume}] if volume else [])
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "securityContext": SAFE_POD,
        "containers": [container],
        "volumes": volumes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def output_of(site: Site, item: dict[str, Any]) -> str:
    """Run a pod to its end and return what it printed; it must succeed."""
    apply(site, item)
    name = item["metadata"]["name"]
    ended = within(
        HANG, lambda: kubectl(site, "-n", "try", "get", "pod", name, "-o", "jsonpath={.status.phase}") in {"Succeeded", "Failed"}
    )
    said = kubectl(site, "-n", "try", "logs", name)
    assert ended, f"{name} did not end: {said}"
    assert kubectl(site, "-n", "try", "get", "pod", name, "-o", "jsonpath={.status.phase}") == "Succeeded", said
    kubectl(site, "-n", "try", "delete", "pod", name)
    return said


def reaches(site: Site, url: str) -> bool:
    """Whether the pod `asker` gets the answer."""
    return shell.succeeds(
        toolchain.path_of("kubectl"), "--kubeconfig", site.kubeconfig, "-n", "try", "exec", "asker", "--", "python3", "-c", ASK, url
    )


def host_reaches(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.read() == b"here")
    except (OSError, urllib.error.URLError):
        return False


@pytest.fixture(scope="module")
def served(pair: list[Site], images: dict[str, str]) -> str:
    """A server with a load balancer's address on the first site, and someone to ask it on both; returns its URL."""
    for site in pair:
        apply(site, pod("asker", images["runtime"], "python3", "-c", "import signal; signal.pause()"))
    apply(pair[0], pod("server", images["runtime"], "python3", "-c", SERVE))
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"type": "LoadBalancer", "selector": {"app": "server"}, "ports": ports}
    apply(pair[0], {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": service})
    for site in pair:
        kubectl(site, "-n", "try", "wait", "--for=condition=Ready", "pod", "--all", f"--timeout={HANG:.0f}s")
    where = ("-n", "try", "get", "service", "server", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
    assert within(HANG, lambda: kubectl(pair[0], *where) in pair[0].balancer_pool)
    return f"http://{kubectl(pair[0], *where)}/"


def test_both_sites_are_ready_and_say_what_they_use(pair: list[Site]) -> None:
    found = {status.name: status for status in sites.status()}
    assert set(found) == set(NAMES)
    for site in pair:
        status = found[site.name]
        assert status.ready
        assert status.error == ""
        assert set(status.components) == {
            "etcd",
            "containerd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
        }
        assert 100 < status.memory_mib < 1500
        assert "Ready" in kubectl(site, "get", "nodes", "--no-headers").split()


def test_each_image_runs_as_nobody_special_with_a_read_only_root(pair: list[Site], images: dict[str, str]) -> None:
    site = pair[0]
    runtime = "import commonweal_runtime, asyncpg, numpy, uvicorn, os; print(numpy.dot([1., 2.], [3., 4.]), os.getuid())"
    assert output_of(site, pod("runtime", images["runtime"], "python3", "-c", runtime)).split() == ["11.0", "10001"]
    operator = "import commonweal_operator, commonweal_api, kopf; print('imported')"
    assert output_of(site, pod("operator", images["operator"], "python3", "-c", operator)) == "imported\n"
    started = "postgres --version && initdb -D /data/pg --locale=C.UTF-8 -U postgres && postgres --single -D /data/pg postgres"
    script = (
        f"({started}) <<'SQL'\nCREATE EXTENSION pgcrypto\nCREATE EXTENSION postgres_fdw\nSELECT encode(digest('x', 'sha256'), 'hex')\nSQL\n"
    )
    said = output_of(site, pod("store", images["store"], "sh", "-c", script, volume={"emptyDir": {}}))
    assert "postgres (PostgreSQL) 15" in said
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" in said


def test_a_pod_can_fetch_the_keys_that_tokens_are_verified_with(pair: list[Site], images: dict[str, str]) -> None:
    program = """
import json, ssl, urllib.request
place = '/var/run/secrets/kubernetes.io/serviceaccount/'
request = urllib.request.Request('https://kubernetes.default.svc/openid/v1/jwks', headers={'Authorization': 'Bearer ' + open(place + 'token').read()})
print(len(json.load(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=place + 'ca.crt')))['keys']))
"""
    assert output_of(pair[1], pod("keys", images["runtime"], "python3", "-c", program)) == "1\n"


def test_the_restricted_profile_refuses_a_pod_that_runs_as_root(pair: list[Site]) -> None:
    refused = {**pod("root", BASE_IMAGE, "true"), "spec": {"containers": [{"name": "main", "image": BASE_IMAGE}]}}
    with pytest.raises(CommandFailedError, match="violates PodSecurity"):
        apply(pair[0], refused)


def test_a_volume_outlives_its_pod(pair: list[Site], images: dict[str, str]) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    apply(pair[0], {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"}, "spec": claim})
    volume = {"persistentVolumeClaim": {"claimName": "kept"}}
    output_of(pair[0], pod("writer", images["store"], "sh", "-c", "echo kept > /data/file", volume=volume))
    read = ("python3", "-c", "print(open('/data/file').read(), end='')")
    assert output_of(pair[0], pod("reader", images["runtime"], *read, volume=volume)) == "kept\n"


def test_a_load_balancer_answers_the_host_and_other_sites(pair: list[Site], served: str) -> None:
    assert within(HANG, lambda: host_reaches(served))
    assert within(HANG, lambda: reaches(pair[1], served))


def test_a_site_is_known_by_name_in_the_others(pair: list[Site], served: str) -> None:
    lookup = f"import socket; print(socket.gethostbyname('{pair[0].name}.sites.internal'))"

    def resolved() -> str:
        return kubectl(pair[1], "-n", "try", "exec", "asker", "--", "python3", "-c", lookup).strip()

    assert within(HANG, lambda: resolved() == pair[0].address)


def test_a_denied_connection_is_really_denied_and_an_allowed_one_allowed(pair: list[Site], served: str) -> None:
    site, url = pair[0], "http://server.try.svc.cluster.local/"
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "server"}}
    server = {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]}
    assert within(HANG, lambda: reaches(site, url))
    apply(site, {**policy, "spec": server})
    assert within(HANG, lambda: not reaches(site, url))
    apply(site, {**policy, "spec": {**server, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "asker"}}}]}]}})
    assert within(HANG, lambda: reaches(site, url))
    apply(site, {**policy, "spec": server})
    assert within(HANG, lambda: not reaches(site, url))
    kubectl(site, "-n", "try", "delete", "networkpolicy", "server")
    assert within(HANG, lambda: reaches(site, url))


def test_a_cut_between_sites_leaves_the_host_and_restoring_mends_it(pair: list[Site], served: str) -> None:
    assert within(HANG, lambda: reaches(pair[1], served))
    sites.cut(pair[0].name, between=True)
    assert within(HANG, lambda: not reaches(pair[1], served))
    assert host_reaches(served)
    sites.reconnect(pair[0].name)
    assert within(HANG, lambda: reaches(pair[1], served))
    sites.cut(pair[0].name)
    assert within(HANG, lambda: not host_reaches(served))
    sites.reconnect(pair[0].name)
    assert within(HANG, lambda: host_reaches(served))


@pytest.mark.parametrize(
    "component", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "containerd"]
)
def test_a_killed_component_comes_back(pair: list[Site], served: str, component: str) -> None:
    before = status_of(pair[1]).components[component]
    assert before.pid
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        now = status_of(pair[1])
        return now.ready and now.components[component].restarts > before.restarts and now.components[component].pid is not None

    assert within(HANG, back)
    assert within(HANG, lambda: reaches(pair[1], served))


def test_a_site_whose_first_process_was_killed_starts_again_with_its_data(pair: list[Site], images: dict[str, str]) -> None:
    kubectl(pair[1], "-n", "try", "create", "configmap", "memory", "--from-literal=kept=yes")
    first = processes.first_process(pair[1])
    assert first
    members = list(processes.members(pair[1]))
    os.kill(first, signal.SIGKILL)
    assert within(HANG, lambda: not any(processes.alive(pid) for pid in members))
    (again,) = sites.up([pair[1].name], images.values(), progress=Silent())
    assert again.index == pair[1].index
    assert kubectl(again, "-n", "try", "get", "configmap", "memory", "-o", "jsonpath={.data.kept}") == "yes"


def test_images_that_are_there_are_not_imported_again(pair: list[Site], images: dict[str, str]) -> None:
    assert sites.load(images.values()) == {name: [] for name in NAMES}


def test_another_home_may_not_take_the_name_of_a_running_site(pair: list[Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    with pytest.raises(LocalError, match="already runs from"):
        sites.up([pair[0].name], progress=Silent())


def test_control_planes_have_real_objects_and_simulated_pods(home: Path) -> None:
    (plane,) = sites.up(["ekwok"], mode=Mode.CONTROL_PLANE, progress=Silent())
    kubectl(plane, "create", "deployment", "web", "--image=nowhere.invalid/web:1", "--replicas=3")
    kubectl(plane, "rollout", "status", "deployment/web", f"--timeout={HANG:.0f}s")
    members = list(processes.members(plane))
    assert len(members) == 6
    assert sites.down(["ekwok"]) == []
    assert not any(processes.alive(pid) for pid in members)


def test_down_leaves_nothing_and_up_works_again(pair: list[Site], home: Path) -> None:
    members = [pid for site in pair for pid in processes.members(site)]
    assert len(members) > 20
    assert sites.down(NAMES) == []
    assert not any(processes.alive(pid) for pid in members)
    assert not {site.link for site in pair} & bridge.links()
    assert not [group for site in pair for group in cgroups.hierarchies() if (group / site.cgroup).exists()]
    assert str(home) not in Path("/proc/self/mounts").read_text()
    assert [entry.name for entry in (home / "sites").iterdir()] == [".lock"]
    (again,) = sites.up(NAMES[:1], progress=Silent())
    assert status_of(again).ready


def status_of(site: Site) -> Status:
    return next(status for status in sites.status() if status.name == site.name)
