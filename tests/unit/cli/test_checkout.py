"""Which files are the project's, also where there is no git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commonweal_cli.bundle import checkout

ROOT = Path(__file__).resolve().parents[3]


def test_git_is_asked_where_there_is_a_clone() -> None:
    assert "pyproject.toml" in checkout.files(ROOT)
    assert not [name for name in checkout.files(ROOT) if name.startswith((".venv/", ".git/"))]


@pytest.mark.parametrize("clone", [True, False])
def test_without_git_or_without_a_clone_all_counts_that_is_not_ignored(
    clone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing-here"))
    monkeypatch.setattr("commonweal_local.shell.SYSTEM_PATH", "/nowhere")
    written = {
        ".gitignore": ".venv/\n*.egg-info/\n.log\n",
        "a.py": "",
        "docs/é.md": "",
        ".venv/bin/x": "",
        "x.egg-info/y": "",
        "src/.log": "",
    }
    for name, text in (written | ({".git/HEAD": ""} if clone else {})).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (7, 7))
    assert checkout.files(tmp_path) == [".gitignore", "a.py", "docs/é.md"]
    assert (checkout.revision(tmp_path), checkout.changed_at(tmp_path)) == ("unknown", 7)


def test_the_ignored_of_this_project_are_found_without_git_as_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with_git = set(checkout.files(ROOT))
    monkeypatch.setattr(checkout, "git", lambda *_: None)
    assert with_git <= set(checkout.files(ROOT))
