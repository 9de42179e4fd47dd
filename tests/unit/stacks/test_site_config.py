"""A site's configuration is refused with the key, the file and the remedy, before anything is created."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from commonweal_stacks.blueprint import revision
from commonweal_stacks.clusters import AdoptedCluster, LocalCluster, cluster_of, refuse_change
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site import SiteConfig, load_images, parse_master, parse_site
from commonweal_stacks.site_kinds import Kind
from support.sites import ADDRESSES, MACHINES, described, site

STACKS = Path(__file__).resolve().parents[3] / "stacks" / "site"
GOOD: dict[str, Any] = {
    "name": "onprem",
    "kind": "local",
    "expose": "LoadBalancer",
    "clientCidrs": ["10.210.0.0/16"],
    "storage": {"provisioner": "rancher.io/local-path"},
}


def test_the_small_issuer_runs_only_where_a_site_says_so() -> None:
    identity = parse_site(GOOD, stack="onprem").identity
    assert (identity.enabled, identity.issuer) == (False, "")


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (GOOD | changes).items() if value is not ...}


@pytest.mark.parametrize("stack", ["onprem", "cloud"])
def test_the_committed_stack_files_are_good_and_hold_no_secrets(stack: str) -> None:
    text = (STACKS / f"Pulumi.{stack}.yaml").read_text()

    config = yaml.safe_load(text)

    parsed = parse_site(config["config"]["commonweal:site"], stack=stack)
    assert parsed.name == stack
    assert parsed.identity.enabled, "a local site has no issuer but the small one"
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
        (changed(networks={"pods": ["10.1.0.0/16"]}), ["kind local takes no networks", "leave them out"]),
        (changed(identity={"issuer": "http://x"}), ["issuer is not https", "set jwks to an https address"]),
        (changed(identity={"issuer": "https://x", "jwks": "http://x/jwks"}), ["commonweal:site.identity.jwks"]),
        (changed(name="cloud"), ["commonweal:site.name in Pulumi.onprem.yaml", "'cloud'", "Name the site as its stack"]),
        (changed(identity={"issuer": "ftp://x"}), ["commonweal:site.identity.issuer"]),
        (changed(identity={"jwks": "https://x/jwks"}), ["commonweal:site.identity in Pulumi.onprem.yaml", "set issuer, or set enabled"]),
    ],
)
def test_a_bad_site_is_refused_with_key_file_and_remedy(value: Any, words: list[str]) -> None:
    with pytest.raises(SiteConfigError) as refused:
        parse_site(value, stack="onprem")
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_site_of_each_kind_is_read_with_its_own_block_only(kind: Kind) -> None:
    good = described(kind)
    assert parse_site(good, stack=good["name"]).kind == kind
    others = {key: value for other in get_args(Kind) if other not in {kind, "adopted"} for key, value in ADDRESSES[other].items()}
    for key, block in others.items():
        with pytest.raises(
            SiteConfigError, match=rf"commonweal:site in .*: {key} belongs to kind .*, and the site is of kind {kind}; take {key} out"
        ):
            parse_site({**good, key: block}, stack=good["name"])
    if kind != "adopted":
        with pytest.raises(SiteConfigError, match=f"kind {kind} takes no kubeconfig: .* leave it out, or use kind adopted"):
            parse_site({**good, "kubeconfig": "/x"}, stack=good["name"])


@pytest.mark.parametrize("kind", MACHINES)
def test_a_kind_that_needs_addresses_says_so(kind: Kind) -> None:
    (key,) = ADDRESSES[kind]
    with pytest.raises(SiteConfigError, match=rf"kind {kind} needs {key}: the block with its addresses \(docs/reference/site-kinds.md"):
        site(kind, **{key: ...})


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("aws", {"region": "Frankfurt"}, ["commonweal:site.aws.region in Pulumi.site-aws.yaml", "pattern", "Correct it."]),
        ("aws", {"imageAccount": "12"}, ["commonweal:site.aws.imageAccount"]),
        ("aws", {"instanceType": "x"}, ["commonweal:site.aws.instanceType", "Take it out, or correct its spelling."]),
        ("aws", {"nodes": "10.0.0.1/16"}, ["commonweal:site.aws.nodes", "write a network such as 10.1.0.0/16"]),
        (
            "gcp",
            {"nodes": "10.244.0.0/20"},
            ["gcp.nodes 10.244.0.0/20 overlaps 10.244.0.0/16, which the blueprint uses inside the cluster"],
        ),
        ("edge-k3s", {"nodes": "10.96.9.0/24"}, ["edgeK3s.nodes 10.96.9.0/24 overlaps 10.96.0.0/16"]),
        ("gcp", {"project": ...}, ["commonweal:site.gcp.project", "Field required", "Add it."]),
        ("azure", {"subscriptionId": "mine"}, ["commonweal:site.azure.subscriptionId"]),
        ("vsphere", {"thumbprint": "ab:cd"}, ["commonweal:site.vsphere.thumbprint"]),
        ("metal3", {"images": "ftp://x"}, ["commonweal:site.metal3.images"]),
        ("local", {"mode": "pods"}, ["commonweal:site.local.mode", "'Pods', 'ControlPlane' or 'Shared'"]),
    ],
)
def test_a_bad_address_is_refused_with_key_file_and_remedy(kind: Kind, changes: dict[str, Any], words: list[str]) -> None:
    ((key, block),) = ADDRESSES[kind].items()
    with pytest.raises(SiteConfigError) as refused:
        site(kind, **{key: {name: value for name, value in (block | changes).items() if value is not ...}})
    for word in words:
        assert word in str(refused.value)


def test_size_and_blueprint_are_chosen_by_name() -> None:
    assert (site("aws").size, site("aws").blueprint) == ("small", "r4")
    with pytest.raises(SiteConfigError, match=r"commonweal:site\.size in .*'small', 'medium' or 'large'"):
        site("aws", size="huge")
    with pytest.raises(
        SiteConfigError, match=r"commonweal:site\.blueprint in .*: there is no blueprint 'r9'; there are r1, r2, r3, r4, r5\. Correct it"
    ):
        site("aws", blueprint="r9")


def test_a_revision_that_the_cluster_cannot_go_back_to_is_refused_with_the_key() -> None:
    refuse_change(site("local", blueprint="r1"), revision("r1"), "v1.36.3")
    refuse_change(site("local", blueprint="r3"), revision("r3"), None)
    with pytest.raises(SiteConfigError, match=r"commonweal:site\.blueprint in Pulumi\.site-local\.yaml: .*cannot decrease a version"):
        refuse_change(site("local", blueprint="r2"), revision("r2"), "v1.37.2")


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
    images = {"operator": "o:1", "runtime": "r:1", "store": "s:1", "portal": "p:1"}
    (tmp_path / "images.json").write_text(json.dumps(images | {"other": "x"}))
    assert load_images(None, stack="onprem") == images

    (tmp_path / "few.json").write_text(json.dumps({"operator": "o:1"}))
    with pytest.raises(
        SiteConfigError, match=r"commonweal:images in Pulumi.onprem.yaml: .*few.json names no image for runtime, store, portal. Build"
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
