"""The example on a stack: the journey of the demonstration, and an ordinary user of the machine who begins it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.dev import Dev, example, place, small

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(scope="module")
def server() -> Iterator[Dev]:
    with Dev(example(place("example")), "--sample") as dev:
        yield dev.ready()


def asked(dev: Dev, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "commonweal_cli", "dev", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


def test_the_journey_is_walked_and_leaves_nothing_outside_the_folder(server: Dev, tmp_path: Path) -> None:
    done = asked(server, "journey", str(server.folder), HOME=str(tmp_path), COMMONWEAL_HOME=str(tmp_path / "home"))
    assert "37 of 37 as they must be." in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_objects_are_shown_as_kubectl_shows_them(server: Dev) -> None:
    shown = asked(server, "get", str(server.folder)).stdout
    (line,) = [line.split() for line in shown.splitlines() if " benefits-checks-company " in line]
    assert line[:7] == [
        "dept-companies-registry",
        "benefits-checks-company",
        "companies",
        "benefits-department",
        "Consent",
        "Finalized",
        "2030-01-01T00:00:00Z",
    ]
    assert line[7:9] == ["True", "AllReady"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_made_up_rows_are_written_for_other_tools(server: Dev, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"rows.{suffix}"
    done = asked(server, "sample", "companies-registry/companies", str(file), "--folder", str(server.folder))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_size > 1000
    wrong = asked(server, "sample", "companies-registry/other", str(file), "--folder", str(server.folder))
    assert wrong.returncode == 1
    assert "companies-registry/companies" in wrong.stderr


def as_an_ordinary_user() -> tuple[dict[str, Any], str]:
    """Return how a process becomes one, and a Python that such a one may run."""
    if os.geteuid() != 0:
        return {}, sys.executable
    theirs = shutil.which("python3", path="/usr/bin")
    assert theirs is not None, "this machine has no Python of its own"
    return {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}, theirs


def test_an_ordinary_user_begins_a_stack() -> None:
    folder = small(place("ordinary"))
    how, python = as_an_ordinary_user()
    if how:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    dev = Dev(folder, **how)
    dev.words[0] = python
    dev.env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with dev:
        dev.ready()
        assert dev.process is not None
        assert Path(f"/proc/{dev.process.pid}").stat().st_uid == (NOBODY.pw_uid if how else os.getuid())
