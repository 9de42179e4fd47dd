"""What the management cluster is asked about a site, on a real API server: its kubeconfig, and the version of its Cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonweal_stacks.blueprint import current
from commonweal_stacks.clusters import ManagedCluster, class_objects, cluster_of, kubeconfig_secret, running_version, site_objects
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management_access import VARIABLE
from support.cluster_api import ClusterApi
from support.sites import site


@pytest.fixture
def asked(management: ClusterApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ClusterApi:
    monkeypatch.setenv(VARIABLE, str(management.kubeconfig()))
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    return management


def test_a_kubeconfig_is_the_value_of_the_sites_secret(asked: ClusterApi) -> None:
    for kind in ("aws", "local"):
        described = site(kind, name=f"has-{kind}")
        with pytest.raises(
            SiteConfigError, match=rf"has no cluster yet: .*has-{kind}-kubeconfig. Make it with `commonweal site up has-{kind}`"
        ):
            cluster_of(described).kubeconfig()
        asked.apply(kubeconfig_secret(described.name, "kind: Config\n"))
        assert cluster_of(described).kubeconfig() == "kind: Config\n"


def test_a_secret_without_a_kubeconfig_is_named(asked: ClusterApi) -> None:
    broken = kubeconfig_secret("broken", "")
    broken["data"] = {"other": "eA=="}
    asked.apply(broken)
    with pytest.raises(SiteConfigError, match=r"broken-kubeconfig of the management cluster holds no kubeconfig under 'value'. Delete it"):
        ManagedCluster("broken").kubeconfig()


def test_the_version_that_a_site_runs_is_that_of_its_cluster(asked: ClusterApi) -> None:
    assert running_version("is-at") is None
    for each in class_objects("local", current()):
        asked.apply(each)
    asked.create(site_objects(site("local", name="is-at"), current()))
    assert running_version("is-at") == current().kubernetes


def test_a_management_cluster_that_does_not_answer_is_named_with_the_remedy(
    asked: ClusterApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.kubeconfig"
    gone.write_text(asked.kubeconfig().read_text().replace(asked.url, "https://127.0.0.1:1"))
    monkeypatch.setenv(VARIABLE, str(gone))
    with pytest.raises(SiteConfigError, match=r"does not answer at https://127.0.0.1:1: .* Start it with `commonweal management up`"):
        running_version("any")
