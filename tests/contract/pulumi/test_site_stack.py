"""The real stack program, chart and definitions on a real API server: from nothing to a site, and back to nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_cli import conform
from commonweal_cli.main import main as commonweal
from commonweal_cli.site import operations, programs
from commonweal_cli.site.stack import kept_secret, root
from commonweal_local.exceptions import LocalError
from commonweal_stacks.conformity.tree import differences
from contract.pulumi.stage import SITE_CONTROLLERS, Kubelet, Site, looking, ours, project
from support.control_plane import ControlPlane

MERGE = "application/merge-patch+json"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    copy = project(tmp_path, monkeypatch)
    with ControlPlane(tmp_path / "plane", controllers=SITE_CONTROLLERS) as plane, looking(Kubelet(plane.api())):
        found = Site(copy, plane)
        found.configure()
        yield found


# What a preview says of a site that comes to be reached from outside.
EXPOSED = [
    'update ConfigMap/commonweal-system/commonweal-operator: data["config.yaml"]',
    'update Deployment.apps/commonweal-system/commonweal-operator: spec.template.metadata.annotations["commonweal.dev/config-digest"]',
    *(
        f'update Service/commonweal-system/{name}: metadata.annotations["pulumi.com/skipAwait"], metadata.annotations["pulumi.com/waitFor"], '
        "spec.externalTrafficPolicy, spec.type"
        for name in ("identity", "portal")
    ),
]


def test_a_site_from_nothing_to_nothing(site: Site) -> None:
    api = site.plane.api()

    first = site.run(operations.up)
    assert first.counts.keys() == {"create"}
    assert first.outputs["namespace"] == "commonweal-system"
    assert first.outputs["endpoints"] == {
        name: f"{name}.commonweal-system.svc.cluster.local" for name in ("identity", "identity-store", "portal")
    }
    assert api.request("GET", "/api/v1/namespaces/commonweal-system/secrets/commonweal-sectors")["data"].keys() == {"master"}

    second = site.run(operations.up)
    assert second.counts == {"same": first.counts["create"]}
    assert second.outputs == first.outputs

    site.configure(expose="LoadBalancer")
    assert sorted(site.run(operations.preview).changed) == EXPOSED
    site.configure()

    for name in ("sectors-master", "site-authority"):
        kept = kept_secret(name).read_text()
        written = [file.read_text(errors="replace") for file in root().rglob("*") if file.is_file() and file.name != name]
        assert len(written) > 3
        assert not [text for text in written if kept in text]
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
        site.run(operations.destroy)
    site.run(operations.destroy, delete_departments=True)
    assert ours(api) == []


def typed(site: Site, *words: str, **environment: str) -> str:
    """What `pulumi` says that a person types in the project's directory."""
    told = {**os.environ, **environment}
    done = subprocess.run(
        ["pulumi", *words], cwd=site.project, env=told, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pulumi_typed_in_the_projects_directory_works_on_what_up_made_and_writes_nothing_there(site: Site) -> None:
    made = site.run(operations.up)
    by_hand = operations.environment("onprem", say=site.lines.append, project=site.project)
    before = {file.name: file.read_text() for file in site.project.iterdir()}

    assert f"{made.counts['create']} unchanged" in typed(site, "preview", "--color=never", **by_hand)
    assert {file.name: file.read_text() for file in site.project.iterdir()} == before
    site.configure(expose="LoadBalancer")
    assert "4 to update" in typed(site, "preview", "--color=never", **by_hand)


def test_pulumi_alone_makes_a_stack_of_its_own_as_the_how_to_says(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "mine"
    state.mkdir()
    alone = {
        "PATH": os.pathsep.join([str(programs.directory() / "bin"), os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": "mine",
    }
    typed(site, "stack", "init", "onprem", **alone)
    for key in ("commonweal:sectorsMaster", "commonweal:siteAuthority", "commonweal:siteKey"):
        typed(site, "config", "set", "--secret", key, "ab" * 32, **alone)

    shown = typed(site, "preview", "--color=never", **alone)

    expected = site.run(operations.preview).counts["create"]
    assert f"+ {expected} to create" in shown
    assert ours(site.plane.api()) == []


def test_conform_names_the_leaf_that_was_changed_by_hand(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run(operations.up)
    before = conform.digest_of("onprem", site.project)

    assert commonweal(["conform", "onprem", "cloud", "--no-probes", "--stacks", str(site.project)]) == conform.EQUAL
    assert capsys.readouterr().out.count(before.root) == 2

    path = "/api/v1/namespaces/commonweal-system/resourcequotas/commonweal-platform"
    site.plane.api().request("PATCH", path, {"spec": {"hard": {"pods": "21"}}}, content_type=MERGE)
    site.plane.api().request("DELETE", "/apis/storage.k8s.io/v1/storageclasses/std-rwo")
    found = differences(before, conform.digest_of("onprem", site.project))

    assert str(found[0]) == 'layer: ResourceQuota/commonweal-system/commonweal-platform:spec.hard.pods: "20" | "21"'
    assert {difference.path.partition(":")[0] for difference in found[1:]} == {"StorageClass.storage.k8s.io/std-rwo"}


def test_wrong_configuration_is_refused_before_anything_is_created(site: Site) -> None:
    site.configure(expose="NodePort")
    with pytest.raises(LocalError, match=r"commonweal:site\.expose in Pulumi\.onprem\.yaml"):
        site.run(operations.up)
    site.configure()
    (root().parent / "images.json").write_text("{}")
    with pytest.raises(LocalError, match=r"images\.json names no image for operator, runtime, store"):
        site.run(operations.up)
    assert ours(site.plane.api()) == []
