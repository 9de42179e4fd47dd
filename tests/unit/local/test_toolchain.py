"""Where programs come from."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from commonweal_local import paths, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress, Silent
from commonweal_local.toolchain import Origin, golang, lookup
from commonweal_local.toolchain.catalogue import PROGRAMS, named
from commonweal_local.toolchain.compiling import EVEN, PULUMI, Compiling, Curve
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management.upstream import UPSTREAM, Upstream, fetched

GO = """#!/bin/sh
case "$1" in
version) echo "go version go1.26.6 linux/amd64";;
list) echo one; echo two;;
build)
  echo "$@" >> "$GO_CALLS"
  if [ -n "$GO_FAILS" ]; then echo "cannot find module"; exit 1; fi
  while [ "$1" != -o ]; do shift; done
  directory=$2; shift; shift
  for package; do
    file=$directory/$(echo "$package" | sed -E 's,/v[0-9]+$,,; s,.*/,,')
    echo "#!/bin/sh" > "$file"; chmod +x "$file"
  done;;
mod)
  echo "$@ $GONOSUMDB" >> "$GO_CALLS"
  cat "$GO_SAYS";;
esac
"""


def program(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(text if text.startswith("#!") else f"#!/bin/sh\necho '{text}'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it but a shell: PATH, assets and cache are empty directories."""
    for name in ("path", "assets"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr("commonweal_local.toolchain.golang.USUAL_PLACES", ())
    monkeypatch.setattr("commonweal_local.toolchain.build.BUILD_GIB", 0.0)
    return tmp_path


def test_path_comes_before_assets_and_assets_before_the_cache(places: Path) -> None:
    built = lookup.built("kubectl").path
    built.parent.mkdir(parents=True)
    program(built.parent, "kubectl", "Client Version: v1.36.3")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (built, Origin.BUILT)
    assets = program(places / "assets", "kubectl", "Client Version: v1.36.1")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (assets, Origin.ASSETS)
    on_path = program(places / "path", "kubectl", "Client Version: v1.36.0")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (on_path, Origin.PATH)


@pytest.mark.parametrize(
    ("name", "says", "suits"),
    [
        ("kubectl", "Client Version: v1.35.9", True),
        ("kubectl", "Client Version: v1.37.0", True),
        ("kubectl", "Client Version: v1.34.0", False),
        ("kubectl", "Client Version: v1.38.0", False),
        ("helm", "v3.18.2+g04cad46", True),
        ("helm", "v4.0.0+gabc", False),
        ("pulumi", "v3.220.0", True),
        ("pulumi", "v2.9.0", False),
        ("etcd", "etcd Version: 3.6.6", True),
        ("etcd", "etcd Version: 3.4.30", False),
        ("kube-apiserver", "Kubernetes v1.36.1", True),
        ("kube-apiserver", "Kubernetes v1.35.1", False),
    ],
)
def test_a_program_of_the_machine_is_taken_only_in_a_version_that_suits(places: Path, name: str, says: str, suits: bool) -> None:
    program(places / "path", name, says)
    assert (lookup.on_machine(name) is not None) is suits


def test_a_program_that_does_not_start_is_passed_over(places: Path) -> None:
    program(places / "path", "kubectl", "#!/bin/sh\necho 'Client Version: v1.36.0'\nexit 3\n")
    assert toolchain.find("kubectl") is None


def test_an_add_on_is_never_taken_from_the_machine(places: Path) -> None:
    program(places / "path", "coredns", "CoreDNS-1.13.1")
    assert toolchain.find("coredns") is None


def test_our_own_link_on_path_is_not_taken_for_the_machines(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = places / "cache" / "bin"
    ours.mkdir(parents=True)
    program(ours, "kubectl", "Client Version: v1.36.3")
    monkeypatch.setenv("PATH", f"{ours}:{os.environ['PATH']}")
    assert lookup.on_machine("kubectl") is None


def test_what_is_missing_is_built_once_and_then_never_again(places: Path) -> None:
    program(places / "path", "go", GO)
    for _ in range(2):
        tools = toolchain.ensure(["etcd", "kubectl", "kube-apiserver", "helm"], Silent())
        assert all(tool.path.exists() and tool.origin is Origin.BUILT for tool in tools.values())
    calls = (places / "calls").read_text().splitlines()
    assert len(calls) == 1, "what shares its dependencies is built in one run"
    assert "-trimpath" in calls[0]
    assert "gitVersion=v1.36.3" in calls[0]
    assert (places / "cache" / "bin" / "kubectl").resolve() == tools["kubectl"].path.resolve()


def test_a_build_that_fails_says_why_and_where_the_log_is(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(places / "path", "go", GO)
    monkeypatch.setenv("GO_FAILS", "1")
    with pytest.raises(LocalError, match=r"cannot find module.*build-helm\.log"):
        toolchain.ensure(["helm"], Silent())
    assert toolchain.find("helm") is None


def test_a_build_says_what_it_builds(places: Path) -> None:
    program(places / "path", "go", GO)
    shown = io.StringIO()
    toolchain.ensure(["helm", "coredns"], Progress(shown, live=False))
    assert "building helm, coredns" in shown.getvalue()


def test_only_what_cannot_share_a_build_has_one_of_its_own(places: Path) -> None:
    program(places / "path", "go", GO)
    toolchain.ensure(["helm", "local-path-provisioner", "coredns", "etcdutl", "kube-network-policies"], Silent())
    calls = [set(call.split()) for call in (places / "calls").read_text().splitlines()]
    together, *alone = sorted(calls, key=len, reverse=True)
    assert {"helm.sh/helm/v3/cmd/helm", "./coredns", "sigs.k8s.io/kube-network-policies/cmd"} <= together
    assert len(alone) == 2
    assert any({"-modfile=etcdutl/go.mod", "go.etcd.io/etcd/etcdutl/v3"} <= call for call in alone)
    assert any("github.com/rancher/local-path-provisioner" in call for call in alone)
    assert toolchain.find("etcdutl"), "named without the major version that its module ends in"
    assert toolchain.find("kube-network-policies"), "named after its last folder by Go, and by its name here"


def test_files_that_the_checkout_does_not_hold_come_out_of_the_pinned_module(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(places, monkeypatch, Dir=str(places / "module"))
    toolchain.ensure(["pulumi-resource-kubernetes"], Silent())
    asked, _, built = (places / "calls").read_text().splitlines()
    assert asked.split() == ["mod", "download", "-json", "-modfile=pulumi/go.mod", "github.com/pulumi/pulumi-kubernetes/provider/v4"]
    assert "-overlay=" in built


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26.5"])
def test_a_go_that_is_too_old_is_passed_over(places: Path, version: str) -> None:
    program(places / "path", "go", f"#!/bin/sh\necho 'go version {version} linux/amd64'\n")
    assert golang.find() is None


@pytest.mark.parametrize("curve", [EVEN, PULUMI])
def test_how_far_a_build_is_never_falls_back_and_ends_at_the_end(curve: Curve) -> None:
    shares = [Compiling(200, curve).share(done) for done in range(0, 260, 10)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_too_little_disk_is_said_before_a_build_not_after(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(places / "path", "go", GO)
    monkeypatch.setattr("commonweal_local.toolchain.build.BUILD_GIB", 1e9)
    with pytest.raises(LocalError, match="COMMONWEAL_CACHE"):
        toolchain.ensure(["helm"], Silent())
    assert not (places / "calls").exists()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LocalError, match=", ".join(PROGRAMS)):
        named("docker")


def test_another_version_of_kubernetes_lies_beside_the_usual_one_and_is_built_only_when_asked_for(places: Path) -> None:
    program(places / "path", "go", GO)
    usual = toolchain.kubernetes("v1.36.3", Silent())
    assert "modfile" not in (places / "calls").read_text()
    other = toolchain.kubernetes("v1.37.2", Silent())
    assert other.keys() == usual.keys() >= {"etcd", "kube-apiserver", "kubelet"}
    assert all(path.exists() for path in other.values())
    assert {path.parent for path in other.values()}.isdisjoint({path.parent for path in usual.values()})
    last = (places / "calls").read_text().splitlines()[-1]
    assert "-modfile=kubernetes-1.37/go.mod" in last
    assert "gitVersion=v1.37.2" in last
    assert (places / "cache" / "bin" / "kubectl").resolve() == usual["kubectl"].resolve(), "a person's kubectl stays the usual one"


def test_a_machines_kubernetes_serves_as_a_version_only_when_it_is_exactly_that_one(places: Path) -> None:
    program(places / "path", "go", GO)
    program(places / "path", "kube-apiserver", "Kubernetes v1.36.1")
    same = program(places / "path", "kube-scheduler", "Kubernetes v1.36.3")
    found = toolchain.kubernetes("v1.36.3", Silent())
    assert found["kube-scheduler"] == same
    assert found["kube-apiserver"] == lookup.built("kube-apiserver").path


def test_a_version_that_is_not_built_here_names_those_that_are() -> None:
    with pytest.raises(LocalError, match=r"v1\.36\.3 and v1\.37\.2"):
        toolchain.kubernetes("v1.34.4", Silent())


def module(directory: Path, part: Upstream) -> Path:
    """A Go module as the proxy delivers it, with one definition in it."""
    bases = directory / part.config / "crd" / "bases"
    bases.mkdir(parents=True)
    (bases / "one.yaml").write_text("kind: CustomResourceDefinition\n")
    (bases / "OWNERS").write_text("nobody\n")
    (bases.parent / "kustomization.yaml").write_text("commonLabels: {}\n")
    (directory / "metadata.yaml").write_text("releaseSeries: []\n")
    return directory


def said(places: Path, monkeypatch: pytest.MonkeyPatch, **answer: str) -> None:
    (places / "answer").write_text(json.dumps(answer))
    monkeypatch.setenv("GO_SAYS", str(places / "answer"))
    program(places / "path", "go", GO)


def test_definitions_are_fetched_once_and_then_need_neither_go_nor_its_cache(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = UPSTREAM["gcp"]
    source = module(places / "module", part)
    said(places, monkeypatch, Dir=str(source), Sum=part.checksum)
    found = toolchain.definitions("gcp", Silent())
    shutil.rmtree(source)
    (places / "path" / "go").unlink()
    assert toolchain.definitions("gcp", Silent()) == found == fetched("gcp")
    assert sorted(str(file.relative_to(found)) for file in found.rglob("*.*")) == [
        "crds.kustomization.yaml",
        "crds/one.yaml",
        "metadata.yaml",
    ]
    assert (places / "calls").read_text().split() == ["mod", "download", "-json", f"{part.module}@{part.version}", part.module]


@pytest.mark.parametrize(
    ("answer", "text"),
    [({"Dir": "/x", "Sum": "h1:other="}, "sent another .*h1:other=.*GOPROXY"), ({"Error": "no route"}, "no route.*GOPROXY")],
)
def test_definitions_that_cannot_be_had_or_are_not_the_pinned_ones_leave_nothing(
    places: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, str], text: str
) -> None:
    said(places, monkeypatch, **answer)
    with pytest.raises(LocalError, match=text):
        toolchain.definitions("aws", Silent())
    with pytest.raises(SiteConfigError, match="make tools"):
        fetched("aws")


def test_the_core_controller_and_the_definitions_are_of_one_version() -> None:
    pins = (paths.source() / "local" / "toolchain" / "go.mod").read_text().split("\n")
    part = UPSTREAM["cluster-api"]
    assert any(line.split()[:2] == [part.module, part.version] for line in pins if line.strip())


def test_what_several_lists_of_dependencies_share_has_one_version() -> None:
    """Else Go compiles it once for each list. What differs is the reason for a list of its own."""
    toolchain_directory = paths.source() / "local" / "toolchain"
    usual = pinned(toolchain_directory / "go.mod")
    different = {"github.com/olekukonko/tablewriter"}
    for name in ("pulumi", "etcdutl"):
        other = pinned(toolchain_directory / name / "go.mod")
        shared = usual.keys() & other.keys() - different
        assert len(shared) > 20
        assert {module: other[module] for module in shared} == {module: usual[module] for module in shared}


def pinned(file: Path) -> dict[str, str]:
    """Module -> version, as required or as replaced."""
    text = file.read_text()
    required = dict(re.findall(r"^(?:require)?\s+(\S+) (v\S+)", text, re.MULTILINE))
    return required | dict(re.findall(r"^replace (\S+) => \S+ (v\S+)", text, re.MULTILINE))
