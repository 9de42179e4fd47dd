"""A local site's programs run with what the blueprint renders for a cloud, but for what is listed with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.sites import encryption, node, pki, settings
from commonweal_local.sites.components import command_lines
from commonweal_local.sites.site import Mode, Site
from commonweal_stacks import clusters
from commonweal_stacks.blueprint import REVISIONS, Blueprint, files, revision, standard
from commonweal_stacks.clusters.local_programs import ENCRYPTION, PROGRAMS, SETTINGS
from support.sites import site as configured

GOVERNED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
OWN = {(each.kind, each.path) for each in PROGRAMS}
Flags = Mapping[str, str]


def local(root: Path, blueprint: str, mode: Mode = Mode.PODS) -> Site:
    programs = {name: f"/programs/{name}" for name in (*GOVERNED, "etcd", "kube-proxy", "kwok")}
    return Site("north", 2, mode, root, programs, blueprint=blueprint, networks=asdict(revision(blueprint).network))


def started_with(site: Site) -> dict[str, Flags]:
    """Program -> its flags, as they stand on its command line."""
    words = {name: line[1:] for name, line in command_lines(site).items() if name in GOVERNED}
    assert all(word.startswith("--") for line in words.values() for word in line)
    return {
        name: {flag.removeprefix("--"): value for flag, _, value in (word.partition("=") for word in line)} for name, line in words.items()
    }


def rendered(blueprint: str) -> tuple[dict[str, Flags], dict[str, dict[str, Any]]]:
    """Program -> flags, and the control plane's files by path, of a site of a cloud: what kubeadm is told, and what it gives by itself."""
    chosen = revision(blueprint)
    made = {each["kind"]: each for each in clusters.site_objects(configured("aws", blueprint=blueprint), chosen)}
    plane = made["KubeadmControlPlaneTemplate"]["spec"]["template"]["spec"]["kubeadmConfigSpec"]
    worker = made["KubeadmConfigTemplate"]["spec"]["template"]["spec"]["joinConfiguration"]
    told = plane["clusterConfiguration"]
    network = chosen.network
    given = {
        "kube-apiserver": {**standard.api_server_flags(network), **named(told["apiServer"]["extraArgs"])},
        "kube-controller-manager": {**standard.controller_flags(network), **named(told["controllerManager"]["extraArgs"])},
        "kube-scheduler": {**standard.scheduler_flags(), **named(told["scheduler"]["extraArgs"])},
        "kubelet": {
            flag: value for flag, value in named(worker["nodeRegistration"]["kubeletExtraArgs"]).items() if flag != "cloud-provider"
        },
    }
    return given, {each["path"]: each for each in plane["files"]}


def named(arguments: list[dict[str, str]]) -> Flags:
    return {each["name"]: each["value"] for each in arguments}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("blueprint", REVISIONS)
def test_flags_are_those_of_a_cloud_but_for_what_is_listed(tmp_path: Path, blueprint: str, mode: Mode) -> None:
    cloud, _ = rendered(blueprint)
    for program, flags in started_with(local(tmp_path, blueprint, mode)).items():
        assert set(cloud[program]) <= set(flags), program
        differing = {(program, name) for name, value in flags.items() if cloud[program].get(name) != value}
        assert differing <= OWN, program


def test_nothing_is_listed_that_is_alike_or_not_there(tmp_path: Path) -> None:
    sites = [local(tmp_path, blueprint, mode) for blueprint in REVISIONS for mode in Mode]
    cloud, _ = rendered("r1")
    found = {
        (program, name)
        for site in sites
        for program, flags in started_with(site).items()
        for name, value in flags.items()
        if cloud[program].get(name) != value
    }
    assert {(kind, path) for kind, path in OWN if kind in GOVERNED} <= found
    node.write_files(sites[0])
    assert {path for kind, path in OWN if kind == SETTINGS} == own_settings(json.loads((sites[0].etc / "kubelet.json").read_text()), "r1")
    assert {kind for kind, path in OWN if path == "*"} == {"etcd", "containerd", "kube-proxy"}
    assert all(each.why for each in PROGRAMS)


def own_settings(written: dict[str, Any], blueprint: str) -> set[str]:
    """The fields of a kubelet's file that are not as everywhere; what lies in one that is everywhere is named with it."""
    alike = standard.kubelet_settings(revision(blueprint).network)
    assert set(alike) <= set(written)
    found = set()
    for name, value in written.items():
        if name not in alike:
            found.add(name)
        elif isinstance(value, dict):
            assert alike[name].items() <= value.items()
            found |= {f"{name}.{inner}" for inner in value.keys() - alike[name].keys()}
        else:
            assert value == alike[name]
    return found - {"apiVersion", "kind"}


@pytest.mark.parametrize("blueprint", REVISIONS)
def test_files_are_those_of_a_cloud(tmp_path: Path, blueprint: str) -> None:
    site = local(tmp_path, blueprint)
    pki.make(site)
    settings.write_files(site)
    _, cloud = rendered(blueprint)
    mine = settings.places(site)
    for here, there in ((mine.audit, files.AUDIT), (mine.admission, files.ADMISSION)):
        assert Path(here).read_text() == cloud[there]["content"]
        assert Path(here).stat().st_mode & 0o777 == int(cloud[there]["permissions"], 8)
    assert len(cloud) == 3
    ours, theirs = (json.loads(text) for text in (Path(mine.encryption).read_text(), files.encryption(revision(blueprint), "5e" * 32)))
    for each in (ours, theirs):
        for rule in each["resources"]:
            rule["providers"] = sorted(name for provider in rule["providers"] for name in provider if name != encryption.PLAIN)
    assert ours == theirs
    assert (ENCRYPTION, "providers") in OWN


@pytest.mark.parametrize("blueprint", REVISIONS)
def test_a_kubelet_has_the_blueprints_limits_on_its_command_line_where_they_go_before_its_file(tmp_path: Path, blueprint: str) -> None:
    site, limits = local(tmp_path, blueprint), revision(blueprint).kubelet
    node.write_files(site)
    written = json.loads((site.etc / "kubelet.json").read_text())
    flags = started_with(site)["kubelet"]
    assert (flags["max-pods"], flags["pod-max-pids"]) == (str(limits.max_pods), str(limits.pod_pids))
    assert not {"maxPods", "podPidsLimit", "containerLogMaxSize", "containerLogMaxFiles"} & set(written)
    assert (written["clusterDNS"], written["clusterDomain"]) == (["10.96.0.10"], "cluster.local")


SETTLED = (
    ("audit_days", 7),
    ("admission", ("NodeRestriction", "AlwaysPullImages")),
    ("pod_security", "restricted"),
    ("encrypted", ("secrets",)),
)


@pytest.mark.parametrize(("setting", "value"), SETTLED)
def test_each_setting_of_a_revision_reaches_a_site_that_is_brought_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: Any
) -> None:
    site = local(tmp_path, "r1", Mode.CONTROL_PLANE)
    pki.make(site)
    settings.write_files(site)
    before = what_runs(site)
    another: Blueprint = replace(revision("r1"), revision="r9", **{setting: value})
    monkeypatch.setattr(Site, "settings", another)
    settings.write_files(site)
    assert [name for name, now in what_runs(site).items() if now != before[name]] == ["kube-apiserver"]


def what_runs(site: Site) -> dict[str, str]:
    """Program -> what decides whether it is started anew."""
    from commonweal_local.sites.supervisor import fingerprint

    return {name: fingerprint(line, site.directory, site.logs) for name, line in command_lines(site).items()}


def test_a_change_of_a_kubelets_limits_starts_the_kubelet_anew_and_nothing_else(tmp_path: Path) -> None:
    before, after = (what_runs(local(tmp_path, blueprint)) for blueprint in ("r1", "r2"))
    assert [name for name in before if before[name] != after[name]] == ["kubelet"]
