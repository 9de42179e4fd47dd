"""A site whose cluster `pulumi up` makes: the first preview, the run, what comes after, a rotated kubeconfig, a lost management cluster, the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonweal_cli.site import operations
from commonweal_cli.site.stack import kept_secret, root
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_stacks.management_access import VARIABLE
from contract.pulumi.stage import (
    CLUSTERS,
    CONTROLLERS,
    PROFILES,
    Provider,
    Site,
    looking,
    make_management,
    ours,
    site_with_users,
)
from support.control_plane import ControlPlane
from support.kube_api import KubeApi

SECRETS = "/api/v1/namespaces/commonweal-system/secrets"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_users(tmp_path, monkeypatch) as found:
        found.write({"kind": "local", "local": {"mode": "ControlPlane"}, "expose": "ClusterIP", "blueprint": "r1"})
        here = paths.home() / "sites" / "onprem" / "kubeconfig"  # where a site of this machine writes its own
        paths.write(here, found.plane.kubeconfig().read_text())
        yield found


@contextmanager
def managed(directory: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[KubeApi, Provider]]:
    """A new management cluster with a provider that makes the site."""
    with ControlPlane(directory, controllers=CONTROLLERS) as plane:
        make_management(plane)
        monkeypatch.setenv(VARIABLE, str(plane.kubeconfig()))
        provider = Provider(plane.api(), {"onprem": site.plane.kubeconfig().read_text()})
        with looking(provider):
            yield plane.api(), provider


def written() -> str:
    """Return everything that Pulumi has written, but for the secrets' own files."""
    own = {"passphrase", "sectors-master", "site-authority", "site-key-onprem"}
    return "".join(file.read_text(errors="replace") for file in root().rglob("*") if file.is_file() and file.name not in own)


def uid(api: KubeApi) -> str:
    return str(api.request("GET", f"{SECRETS}/commonweal-sectors")["metadata"]["uid"])


def test_a_site_from_its_declaration_to_its_end(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = site.plane.api()
    with managed(tmp_path / "management", site, monkeypatch) as (management, provider):
        shown = site.run(operations.preview)
        assert "create Cluster.cluster.x-k8s.io/commonweal-fleet/onprem" in shown.changed
        assert "create Deployment.apps/commonweal-system/commonweal-operator" in shown.changed
        assert management.request("GET", CLUSTERS)["items"] == []

        first = site.run(operations.up)
        assert first.counts.keys() == {"create"}
        assert first.counts["create"] == shown.counts["create"]
        kube_system = api.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
        assert first.outputs["clusterIdentifier"] == kube_system
        assert management.request("GET", f"{PROFILES}/onprem")["spec"]["displayName"] == "onprem"

        text = written()
        keys = [site.plane.token("admin"), kept_secret("sectors-master").read_text(), kept_secret("site-key-onprem").read_text()]
        assert kube_system in text
        assert [key for key in keys if key in text] == []

        sectors = uid(api)
        provider.kubeconfigs["onprem"] = site.plane.kubeconfig("renewed").read_text()
        rotated = site.run(operations.up)
        assert rotated.changed == ("updated pulumi:providers:kubernetes onprem",)
        assert uid(api) == sectors

        site.write({"kind": "local", "local": {"mode": "ControlPlane"}, "expose": "ClusterIP", "blueprint": "r3", "size": "medium"})
        changed = next(line for line in site.run(operations.preview).changed if "Cluster.cluster.x-k8s.io" in line)
        for part in ("spec.topology.classRef.name", "spec.topology.variables[0].value", "spec.topology.version"):
            assert part in changed

        with_a_department(api)
        with pytest.raises(LocalError, match=r"holds the departments tax"):
            site.run(operations.destroy)
        site.run(operations.destroy, delete_departments=True)
        assert provider.gone[-1] == "onprem"
        assert management.request("GET", CLUSTERS)["items"] == []
        assert ours(api) == []


def with_a_department(api: KubeApi) -> None:
    spec = {"displayName": "Tax", "contact": "mailto:tax@example.org"}
    api.apply({"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": {"name": "tax"}, "spec": spec})


def test_a_lost_management_cluster_is_told_again_and_the_site_does_not_notice(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with managed(tmp_path / "first", site, monkeypatch):
        site.run(operations.up)
    sectors = uid(site.plane.api())

    with managed(tmp_path / "second", site, monkeypatch) as (management, provider):
        with pytest.raises(LocalError, match=r"the management cluster is another.*commonweal site up onprem"):
            site.run(operations.destroy)

        again = site.run(operations.up)

        assert sorted(again.changed) == [
            "created Cluster.cluster.x-k8s.io/commonweal-fleet/onprem",
            "created ClusterProfile.multicluster.x-k8s.io/commonweal-fleet/onprem",
            "updated pulumi:providers:kubernetes onprem-management",
        ]
        assert [item["metadata"]["name"] for item in management.request("GET", CLUSTERS)["items"]] == ["onprem"]
        assert uid(site.plane.api()) == sectors
        assert provider.gone == []


def test_without_a_management_cluster_nothing_is_begun(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(LocalError, match=r"There is no management cluster: .*nowhere.*commonweal management up"):
        site.run(operations.up)
    assert not list(root().rglob("*.json"))
