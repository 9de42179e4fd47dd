"""A site's configuration is refused with the key, the file and the remedy, before anything is created."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from commonweal_stacks.clusters import AdoptedCluster, LocalCluster, cluster_of
from commonweal_stacks.site import SiteConfig, SiteConfigError, load_images, parse_master, parse_site

STACKS = Path(__file__).resolve().parents[3] / "stacks" / "site"
GOOD: dict[str, Any] = {
    "name": "onprem",
    "kind": "local",
    "expose": "LoadBalancer",
    "clientCidrs": ["10.210.0.0/16"],
    "storage": {"provisioner": "rancher.io/local-path"},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (GOOD | changes).items() if value is not ...}


@pytest.mark.parametrize("stack", ["onprem", "cloud"])
def test_the_committed_stack_files_are_good_and_hold_no_secrets(stack: str) -> None:
    text = (STACKS / f"Pulumi.{stack}.yaml").read_text()

    config = yaml.safe_load(text)

    assert parse_site(config["config"]["commonweal:site"], stack=stack).name == stack
    assert list(config) == ["config"]
    assert "secure" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ["commonweal:site in Pulumi.onprem.yaml", "found nothing"]),
        ("x", ["commonweal:site in Pulumi.onprem.yaml", "found str"]),
        (changed(kind="cloud"), ["commonweal:site.kind in Pulumi.onprem.yaml", "'adopted' or 'local'", "Correct it."]),
        (changed(storage=...), ["commonweal:site.storage in Pulumi.onprem.yaml", "Field required", "Add it."]),
        (changed(storage={"provisioner": "No Such"}), ["commonweal:site.storage.provisioner", "pattern"]),
        (
            changed(clientCidrs=["10.210.0.0/16", "10.1.0.1/16"]),
            ["commonweal:site.clientCidrs", "10.1.0.1/16 has host bits set", "10.1.0.0/16"],
        ),
        (changed(expose="NodePort"), ["commonweal:site.expose", "'LoadBalancer' or 'ClusterIP'"]),
        (changed(storageclass="x"), ["commonweal:site.storageclass", "Take it out, or correct its spelling"]),
        (changed(kind="adopted"), ["commonweal:site in Pulumi.onprem.yaml", "needs kubeconfig: the path"]),
        (changed(kubeconfig="/x"), ["kind local takes no kubeconfig", "leave it out, or use kind adopted"]),
        (changed(name="cloud"), ["commonweal:site.name in Pulumi.onprem.yaml", "'cloud'", "Name the site as its stack"]),
        (changed(identity={"issuer": "ftp://x"}), ["commonweal:site.identity.issuer"]),
    ],
)
def test_a_bad_site_is_refused_with_key_file_and_remedy(value: Any, words: list[str]) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_site(value, stack="onprem")
    for word in words:
        assert word in str(refused.value)


def test_every_problem_of_a_site_is_named_at_once() -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_site(changed(kind="cloud", expose="NodePort"), stack="onprem")
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("value", "secret", "words"),
    [
        (None, False, "is not set"),
        ("a" * 64, False, "clear text"),
        ("A" * 64, True, "not 64 hexadecimal characters in lower case"),
        ("a" * 63, True, "not 64 hexadecimal"),
    ],
)
def test_a_bad_master_is_refused_with_the_command_that_sets_it_and_is_not_shown(value: str | None, secret: bool, words: str) -> None:
    with pytest.raises(SiteConfigError, match="pulumi config set --secret commonweal:sectorsMaster") as refused:
        parse_master(value, stack="onprem", secret=secret)
    assert words in str(refused.value)
    assert not value or value not in str(refused.value)


def test_images_are_read_from_the_machines_home_unless_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    images = {"operator": "o:1", "runtime": "r:1", "store": "s:1"}
    (tmp_path / "images.json").write_text(json.dumps(images | {"other": "x"}))
    assert load_images(None, stack="onprem") == images

    (tmp_path / "few.json").write_text(json.dumps({"operator": "o:1"}))
    with pytest.raises(
        SiteConfigError, match=r"commonweal:images in Pulumi.onprem.yaml: .*few.json names no image for runtime, store. Build"
    ):
        load_images(str(tmp_path / "few.json"), stack="onprem")
    with pytest.raises(SiteConfigError, match=r"cannot read .*none\.json: No such file"):
        load_images(str(tmp_path / "none.json"), stack="onprem")


def test_each_kind_of_site_finds_its_kubeconfig_or_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    local = cluster_of(SiteConfig.model_validate(GOOD))
    assert isinstance(local, LocalCluster)
    with pytest.raises(SiteConfigError, match=r"no management cluster: .* Start one with `commonweal management up`"):
        local.kubeconfig()
    local.path.parent.mkdir(parents=True)
    local.path.write_text("kind: Config\n")
    assert local.kubeconfig() == "kind: Config\n"

    adopted = cluster_of(SiteConfig.model_validate(changed(kind="adopted", kubeconfig=str(local.path))))
    assert isinstance(adopted, AdoptedCluster)
    assert adopted.kubeconfig() == "kind: Config\n"
    gone = AdoptedCluster(SiteConfig.model_validate(changed(kind="adopted", kubeconfig=str(tmp_path / "none"))))
    with pytest.raises(SiteConfigError, match=r"commonweal:site\.kubeconfig in Pulumi\.onprem\.yaml: cannot read"):
        gone.kubeconfig()
