"""An adopted site where there is a management cluster: its kubeconfig and its entry are there for the fleet's tools, as those of every other site are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_cli import conform
from commonweal_cli.main import main as commonweal
from commonweal_cli.site import operations
from commonweal_cli.site.decommission.erase import Wish, decommission
from commonweal_cli.site.decommission.verify import read
from commonweal_cli.site.stack import root
from commonweal_local.exceptions import LocalError
from commonweal_stacks import fleet_names as names
from commonweal_stacks.clusters import ManagedCluster
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.management_access import VARIABLE
from contract.pulumi.stage import CONTROLLERS, PROFILES, SITE_CONTROLLERS, Kubelet, Site, looking, make_management, project, site_with_users
from support.control_plane import ControlPlane
from support.kube_api import KubeApi

SECRETS = f"/api/v1/namespaces/{names.FLEET}/secrets"
ENTRY = {
    f"created Secret/{names.FLEET}/onprem-kubeconfig",
    f"created ClusterProfile.multicluster.x-k8s.io/{names.FLEET}/onprem",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_users(tmp_path, monkeypatch) as found:
        found.configure()
        yield found


def with_files(site: Site, directory: Path, user: str) -> str:
    """A kubeconfig as many tools write it: the authority in a file beside it."""
    found = yaml.safe_load(site.plane.kubeconfig(user).read_text())
    cluster = found["clusters"][0]["cluster"]
    (directory / "ca.crt").write_bytes(Path(cluster["certificate-authority"]).read_bytes())
    cluster["certificate-authority"] = "ca.crt"
    file = directory / f"{user}.kubeconfig"
    file.write_text(yaml.safe_dump(found))
    return str(file)


def entries(api: KubeApi) -> list[str]:
    """What the management cluster holds of the fleet."""
    secrets = [item["metadata"]["name"] for item in api.request("GET", SECRETS)["items"]]
    return secrets + [item["metadata"]["name"] for item in api.request("GET", PROFILES)["items"]]


def properties(api: KubeApi) -> dict[str, Any]:
    status = api.request("GET", f"{PROFILES}/onprem").get("status") or {}
    return {found["name"]: found["value"] for found in status.get("properties") or ()}


def test_an_adopted_site_is_in_the_fleet_from_its_first_run_to_its_end(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ControlPlane(tmp_path / "management", controllers=CONTROLLERS) as plane:
        make_management(plane)
        management = plane.api()
        site.run(operations.up)
        assert entries(management) == []

        monkeypatch.setenv(VARIABLE, str(plane.kubeconfig()))
        site.configure(kubeconfig=with_files(site, tmp_path, "admin"))
        assert set(site.run(operations.up).changed) >= ENTRY
        assert site.run(operations.up).counts.keys() == {"same"}
        own = cluster_uid(site.plane.kubeconfig().read_text(), site="onprem")
        assert cluster_uid(ManagedCluster("onprem").kubeconfig(), site="onprem") == own
        written = "".join(file.read_text(errors="replace") for file in root().rglob("*") if file.is_file() and "state" in file.parts)
        assert own in written
        assert site.plane.token("admin") not in written
        assert management.request("GET", f"{SECRETS}/onprem-kubeconfig")["data"]["value"][:200] not in written

        assert (
            commonweal(["conform", "sign", "onprem", "--stacks", str(site.project), "--out", str(tmp_path / "said.json"), "--no-probes"])
            == conform.EQUAL
        )
        capsys.readouterr()
        assert properties(management)["conformity.commonweal.dev"].split()[0] == conform.digest_of("onprem", site.project).root

        site.configure(kubeconfig=with_files(site, tmp_path, "renewed"))
        assert f"updated Secret/{names.FLEET}/onprem-kubeconfig" in site.run(operations.up).changed
        assert site.plane.token("renewed") in ManagedCluster("onprem").kubeconfig()

        site.run(operations.destroy)
        assert entries(management) == []


def test_a_management_cluster_that_is_lost_or_gone_takes_nothing_of_the_site_along(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlPlane(tmp_path / "first", controllers=CONTROLLERS) as plane:
        make_management(plane)
        monkeypatch.setenv(VARIABLE, str(plane.kubeconfig()))
        site.run(operations.up)
    with pytest.raises(LocalError, match=r"does not answer"):
        site.run(operations.up)

    with ControlPlane(tmp_path / "second", controllers=CONTROLLERS) as plane:
        make_management(plane)
        monkeypatch.setenv(VARIABLE, str(plane.kubeconfig()))
        again = site.run(operations.up)
        assert ENTRY <= set(again.changed) <= ENTRY | {"updated pulumi:providers:kubernetes onprem-management"}

    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(LocalError, match=r"There is no management cluster: .*nowhere"):
        site.run(operations.up)
    monkeypatch.delenv(VARIABLE)
    alone = site.run(operations.up)
    assert (alone.counts.keys(), alone.changed) == ({"same"}, ())
    site.run(operations.destroy)


@pytest.mark.servers
def test_a_site_that_is_gone_for_good_is_taken_out_of_the_fleet_with_a_certificate_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = project(tmp_path, monkeypatch)
    with ControlPlane(tmp_path / "management", controllers=CONTROLLERS) as plane:
        make_management(plane)
        monkeypatch.setenv(VARIABLE, str(plane.kubeconfig()))
        with ControlPlane(tmp_path / "site", controllers=SITE_CONTROLLERS) as lost, looking(Kubelet(lost.api())):
            site = Site(copy, lost)
            site.configure()
            site.run(operations.up)
        assert len(entries(plane.api())) == 2

        with pytest.raises(LocalError, match=r"cannot be asked what it holds.*add `--unreachable`"):
            decommission(Wish("onprem", project=copy), None, clock=now, say=site.lines.append)
        assert len(entries(plane.api())) == 2
        file = decommission(Wish("onprem", unreachable=True, project=copy), None, clock=now, say=site.lines.append)
        assert entries(plane.api()) == []

    predicate = read(file, file.with_suffix(".key.json"))["predicate"]
    assert {check["check"]: check["result"] for check in predicate["checks"]}["what the site held"] == "not checked"
    assert [limit for limit in predicate["limits"] if "still opens the cluster" in limit]
    assert [limit for limit in predicate["limits"] if "nothing on it was seen to be erased" in limit]
    assert not (root() / "sites" / "onprem").exists()


def now() -> datetime:
    return datetime.now(UTC)
