"""A machine of its own for each test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from contract.machine.stage import NOBODY, Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Yield the machine that we are on, from which a test hides what it likes; only root may lay other files over a directory."""
    if os.geteuid() != 0:
        pytest.skip("hiding programs takes a mount namespace, which only root may make: run as root")
    with TemporaryDirectory(prefix="commonweal-bare-") as directory:  # not pytest's, which others than root cannot enter
        Path(directory).chmod(0o755)
        yield Machine(Path(directory))


@pytest.fixture
def somebody(machine: Machine) -> int:
    """Return a user without rights who can run this Python."""
    tried = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c", "import asyncio, ssl"]
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip(f"{sys.executable} cannot be run by another user than root: make .venv with a Python of the system")
    return NOBODY
