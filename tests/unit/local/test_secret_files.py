"""What only its owner may read is never anything else, not even while it is written. From attack l: secret files 0644 for a moment."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commonweal_cli.site import programs
from commonweal_local import paths
from commonweal_local.sites import pki

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = ("local/src", "cli/src", "stacks/src")
# What is written past `paths.write`, by module: each is public, or lies where only its owner comes.
PUBLIC = {
    "local/src/commonweal_local/sites/namespaces.py": "settings of the kernel",
    "local/src/commonweal_local/sites/cgroups.py": "settings of the kernel",
    "local/src/commonweal_local/debian.py": "a script of a package manager",
    "local/src/commonweal_local/images/wheels.py": "a list of packages and their digests",
    "local/src/commonweal_local/portal_assets/build.py": "style and script that browsers are given",
    "cli/src/commonweal_cli/bundle/opening.py": "a launcher and a path file",
    "cli/src/commonweal_cli/conform.py": "a report",
    "cli/src/commonweal_cli/demo/heritage.py": "the number of a process",
    "stacks/src/commonweal_stacks/conformity/record.py": "a signed record, to be published",
}


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """The mode of every file under the test's folder, seen at each step from its making to its last name."""
    seen: list[int] = []

    def look() -> None:
        seen.extend(stat.S_IMODE(file.lstat().st_mode) for file in tmp_path.rglob("*") if file.is_file())

    def watched(call: Any) -> Any:
        def stepped(*args: Any, **more: Any) -> Any:
            look()
            result = call(*args, **more)
            look()
            return result

        return stepped

    for name in ("open", "fdopen", "fchmod", "replace", "rename", "link"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    monkeypatch.setattr(Path, "replace", watched(Path.replace))
    return seen


def test_a_secret_is_never_readable_by_others(tmp_path: Path, modes: list[int]) -> None:
    file = paths.write(tmp_path / "deep" / "key", "secret", mode=0o600)
    assert file.read_text() == "secret"
    assert len(modes) > 3
    assert set(modes) == {0o600}


def test_what_is_public_is_opened_when_it_is_whole(tmp_path: Path, modes: list[int]) -> None:
    file = paths.write(tmp_path / "page", {"a": 1})
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert modes[0] == 0o600


def test_a_secret_replaces_a_file_that_others_could_read(tmp_path: Path, modes: list[int]) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    paths.write(file, "new", mode=0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert modes


def test_a_draft_that_was_left_behind_lends_its_mode_to_nothing(tmp_path: Path, modes: list[int]) -> None:
    draft = tmp_path / f"key.{os.getpid()}.new"
    draft.write_text("half")
    draft.chmod(0o666)
    modes.clear()
    paths.write(tmp_path / "key", "whole", mode=0o600)
    assert set(modes) == {0o600}


def test_a_draft_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    (tmp_path / f"key.{os.getpid()}.new").symlink_to(other)
    paths.write(tmp_path / "key", "mine", mode=0o600)
    assert other.read_text() == "theirs"


def test_keys_and_passphrases_come_through_it(tmp_path: Path, modes: list[int]) -> None:
    pki.private_key(tmp_path / "ca.key")
    programs.place(tmp_path / "passphrase", "word", mode=0o600)
    assert set(modes) == {0o600}


def test_no_other_module_writes_files_past_it() -> None:
    """A call of `write_text` or `write_bytes` outside of the list above is to become one of `paths.write`, or to say here why it is public."""
    found = {
        str(file.relative_to(REPOSITORY))
        for source in SOURCES
        for file in (REPOSITORY / source).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("write_text", "write_bytes")
    }
    assert found == set(PUBLIC)


def test_what_is_called_a_secret_is_written_for_its_owner_alone() -> None:
    """Calls of `paths.write` in modules that make keys, logins and passphrases give the mode."""
    words = ("kubeconfig", "password", "passphrase", "token_hex", "token_urlsafe", "secret", "pem.decode", "}.conf'", "encryption")
    for source in SOURCES:
        for file in (REPOSITORY / source).rglob("*.py"):
            text = file.read_text()
            for node in ast.walk(ast.parse(text)):
                if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("write", "paths.write")):
                    continue
                said = ast.unparse(node)
                if any(word in said for word in words):
                    assert "mode=384" in said, f"{file.name}: {said}"
