"""The life of a site that Cluster API made: another blueprint and back, the loss of the management cluster, the end with a certificate.

Control planes on loopback, so it needs no root; the API servers, Cluster API's core, the provider and pulumi are the real ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from commonweal_cli.main import main as commonweal
from commonweal_cli.management.stack import apply
from commonweal_cli.site import operations
from commonweal_cli.site.decommission import traces, verify
from commonweal_cli.site.decommission.erase import Wish, decommission
from commonweal_cli.site.decommission.journal import Journal, place
from commonweal_local import management, paths, sites
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Silent
from commonweal_local.sites import processes
from commonweal_local.sites.api import Api
from commonweal_local.sites.site import Site
from commonweal_local.waiting import within
from commonweal_stacks import fleet_names as names
from commonweal_stacks.api import Api as ManagementApi
from commonweal_stacks.conformity.statement import subjects_of
from commonweal_stacks.management_access import management_kubeconfig
from commonweal_stacks.site import IMAGE_NAMES
from support.asking import Asking
from support.waiting import HANG

NAME = "life"
DEPARTMENTS = "/apis/commonweal.dev/v1alpha1/departments"
DEPLOYMENTS = "/apis/apps/v1/deployments"
# Run as a process of its own, so that it can be killed as no process can prevent.
END = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from commonweal_cli.site.decommission.erase import Wish, decommission
wish = Wish(sys.argv[1], delete_departments=True, project=Path(sys.argv[2]))
decommission(wish, None, clock=lambda: datetime.now(UTC), say=lambda line: print(line, flush=True))
"""


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the site's project in a home of its own, with a management cluster; nothing may be left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(tmp_path_factory.mktemp("home")))
        copy = tmp_path_factory.mktemp("project")
        for name in ("Pulumi.yaml", "__main__.py"):
            paths.write(copy / name, (paths.source() / "stacks" / "site" / name).read_text())
        paths.write(copy / "images.json", {name: f"localhost/commonweal/{name}:simulated" for name in IMAGE_NAMES})
        try:
            management.up(Silent())
            apply(quiet)
            yield copy
        finally:
            left = [*management.down(), *sites.down()]
        assert left == []


def declare(project: Path, blueprint: str) -> None:
    site = {
        "name": NAME,
        "kind": "local",
        "local": {"mode": "ControlPlane"},
        "blueprint": blueprint,
        "clientCidrs": [],
        "storage": {"provisioner": "rancher.io/local-path"},
        "identity": {"enabled": True},
    }
    config = {"config": {"commonweal:site": site, "commonweal:images": str(project / "images.json")}}
    paths.write(project / f"Pulumi.{NAME}.yaml", yaml.safe_dump(config))


@pytest.fixture(scope="module")
def site(project: Path) -> Site:
    declare(project, "r1")
    operations.up(NAME, say=quiet, project=project)
    return sites.find(NAME)


def identity(site: Site) -> str:
    return str(Api(site).call("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"])


def waiting(site: Site) -> list[str]:
    """Deployments that lack an available pod."""
    items = Api(site).call("GET", DEPLOYMENTS)["items"]
    return [item["metadata"]["name"] for item in items if item["status"].get("availableReplicas", 0) < item["spec"]["replicas"]]


def running_class() -> str:
    """The class of the site's Cluster on the management cluster."""
    path = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{names.FLEET}/clusters/{NAME}"
    found = ManagementApi(management_kubeconfig(), site="management").call("GET", path)
    return str(found["spec"]["topology"]["classRef"]["name"])


def asking_for(site: Site) -> Asking:
    """Ask the site's API server."""
    api = Api(site)
    return Asking(lambda: api.call("GET", "/api/v1/namespaces/kube-system", seconds=30))


def test_a_site_goes_to_the_next_blueprint_and_back_with_its_layer_healthy(project: Path, site: Site) -> None:
    cluster, first = identity(site), processes.first_process(site)
    seen = [running_class()]
    with asking_for(site) as asking:
        for blueprint in ("r2", "r1"):
            declare(project, blueprint)
            outcome = operations.up(NAME, say=quiet, project=project)
            assert {kind for kind in outcome.counts if kind != "same"} == {"update"}
            assert within(HANG, lambda: waiting(site) == []), waiting(site)
            seen.append(running_class())
    assert seen == ["local-r1", "local-r2", "local-r1"]
    assert asking.answered > 0
    assert asking.wrong == []
    assert (identity(site), processes.first_process(site)) == (cluster, first)
    again = operations.preview(NAME, say=quiet, project=project)
    assert again.counts.keys() == {"same"}, again.changed


def test_a_lost_management_cluster_is_rebuilt_and_the_site_does_not_notice(project: Path, site: Site) -> None:
    cluster, first = identity(site), processes.first_process(site)
    with asking_for(site) as asking:
        assert management.down() == []
        assert not (paths.home() / "management").exists()
        assert processes.first_process(site) == first
        management.up(Silent())
        apply(quiet)
        outcome = operations.up(NAME, say=quiet, project=project)
    assert sorted(line.split()[1].split(".")[0] for line in outcome.changed) == ["Cluster", "ClusterProfile"], outcome.changed
    assert (asking.wrong, asking.answered > 0) == ([], True)
    assert (identity(site), processes.first_process(site)) == (cluster, first)
    assert within(HANG, lambda: waiting(site) == []), waiting(site)
    again = operations.preview(NAME, say=quiet, project=project)
    assert again.counts.keys() == {"same"}, again.changed


def kill_when(line: str, project: Path) -> None:
    """Decommission in a process of its own, and kill it with all it started when it says something that begins so."""
    with subprocess.Popen(
        [sys.executable, "-c", END, NAME, str(project)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        said = []
        for each in process.stdout:
            said.append(each)
            if each.startswith(line):
                os.killpg(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL, "".join(said)


def test_the_end_of_a_site_survives_kills_leaves_nothing_and_hands_out_a_certificate(
    project: Path, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"displayName": "Tax", "contact": "mailto:tax@example.org"}
    tax = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": {"name": "tax"}, "spec": spec}
    Api(site).call("POST", DEPARTMENTS, tax)
    key = tmp_path / "kept.key.json"
    key.write_text(operations.up(NAME, say=quiet, project=project).outputs["siteKey"])
    first, members = processes.first_process(site), processes.members(site)
    with pytest.raises(LocalError, match=r"holds the departments tax, with their data.*--delete-departments"):
        decommission(Wish(NAME, project=project), None, clock=lambda: datetime.now(UTC), say=quiet)
    assert (Journal.found(NAME), processes.first_process(site)) == (None, first)

    kill_when("deleted ", project)
    kill_when("forgetting the stack", project)
    assert place(NAME).stat().st_mode & 0o777 == 0o700

    said: list[str] = []
    file = decommission(Wish(NAME, project=project), None, clock=lambda: datetime.now(UTC), say=said.append)
    assert "taking the platform and the cluster down" not in said, "what was done is not done again"
    assert [check.check for check in traces.look(NAME, project="commonweal-site", local=True) if check.result != traces.GONE] == []
    assert not any(processes.alive(pid) for pid in members)
    assert Journal.found(NAME) is None
    named = [path for path in paths.home().rglob(f"*{NAME}*") if not path.is_relative_to(paths.home() / "erasures")]
    assert named == []

    statement = verify.read(file, key)
    assert {"site/life", "department/tax"} == set(subjects_of(statement))
    assert statement["predicate"]["counts"]["departments"] == 1
    assert commonweal(["erasure", "verify", str(file), "--key", str(key)]) == 0
    assert "checked: processes: gone" in capsys.readouterr().out
    file.write_text(file.read_text().replace('"payload": "eyJ', '"payload": "eyK'))
    with pytest.raises(LocalError, match="must not be believed"):
        verify.read(file, key)
