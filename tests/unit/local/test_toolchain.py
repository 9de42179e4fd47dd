"""Where programs come from."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from commonweal_local import paths, toolchain
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress, Silent
from commonweal_local.toolchain import Origin, lookup
from commonweal_local.toolchain.catalogue import PROGRAMS, named
from commonweal_stacks.management.upstream import UPSTREAM, Upstream, fetched
from commonweal_stacks.site import SiteConfigError

GO = """#!/bin/sh
case "$1" in
version) echo "go version go1.26.0 linux/amd64";;
build)
  echo "$@" >> "$GO_CALLS"
  if [ -n "$GO_FAILS" ]; then echo "cannot find module"; exit 1; fi
  while [ "$1" != -o ]; do shift; done
  echo "#!/bin/sh" > "$2"; chmod +x "$2";;
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
    program(built.parent, "kubectl", "Client Version: v1.34.4")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (built, Origin.BUILT)
    assets = program(places / "assets", "kubectl", "Client Version: v1.34.1")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (assets, Origin.ASSETS)
    on_path = program(places / "path", "kubectl", "Client Version: v1.34.0")
    tool = toolchain.find("kubectl")
    assert tool
    assert (tool.path, tool.origin) == (on_path, Origin.PATH)


@pytest.mark.parametrize(
    ("name", "says", "suits"),
    [
        ("kubectl", "Client Version: v1.33.9", True),
        ("kubectl", "Client Version: v1.35.0", True),
        ("kubectl", "Client Version: v1.32.0", False),
        ("kubectl", "Client Version: v1.36.0", False),
        ("helm", "v3.18.2+g04cad46", True),
        ("helm", "v4.0.0+gabc", False),
        ("pulumi", "v3.220.0", True),
        ("pulumi", "v2.9.0", False),
        ("etcd", "etcd Version: 3.6.6", True),
        ("etcd", "etcd Version: 3.4.30", False),
        ("kube-apiserver", "Kubernetes v1.34.1", True),
        ("kube-apiserver", "Kubernetes v1.33.1", False),
    ],
)
def test_a_program_of_the_machine_is_taken_only_in_a_version_that_suits(places: Path, name: str, says: str, suits: bool) -> None:
    program(places / "path", name, says)
    assert (lookup.on_machine(name) is not None) is suits


def test_a_program_that_does_not_start_is_passed_over(places: Path) -> None:
    program(places / "path", "kubectl", "#!/bin/sh\necho 'Client Version: v1.34.0'\nexit 3\n")
    assert toolchain.find("kubectl") is None


def test_an_add_on_is_never_taken_from_the_machine(places: Path) -> None:
    program(places / "path", "coredns", "CoreDNS-1.13.1")
    assert toolchain.find("coredns") is None


def test_our_own_link_on_path_is_not_taken_for_the_machines(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = places / "cache" / "bin"
    ours.mkdir(parents=True)
    program(ours, "kubectl", "Client Version: v1.34.4")
    monkeypatch.setenv("PATH", f"{ours}:{os.environ['PATH']}")
    assert lookup.on_machine("kubectl") is None


def test_what_is_missing_is_built_once_and_then_never_again(places: Path) -> None:
    program(places / "path", "go", GO)
    for _ in range(2):
        tools = toolchain.ensure(["etcd", "kubectl", "kube-apiserver", "helm"], Silent())
        assert all(tool.path.exists() and tool.origin is Origin.BUILT for tool in tools.values())
    calls = (places / "calls").read_text().splitlines()
    assert len(calls) == 2
    assert "-trimpath" in calls[0]
    assert "gitVersion=v1.34.4" in calls[0]
    assert (places / "cache" / "bin" / "kubectl").resolve() == tools["kubectl"].path.resolve()


def test_a_build_that_fails_says_why_and_where_the_log_is(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(places / "path", "go", GO)
    monkeypatch.setenv("GO_FAILS", "1")
    with pytest.raises(LocalError, match=r"cannot find module.*build-helm\.log"):
        toolchain.ensure(["helm"], Silent())
    assert toolchain.find("helm") is None


def test_a_build_shows_which_of_how_many_it_is(places: Path) -> None:
    program(places / "path", "go", GO)
    shown = io.StringIO()
    toolchain.ensure(["helm", "pulumi"], Progress(shown, live=False))
    assert "building helm (1 of 2)" in shown.getvalue()
    assert "building pulumi (2 of 2)" in shown.getvalue()


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
    usual = toolchain.kubernetes("v1.34.4", Silent())
    assert "modfile" not in (places / "calls").read_text()
    other = toolchain.kubernetes("v1.35.4", Silent())
    assert other.keys() == usual.keys() >= {"etcd", "kube-apiserver", "kubelet"}
    assert all(path.exists() for path in other.values())
    assert {path.parent for path in other.values()}.isdisjoint({path.parent for path in usual.values()})
    last = (places / "calls").read_text().splitlines()[-1]
    assert "-modfile=kubernetes-1.35/go.mod" in last
    assert "gitVersion=v1.35.4" in last
    assert (places / "cache" / "bin" / "kubectl").resolve() == usual["kubectl"].resolve(), "a person's kubectl stays the usual one"


def test_a_machines_kubernetes_serves_as_a_version_only_when_it_is_exactly_that_one(places: Path) -> None:
    program(places / "path", "go", GO)
    program(places / "path", "kube-apiserver", "Kubernetes v1.34.1")
    same = program(places / "path", "kube-scheduler", "Kubernetes v1.34.4")
    found = toolchain.kubernetes("v1.34.4", Silent())
    assert found["kube-scheduler"] == same
    assert found["kube-apiserver"] == lookup.built("kube-apiserver").path


def test_a_version_that_is_not_built_here_names_those_that_are() -> None:
    with pytest.raises(LocalError, match=r"v1\.34\.4 and v1\.35\.4"):
        toolchain.kubernetes("v1.36.0", Silent())


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
    pins = (paths.source() / "local" / "toolchain" / "capi" / "go.mod").read_text().split("\n")
    part = UPSTREAM["cluster-api"]
    assert any(line.split()[:2] == [part.module, part.version] for line in pins if line.strip())
