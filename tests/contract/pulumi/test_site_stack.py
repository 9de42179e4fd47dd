"""The real stack program, chart and definitions on a real API server: from nothing to a site, and back to nothing."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_local import pulumi
from commonweal_local.failure import LocalError
from commonweal_local.pulumi_cli.stack import kept_secret, root
from commonweal_stacks.conformity import cli
from commonweal_stacks.conformity.tree import differences
from support.control_plane import REPOSITORY, ControlPlane
from support.kube_api import KubeApi, Refused

SYSTEM = "/apis/apps/v1/namespaces/commonweal-system/deployments"
IMAGES = {name: f"localhost/commonweal/{name}:1" for name in ("operator", "runtime", "store")}
MERGE = "application/merge-patch+json"


class Kubelet(threading.Thread):
    """Says of every deployment of the platform that its pods run: there are no nodes here, and no controller that knows better."""

    def __init__(self, api: KubeApi) -> None:
        super().__init__(daemon=True)
        self.api, self.stop = api, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.2):
            try:
                for item in self.api.request("GET", SYSTEM)["items"]:
                    self.ready(item["metadata"])
            except (Refused, OSError):
                continue

    def ready(self, metadata: dict[str, Any]) -> None:
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        status = {"status": {"observedGeneration": metadata["generation"], **counts}}
        self.api.request("PATCH", f"{SYSTEM}/{metadata['name']}/status", status, content_type=MERGE)


@dataclass
class Site:
    project: Path
    plane: ControlPlane
    lines: list[str]

    def configure(self, **changes: Any) -> None:
        """Write the stack file: that of the checkout, on the test's cluster."""
        for name in ("onprem", "cloud"):
            file = f"Pulumi.{name}.yaml"
            config = yaml.safe_load((REPOSITORY / "stacks" / "site" / file).read_text())
            kubeconfig = str(self.plane.kubeconfig())
            config["config"]["commonweal:site"] |= {"kind": "adopted", "kubeconfig": kubeconfig, "expose": "ClusterIP", **changes}
            (self.project / file).write_text(yaml.safe_dump(config))

    def run(self, operation: Callable[..., pulumi.Outcome], **flags: Any) -> pulumi.Outcome:
        return operation("onprem", say=self.lines.append, project=self.project, **flags)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi-home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "images.json").write_text(json.dumps(IMAGES))
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(REPOSITORY / "stacks" / "site" / name, project)
    with ControlPlane(tmp_path / "plane", controllers=("namespace-controller", "garbage-collector-controller")) as plane:
        found = Site(project, plane, [])
        found.configure()
        kubelet = Kubelet(plane.api())
        kubelet.start()
        yield found
        kubelet.stop.set()
        kubelet.join()


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


def test_a_site_from_nothing_to_nothing(site: Site) -> None:
    api = site.plane.api()

    first = site.run(pulumi.up)
    assert first.counts.keys() == {"create"}
    assert first.outputs["namespace"] == "commonweal-system"
    assert first.outputs["endpoints"] == {"identity": "identity.commonweal-system.svc.cluster.local"}
    assert api.request("GET", "/api/v1/namespaces/commonweal-system/secrets/commonweal-sectors")["data"].keys() == {"master"}

    second = site.run(pulumi.up)
    assert second.counts == {"same": first.counts["create"]}
    assert second.outputs == first.outputs

    site.configure(expose="LoadBalancer")
    assert sorted(site.run(pulumi.preview).changed) == [
        'update ConfigMap/commonweal-system/commonweal-operator: data["config.yaml"]',
        'update Deployment.apps/commonweal-system/commonweal-operator: spec.template.metadata.annotations["commonweal.dev/config-digest"]',
        "update Service/commonweal-system/identity: spec.type",
    ]
    site.configure()

    master = kept_secret("sectors-master").read_text()
    written = [file.read_text(errors="replace") for file in root().rglob("*") if file.is_file() and file.name != "sectors-master"]
    assert len(written) > 3
    assert not [text for text in written if master in text]
    assert "secure" in (root() / "sites" / "onprem" / "Pulumi.onprem.yaml").read_text()
    assert "secure" not in (site.project / "Pulumi.onprem.yaml").read_text()

    api.apply(
        {
            "apiVersion": "commonweal.dev/v1alpha1",
            "kind": "Department",
            "metadata": {"name": "tax"},
            "spec": {"displayName": "Tax", "contact": "mailto:tax@example.org"},
        }
    )
    with pytest.raises(LocalError, match=r"holds the departments tax, with their data\..*--delete-departments"):
        site.run(pulumi.destroy)
    site.run(pulumi.destroy, delete_departments=True)
    assert ours(api) == []


def test_conform_names_the_leaf_that_was_changed_by_hand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run(pulumi.up)
    before = cli.digest_of("onprem", site.project)

    assert cli.main(["onprem", "cloud", "--stacks", str(site.project)]) == cli.EQUAL
    assert capsys.readouterr().out.count(before.root) == 2

    path = "/api/v1/namespaces/commonweal-system/resourcequotas/commonweal-platform"
    site.plane.api().request("PATCH", path, {"spec": {"hard": {"pods": "21"}}}, content_type=MERGE)
    site.plane.api().request("DELETE", "/apis/storage.k8s.io/v1/storageclasses/std-rwo")
    found = differences(before, cli.digest_of("onprem", site.project))

    assert str(found[0]) == 'layer: ResourceQuota/commonweal-system/commonweal-platform:spec.hard.pods: "20" | "21"'
    assert {difference.path.partition(":")[0] for difference in found[1:]} == {"StorageClass.storage.k8s.io/std-rwo"}


def test_wrong_configuration_is_refused_before_anything_is_created(site: Site) -> None:
    site.configure(expose="NodePort")
    with pytest.raises(LocalError, match=r"commonweal:site\.expose in Pulumi\.onprem\.yaml"):
        site.run(pulumi.up)
    site.configure()
    (root().parent / "images.json").write_text("{}")
    with pytest.raises(LocalError, match=r"images\.json names no image for operator, runtime, store"):
        site.run(pulumi.up)
    assert ours(site.plane.api()) == []
