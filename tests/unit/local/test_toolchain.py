"""Where programs come from."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from commonweal_local import toolchain
from commonweal_local.failure import LocalError
from commonweal_local.progress import Progress, Silent
from commonweal_local.toolchain import Origin, lookup
from commonweal_local.toolchain.catalogue import PROGRAMS, named

GO = """#!/bin/sh
case "$1" in
version) echo "go version go1.26.0 linux/amd64";;
build)
  echo "$@" >> "$GO_CALLS"
  if [ -n "$GO_FAILS" ]; then echo "cannot find module"; exit 1; fi
  while [ "$1" != -o ]; do shift; done
  echo "#!/bin/sh" > "$2"; chmod +x "$2";;
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
