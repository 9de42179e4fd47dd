"""The throwaway site: brought up in a home of its own, with the example's departments, and with attackers who have real logins there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.journey import BENEFITS, REGISTRY, TAX, Site
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.web import trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_local import machine, management, paths
from commonweal_local.exceptions import LocalError
from commonweal_local.images import builder
from commonweal_local.progress import Progress
from commonweal_local.sites import bridge, host
from commonweal_stacks.api import Api
from security.asks import Body, as_token, collection, made, sent
from security.findings import Pod
from support.scripts import script
from support.waiting import wait_for

own_home = script(Path(__file__).parents[2] / "bench" / "home.py").own_home
SITE = "onprem"
ATTACKER, VICTIM, CONSUMER = BENEFITS, REGISTRY, TAX
SPACE, PLATFORM_SPACE = namespace_of(ATTACKER), platform_namespace_of(ATTACKER)
# What the pods of the site may use together: little enough that a test can fill it, and that the machine keeps the rest.
MEMORY_GIB, LEAST_MIB = 10, 15_000
CLAIM = "archive"
READY_SECONDS = 300.0


@dataclass(frozen=True)
class Stage:
    """The site, as its administrator, its people and its attackers reach it."""

    cluster: Kubectl
    admin: Api
    editor: Api
    site: Site
    image: str

    def pods(self, *namespaces: str) -> list[Pod]:
        """Return the platform's pods in these namespaces, by default all of the departments, the issuer and the operator."""
        spaces = namespaces or (bring_up.SYSTEM, *(platform_namespace_of(name) for name in (REGISTRY, TAX, BENEFITS)))
        return [pod_of(item) for space in spaces for item in self.admin.items(f"/api/v1/namespaces/{space}/pods")]

    def clear(self) -> None:
        """Take away every pod of the attacker's that an attack left, at once."""
        query = {"labelSelector": "attack=true"}
        self.admin.ask("DELETE", collection("Pod", SPACE), {"gracePeriodSeconds": 0}, query=query)
        wait_for("the attacker's pods to be gone", lambda: not self.attacking() or None, every=0.5)

    def attacking(self) -> list[Body]:
        """Return the attacker's pods."""
        answer = self.admin.ask("GET", collection("Pod", SPACE), query={"labelSelector": "attack=true"})
        return list(answer.body.get("items") or ())


def pod_of(item: Mapping[str, Any]) -> Pod:
    """Return what is compared of a pod."""
    meta, status = item["metadata"], item.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    restarts = sum(each["restartCount"] for each in status.get("containerStatuses") or ())
    return Pod(f"{meta['namespace']}/{meta['name']}", meta["uid"], ready, restarts)


@contextmanager
def throwaway(progress: Progress) -> Iterator[Stage]:
    """Bring a site up in a new home, yield it, and take everything away again, whatever happened. Raises LocalError where another site runs."""
    alone()
    with own_home(bring_up.down):
        yield brought_up(progress)


def alone() -> None:
    """Raise LocalError unless this machine runs no site, of whatever home, and has room for one."""
    if os.geteuid() != 0:
        raise LocalError("Sites with pods need root", "Run this with sudo.")
    others = sorted(bridge.foreign(Path("of no home")).values()) if machine.program("ip") else []
    if others:
        raise LocalError(
            f"{', '.join(others)} runs on this machine, and what these attacks exhaust is everybody's",
            "End it first (`make down`), or run this on another machine.",
        )
    if machine.memory_mib("MemAvailable") < LEAST_MIB:
        raise LocalError(
            f"{machine.memory_mib('MemAvailable')} MiB of memory are available; filling a site needs {LEAST_MIB}",
            "Run this on a larger machine.",
        )


def brought_up(progress: Progress) -> Stage:
    """Bring the site up with its departments, and give the attackers their logins."""
    brought = bring_up.platform((SITE,), progress)
    bring_up.departments(brought, progress)
    with progress.step("attackers with real logins, and a site that can be filled"):
        management.down()  # it would give the site its size back
        host.change(paths.sites(), SITE, memory_gib=MEMORY_GIB)
        stage = stage_of(brought.clusters[0], brought.password)
        volume(stage)
        wait_for("the smaller site", lambda: allocatable_mib(stage) <= MEMORY_GIB * 1024 or None, every=0.5)
    return stage


def stage_of(cluster: Kubectl, password: str) -> Stage:
    """Return a site that is up with everybody who acts on it."""
    admin = Api(cluster.login(), site=cluster.name)
    where = SignIn(bring_up.issuer_of(cluster), trust_of(cluster))
    editor = as_token(cluster.login(), enlisted(admin), cluster.name)
    return Stage(cluster, admin, editor, Site(cluster, where, PEOPLE[0], password), builder.built()["runtime"])


def enlisted(admin: Api) -> str:
    """Return the token of somebody with the editor's role in the attacker's department, and nothing else."""
    who = {"kind": "ServiceAccount", "name": "editor", "namespace": "default"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "editor", "namespace": "default"}}
    admin.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "commonweal-department-editor"}
    sent(admin, made("RoleBinding", "attacker", SPACE, roleRef=role, subjects=[who]))
    return token_of(admin, "default", "editor")


def token_of(admin: Api, namespace: str, account: str) -> str:
    """Return an hour's token of an account for the API server."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str(admin.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)["status"]["token"])


def volume(stage: Stage) -> None:
    """Have the attacker's department publish from a volume, so that a reader of volumes runs."""
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": "std-rwo", "resources": {"requests": {"storage": "16Mi"}}}
    sent(stage.editor, made("PersistentVolumeClaim", CLAIM, SPACE, labels={"commonweal.dev/source": "true"}, spec=wanted))
    spec = {
        "title": "An archive",
        "version": "1.0.0",
        "class": "Person",
        "source": {"parquet": {"location": f"volume://{CLAIM}/people"}},
        "subject": {"column": "person"},
        "fields": [{"name": "name", "column": "name", "type": "String"}],
    }
    status, message = sent(stage.editor, made("DataProduct", "archive", SPACE, spec=spec))
    if status >= 300 and status != 409:
        raise LocalError(f"The product that lies on a volume was refused: {message}", "See docs/how-to/sources.md.")
    wait_for("the reader of volumes", lambda: volumes_ready(stage) or None, every=0.5)


def volumes_ready(stage: Stage) -> bool:
    """Return whether the reader of the attacker's volumes runs."""
    return any("/volumes-" in pod.name and pod.ready for pod in stage.pods(SPACE))


def allocatable_mib(stage: Stage) -> int:
    """Return how much memory the node gives to pods."""
    (node,) = stage.admin.items("/api/v1/nodes")
    return int(node["status"]["allocatable"]["memory"].removesuffix("Ki")) // 1024


def patched(stage: Stage, path: str, body: Mapping[str, Any]) -> None:
    """Change an object as the platform team would."""
    stage.cluster.run("patch", *path.split("/"), "--type", "merge", "--patch", json.dumps(body))
