"""A real server process that presents what lies in a directory: the reader of volumes, which needs nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.loopback import until_it_listens
from support.postgres import free_port

Start = Callable[..., str]


@contextmanager
def reader(folder: Path, root: Path, **environment: str) -> Iterator[str]:
    """Run the reader of volumes over `root` with the certificate in `folder`; yield its base URL."""
    port, log = free_port(), root / "log"
    known = {"COMMONWEAL_VOLUMES_DIR": str(root), "COMMONWEAL_LISTEN": "127.0.0.1", "COMMONWEAL_PORT": str(port)}
    with log.open("wb") as said:
        command = [sys.executable, "-P", "-m", "commonweal_runtime.volumes"]
        process = subprocess.Popen(
            command, env={**os.environ, **known, "COMMONWEAL_TLS_DIR": str(folder), **environment}, stdout=said, stderr=said
        )
    try:
        until_it_listens(process, port, log)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a reader with the certificate in a directory; it ends with the test."""
    root = tmp_path / "volumes"
    root.mkdir()
    with ExitStack() as stack:
        yield lambda folder, **environment: stack.enter_context(reader(folder, root, **environment))
