"""Bringing a running site to its `site.json`: programs are replaced one after the other, while pods run on.

The first process does it when it gets SIGHUP. Only what differs is touched, and each program must be healthy before the next one is replaced, so
that a version that cannot run stops the change at its first program. Repeating it goes on from there.
"""

from __future__ import annotations

import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.sites import addons, encryption, fake_nodes, node, settings
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.components import command_lines
from commonweal_local.sites.etcd import Etcd
from commonweal_local.sites.site import Site
from commonweal_local.sites.supervisor import Supervisor
from commonweal_local.waiting import until

# The order in which Kubernetes allows versions to differ: nothing is ever newer than the API server but etcd. containerd stays: it holds the pods.
ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kwok")
HEALTHY_SECONDS, ADDON_SECONDS, RIGHT_SECONDS = 120, 120, 120
KUBELET_HEALTH, PROXY_HEALTH = 10248, 10256


def follow(site: Site, supervisor: Supervisor, asked: threading.Event) -> None:
    """Bring the site to its file whenever `asked` is set; never returns. A failure is recorded in `state.json`, and the site goes on as it is."""
    reached = site.revision
    supervisor.report(reached)
    while True:
        asked.wait()
        asked.clear()
        try:
            wanted = Site.load(site.root, site.name)
            bring_to(wanted, supervisor, reached)
            reached = wanted.revision
        except (*Unreachable, CommandFailedError, LocalError, TimeoutError, KeyError) as error:
            print(f"change: {error}", flush=True)
            supervisor.report(reached, error=str(error))


def bring_to(site: Site, supervisor: Supervisor, reached: int) -> None:
    """Replace what differs, in order; `reached` is the revision that still holds meanwhile. Raises TimeoutError that names the program."""
    api = Api(site)
    settings.write_files(site)
    if site.runs_pods:
        node.write_files(site)
    lines = command_lines(site)
    for name in (name for name in ORDER if name in lines):
        _replace(site, supervisor, api, name, lines[name], reached)
    if site.runs_pods:
        supervisor.report(reached, "add-ons")
        until("the add-ons", ADDON_SECONDS, lambda: not api.unavailable(addons.NAMESPACES), every=0.3, meanwhile=Unreachable)
    else:
        supervisor.report(reached, "nodes")
        fake_nodes.bring_to(site, api)
    seal(site, supervisor, api, reached)
    supervisor.report(site.revision)


def seal(site: Site, supervisor: Supervisor, api: Api, reached: int) -> None:
    """Have everything stored as the blueprint says, where other resources are sealed than before, or there was no key; else nothing is done.

    What is left over is said, and gone on with at the next start: the server reads it either way until then.
    """
    if not encryption.reads_plain(site.pki):
        return
    supervisor.report(reached, "encryption")
    encryption.rewrite(api, site.pki)
    left = encryption.others(Etcd(site, inside=True), site.pki)
    if left:
        print(f"encryption: {len(left)} values are not stored as they must be: {', '.join(left[:3])}", flush=True)
        return
    encryption.settle(site.pki)
    _replace(site, supervisor, api, "kube-apiserver", command_lines(site)["kube-apiserver"], reached)


def await_recognition(site: Site) -> None:
    """Wait until the API server answers the controller manager by its own certificate.

    A server that is ready may not have read yet what its users may do, and a controller manager that it refuses gives up after ten seconds.
    """
    until("the API server to know its controller manager", RIGHT_SECONDS, Api(site, "kcm").healthy, meanwhile=Unreachable)


def _replace(site: Site, supervisor: Supervisor, api: Api, name: str, argv: list[str], reached: int) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if name == "kube-controller-manager":
        await_recognition(site)
    if not supervisor.replace(name, argv):
        return
    supervisor.report(reached, name)
    healthy = checks(site, api, since)[name]
    until(
        f"{name} ({argv[0]}) to be healthy; see {site.logs / name}.log",
        HEALTHY_SECONDS,
        lambda: supervisor.runs(name, argv) and healthy(),
        meanwhile=Unreachable,
    )


def checks(site: Site, api: Api, since: str) -> Mapping[str, Callable[[], bool]]:
    """How each program says that it is well; a kubelet by a node that reported Ready after `since` (RFC 3339)."""
    loopback = "127.0.0.1"
    return {
        "etcd": lambda: _answers(f"https://{loopback}:{site.ports.etcd}/health", _etcd_login(site)),
        "kube-apiserver": api.ready,
        "kube-controller-manager": lambda: _answers(f"https://{loopback}:{site.ports.controllers}/healthz", _own_certificate()),
        "kube-scheduler": lambda: _answers(f"https://{loopback}:{site.ports.scheduler}/healthz", _own_certificate()),
        "kubelet": lambda: _answers(f"http://{loopback}:{KUBELET_HEALTH}/healthz") and api.nodes_ready(since),
        "kube-proxy": lambda: _answers(f"http://{loopback}:{PROXY_HEALTH}/healthz"),
        "kwok": lambda: _answers(f"http://{loopback}:{site.ports.kwok}/healthz"),
    }


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    handlers = [urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])]
    with urllib.request.build_opener(*handlers).open(url, timeout=3) as answer:
        return bool(answer.status == 200)


def _etcd_login(site: Site) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(site.pki / "etcd-ca.crt"))
    context.load_cert_chain(site.pki / "etcd-client.crt", site.pki / "etcd-client.key")
    return context


def _own_certificate() -> ssl.SSLContext:
    """For programs that make themselves a certificate at each start: the question is only whether they answer, on loopback."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
