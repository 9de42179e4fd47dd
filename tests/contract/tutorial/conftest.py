"""A site as the tutorial's reader has it: a real API server with the chart and the operator, an old database, and the reader's home."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_local import paths, toolchain
from contract.operator.stage import install, running_operator
from contract.tutorial.site import LIBRARY, Library
from support.certificates import in_place
from support.control_plane import ControlPlane
from support.postgres import HeritageServer, StoreServer

PASSWORD = "of-the-old-machine"
LIBRARY_HOST = f"data-api.dept-{LIBRARY}-platform.svc.cluster.local"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    home = tmp_path_factory.mktemp("tutorial-plane")
    with ControlPlane(home, controllers=("garbage-collector-controller", "namespace-controller")) as started:
        install(started)
        with running_operator(started, tmp_path_factory.mktemp("tutorial-operator")):
            yield started


@pytest.fixture(scope="module")
def heritage() -> Iterator[HeritageServer]:
    """The old machine's PostgreSQL, whose administrator has a password."""
    with HeritageServer() as server:
        asyncio.run(server.make("unused", f"alter role postgres password '{PASSWORD}'"))
        yield server


@pytest.fixture(scope="module")
def library(plane: ControlPlane, heritage: HeritageServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    tls = in_place(tmp_path_factory.mktemp("library-tls"), LIBRARY_HOST, "127.0.0.1")  # by the authority that the operator publishes
    with StoreServer() as store, Library(plane, store, heritage, tls) as running:
        yield running


@pytest.fixture(scope="module")
def reader(plane: ControlPlane, library: Library, heritage: HeritageServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has run `make demo`; HOME and PWD are theirs. Names of the demonstration's machines lead to this test's."""
    home, checkout = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("checkout")
    files = {
        home / ".local/share/commonweal/sites/cloud/kubeconfig": plane.kubeconfig().read_text(),
        home / ".local/share/commonweal/heritage/password": PASSWORD,
        home / ".curlrc": f'connect-to = "{LIBRARY_HOST}:443:127.0.0.1:{library.api.port}"\n',
        checkout / ".venv/bin/activate": f'export PATH="{checkout}/.venv/bin:$PATH"\n',
        checkout / ".venv/bin/commonweal": f'#!/bin/sh\nexec {sys.executable} -P -m commonweal_cli "$@"\n',
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (checkout / ".venv/bin/commonweal").chmod(0o755)
    tools = home / ".cache/commonweal/bin"
    tools.mkdir(parents=True)
    (tools / "kubectl").symlink_to(toolchain.path_of("kubectl"))
    psql = Path(shutil.which("psql") or "/usr/bin/psql").parent
    path = os.pathsep.join([str(psql), *os.environ.get("PATH", "").split(os.pathsep)])
    more = {
        "PATH": path,
        "HOME": str(home),
        "PWD": str(checkout),
        "PGPORT": str(heritage.port),
        "PGHOSTADDR": "127.0.0.1",
        "COMMONWEAL_CACHE": str(paths.cache()),
    }
    return {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "COMMONWEAL_"))} | more
