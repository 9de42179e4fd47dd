"""`make` on a machine whose Python makes no environments, or that has no Python: what is got, what is asked for, and what is said."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from contract.machine.stage import ROOT, Machine

PYTHON = Path("/usr/bin/python3")
SYSTEM = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = "--quiet=2 -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends"


@pytest.fixture
def checkout(machine: Machine) -> Path:
    """Copy what `make venv` reads, to where it may write."""
    ready = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))"
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", ready], capture_output=True, check=False).returncode:
        pytest.skip(f"{PYTHON} is no 3.11 or newer, or lacks python3-venv: there is nothing to hide")
    for name in ("Makefile", "pyproject.toml", "requirements/environment.txt", "local/environment.sh"):
        (machine.stage / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, machine.stage / "checkout" / name)
    machine.but(PATH=f"{machine.stage / 'bin'}:{SYSTEM}")
    return machine.stage / "checkout"


def without_ensurepip(machine: Machine) -> Machine:
    said = subprocess.run([PYTHON, "-c", "import ensurepip; print(ensurepip.__path__[0])"], capture_output=True, text=True, check=True)
    return machine.without_files([Path(said.stdout.strip())])


def without_python(machine: Machine) -> Machine:
    return machine.without(*(f"python3{minor}" for minor in ("", *(f".{number}" for number in range(11, 15)))))


@pytest.mark.parametrize("target", ["demo", "test", "unit", "doctor"])
def test_the_environment_is_made_before_anything_else(checkout: Path, target: str) -> None:
    # As typed by a person, also where make runs the tests: it tells the makes below it how it was called.
    typed = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    said = subprocess.run(["make", "--dry-run", target], cwd=checkout, env=typed, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[0] == 'PYTHON="" sh local/environment.sh'


def test_python3_venv_is_installed_by_root_and_used_at_once(machine: Machine, checkout: Path) -> None:
    """It ends where pip finds no package index."""
    told = without_ensurepip(machine).getting_it_back().started("make", "demo", cwd=checkout)
    assert told.asked == ["--quiet=2 -o DPkg::Lock::Timeout=300 update", f"{INSTALL} python3-venv"]
    assert (
        "cannot make environments, for its modules venv and ensurepip are not installed. Installing from Debian: python3-venv\n" in told.err
    )
    assert f"making .venv with {PYTHON.parent}/python3." in told.err
    assert "pip could not install them. See that the package index can be reached" in told.err
    assert not (checkout / ".venv" / "made-from-pyproject").exists(), "the next run goes on here"


def test_what_apt_get_could_not_bring_is_said(machine: Machine, checkout: Path) -> None:
    told = without_ensurepip(machine).started("make", "demo", cwd=checkout)
    assert "still cannot make environments. Name another Python: make PYTHON=" in told.err
    assert not (checkout / ".venv").exists()


def test_without_root_the_command_is_said(machine: Machine, checkout: Path, somebody: int) -> None:
    os.chown(checkout, somebody, somebody)
    told = without_ensurepip(machine).started("make", "demo", user=somebody, cwd=checkout)
    assert "Ask an administrator to run: sudo apt-get install --no-install-recommends python3-venv\n" in told.err
    assert told.asked == []


def test_without_any_python_root_gets_one(machine: Machine, checkout: Path) -> None:
    told = without_python(machine).started("make", "demo", cwd=checkout)
    assert "There is no Python 3.11 or newer on PATH. Installing from Debian: python3 python3-venv\n" in told.err
    assert told.asked[1] == f"{INSTALL} python3 python3-venv"
    assert "Debian's Python here is older than 3.11" in told.err


def test_a_python_that_is_none_is_named(machine: Machine, checkout: Path) -> None:
    told = machine.started("make", "demo", "PYTHON=/bin/true-not-there", cwd=checkout)
    assert "/bin/true-not-there is no Python 3.11 or newer. Name another" in told.err
    assert told.asked == []
