"""What the tests of the stack program stand on: sites without nodes, and a management cluster whose provider keeps Cluster API's contract."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_cli.site import operations
from commonweal_local import toolchain
from commonweal_stacks import fleet_names as names
from support.control_plane import REPOSITORY, ControlPlane, User
from support.kube_api import MERGE, KubeApi, Refused
from support.waiting import wait_for

PODS = "/api/v1/namespaces/commonweal-system/pods"
CLUSTERS = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{names.FLEET}/clusters"
PROFILES = f"/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{names.FLEET}/clusterprofiles"
IMAGES = {name: f"localhost/commonweal/{name}:1" for name in ("operator", "runtime", "store", "portal")}
CONTROLLERS = ("namespace-controller", "garbage-collector-controller")
# On a site also those that make a Deployment's pods, and count what a quota limits.
SITE_CONTROLLERS = (*CONTROLLERS, "deployment-controller", "replicaset-controller", "resourcequota-controller", "serviceaccount-controller")
RUNNING = {"phase": "Running", "conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "ContainersReady", "Ready")]}
FINALIZER = "test.commonweal.dev/provider"


class Looks(threading.Thread, ABC):
    """Looks again and again until the test is over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.1):
            try:
                self.look()
            except (Refused, OSError):
                continue

    @abstractmethod
    def look(self) -> None:
        """Look once."""


class Kubelet(Looks):
    """Says of every pod of the platform that it runs: there are no nodes here."""

    def __init__(self, api: KubeApi) -> None:
        super().__init__()
        self.api = api

    def look(self) -> None:
        for pod in self.api.request("GET", PODS)["items"]:
            if pod["status"].get("phase") != "Running":
                self.api.request("PATCH", f"{PODS}/{pod['metadata']['name']}/status", {"status": RUNNING}, content_type=MERGE)


class Provider(Looks):
    """Keeps the contract of Cluster API towards the stack program: a Cluster gets a kubeconfig Secret, then it is Available; a deleted one goes.

    The real core and the real local provider do this in tests/e2e. `kubeconfigs` are the sites that it can make.
    """

    def __init__(self, api: KubeApi, kubeconfigs: dict[str, str]) -> None:
        super().__init__()
        self.api, self.kubeconfigs, self.gone = api, kubeconfigs, list[str]()

    def look(self) -> None:
        for cluster in self.api.request("GET", CLUSTERS)["items"]:
            metadata = cluster["metadata"]
            if metadata.get("deletionTimestamp"):
                self.gone.append(metadata["name"])
                self._patch(metadata["name"], {"metadata": {"finalizers": None}})
            else:
                self._serve(metadata)

    def _serve(self, metadata: dict[str, Any]) -> None:
        name, generation = metadata["name"], metadata["generation"]
        self._patch(name, {"metadata": {"finalizers": [FINALIZER]}})
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names.kubeconfig_secret(name), "namespace": names.FLEET}}
        value = base64.b64encode(self.kubeconfigs[name].encode()).decode()
        self.api.apply({**secret, "type": "cluster.x-k8s.io/secret", "data": {names.KUBECONFIG_KEY: value}})
        told = {"TopologyReconciled": "True", "RollingOut": "False", "Available": "True"}
        since = {"lastTransitionTime": metadata["creationTimestamp"], "observedGeneration": generation, "reason": "Test", "message": ""}
        conditions = [{"type": kind, "status": status, **since} for kind, status in told.items()]
        self._patch(name, {"status": {"observedGeneration": generation, "conditions": conditions}}, "/status")

    def _patch(self, name: str, body: dict[str, Any], part: str = "") -> None:
        self.api.request("PATCH", f"{CLUSTERS}/{name}{part}", body, content_type=MERGE)


@contextmanager
def looking(*threads: Looks) -> Iterator[None]:
    """Let them look as long as the block runs."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.stop.set()
            thread.join()


def make_management(plane: ControlPlane) -> None:
    """Give a management cluster the definitions that the program needs, and the fleet's namespace."""
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.FLEET}})
    plane.apply(toolchain.definitions("cluster-api") / "crds" / "cluster.x-k8s.io_clusters.yaml")
    plane.apply(REPOSITORY / "stacks" / "management" / "providers" / "inventory")
    for path in (CLUSTERS, PROFILES):
        wait_for(f"{path} to be served", lambda path=path: _served(plane, path))  # type: ignore[misc]


def _served(plane: ControlPlane, path: str) -> bool | None:
    """Whether objects of a new definition can be listed: its storage comes after the word that it is established."""
    try:
        return "items" in plane.api().request("GET", path) or None
    except Refused:
        return None


@dataclass
class Site:
    """The stack of one site, on the test's cluster; `changes` to `configure` go into its stack file."""

    project: Path
    plane: ControlPlane
    lines: list[str] = field(default_factory=list)

    def configure(self, **changes: Any) -> None:
        """Write the stack files: those of the checkout, on the test's cluster."""
        self.write({"kind": "adopted", "kubeconfig": str(self.plane.kubeconfig()), "expose": "ClusterIP", **changes})

    def write(self, changes: dict[str, Any]) -> None:
        for name in ("onprem", "cloud"):
            file = f"Pulumi.{name}.yaml"
            config = yaml.safe_load((REPOSITORY / "stacks" / "site" / file).read_text())
            config["config"]["commonweal:site"] |= changes
            (self.project / file).write_text(yaml.safe_dump(config))

    def run(self, operation: Callable[..., operations.Outcome], **flags: Any) -> operations.Outcome:
        return operation("onprem", say=self.lines.append, project=self.project, **flags)


def project(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the program's project, in a home of its own that has images."""
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COMMONWEAL_HOME", str(directory / "home"))
    monkeypatch.setenv("PULUMI_HOME", str(directory / "pulumi-home"))
    (directory / "home").mkdir()
    (directory / "home" / "images.json").write_text(json.dumps(IMAGES))
    copy = directory / "project"
    copy.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(REPOSITORY / "stacks" / "site" / name, copy)
    return copy


@contextmanager
def site_with_users(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a cluster on which platforms become ready, with a second administrator `renewed`, and the project of a site on it."""
    copy, users = project(directory, monkeypatch), {"renewed": User("renewed", ("system:masters",))}
    with ControlPlane(directory / "site", controllers=SITE_CONTROLLERS, users=users) as plane, looking(Kubelet(plane.api())):
        yield Site(copy, plane)


def ours(api: KubeApi) -> list[str]:
    """Return what of ours a cluster holds, among the kinds that outlive a namespace, and the namespace."""
    paths = {
        "/api/v1/namespaces",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/storage.k8s.io/v1/storageclasses",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    }
    names = [item["metadata"]["name"] for path in sorted(paths) for item in api.request("GET", path)["items"]]
    return [name for name in names if "commonweal" in name or name == "std-rwo"]
