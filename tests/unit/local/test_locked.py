"""The lock files agree with pyproject.toml, and nothing is installed that they do not name by its digest."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_local.images import locked
from commonweal_local.images.contents import IMAGES
from support.scripts import script

ROOT = paths.source()
FOLDER = ROOT / "requirements"


def lock_program() -> ModuleType:
    return script(FOLDER / "lock.py")


LOCK = lock_program()
each_lock = pytest.mark.parametrize("name", LOCK.LOCKS)


def versions(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier).removeprefix("=="))
    return found


@each_lock
def test_a_lock_is_of_the_lists_as_they_are(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text(encoding="utf-8").startswith(LOCK.header(name)), "run `make lock`"


@each_lock
def test_a_lock_has_each_package_that_is_asked_for_in_a_version_that_is(name: str) -> None:
    found = versions(name)
    asked = [Requirement(text) for text in LOCK.requirements(name)]
    assert len(asked) > 0
    assert [str(r) for r in asked if not any(r.specifier.contains(v) for v in found.get(canonicalize_name(r.name), ()))] == []


@each_lock
def test_a_lock_names_files_by_their_digests_and_nobody_who_hands_them_out(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").partition("\n")[2]
    assert "://" not in text
    assert {line.strip().split("=")[0] for line in text.splitlines() if line.startswith(" ")} == {"--hash"}
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("image", [image.name for image in IMAGES])
def test_an_image_installs_the_versions_that_are_tested(image: str) -> None:
    tested = versions(LOCK.ENVIRONMENT)
    assert {name: found for name, found in versions(image).items() if not found <= tested.get(name, set())} == {}


def test_what_is_installed_here_is_what_the_lock_names() -> None:
    here = {canonicalize_name(each.name): each.version for each in metadata.distributions()}
    assert {name: here[name] for name, found in versions(LOCK.ENVIRONMENT).items() if name in here and here[name] not in found} == {}


def test_a_requirements_file_is_made_of_pins_and_the_digests_of_the_lock() -> None:
    (version,) = versions(LOCK.ENVIRONMENT)["uvicorn"]
    text = locked.requirements([f"uvicorn=={version}"])
    assert re.fullmatch(rf"uvicorn=={re.escape(version)}( --hash=sha256:[0-9a-f]{{64}})+\n", text)
    assert set(locked.digests(f"uvicorn=={version}")) == set(re.findall(r"[0-9a-f]{64}", text))


def test_a_version_that_is_not_locked_is_named_with_the_remedy() -> None:
    with pytest.raises(LocalError, match=r"uvicorn==0\.0\.1 is installed here.*does not name it"):
        locked.requirements(["uvicorn==0.0.1"])


def test_a_changed_list_is_noticed(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text.replace('"uvicorn>=', '"uvicorn>0,>='), encoding="utf-8")
    assert LOCK.header("runtime", tmp_path) != LOCK.header("runtime")
    assert LOCK.header("docs", tmp_path) == LOCK.header("docs")


def test_the_audit_asks_of_every_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the program: it says what it was given, and that it reached nobody."""
    asked = tmp_path / "asked"
    program = tmp_path / "audit"
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}\necho "requests.exceptions.ConnectionError" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", ["audit.py", str(program)])
    module = script(FOLDER / "audit.py")
    assert module.main() == 3
    assert "too little is known" in capsys.readouterr().out
    assert {f"{name}.txt" for name in LOCK.LOCKS} == {Path(word).name for word in asked.read_text().split() if word.endswith(".txt")}
