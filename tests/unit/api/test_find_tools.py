"""Programs that contract tests need are looked for in one order, and what is missing is named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.control_plane import ToolsMissing, find_tools


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The three places, empty."""
    found = {name: tmp_path / name for name in ("path", "assets", "cache")}
    for name, variable in (("path", "PATH"), ("assets", "KUBEBUILDER_ASSETS"), ("cache", "COMMONWEAL_CACHE")):
        monkeypatch.setenv(variable, str(found[name]))
    found["cache"] /= "bin"
    for place in found.values():
        place.mkdir(parents=True)
    return found


def _program(place: Path, name: str = "etcd", mode: int = 0o755) -> Path:
    program = place / name
    program.touch()
    program.chmod(mode)
    return program


def test_path_comes_before_assets_and_assets_before_the_cache(places: dict[str, Path]) -> None:
    for place in ("cache", "assets", "path"):
        program = _program(places[place])
        assert find_tools("etcd") == {"etcd": program}


def test_all_that_is_missing_is_named_with_the_remedy(places: dict[str, Path]) -> None:
    _program(places["cache"], "kubectl")
    _program(places["cache"], "etcd", mode=0o644)
    with pytest.raises(ToolsMissing, match=r"not found: etcd, kube-apiserver\. Run `make tools`"):
        find_tools("kubectl", "etcd", "kube-apiserver")
