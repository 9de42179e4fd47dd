"""One PostgreSQL for all tests of the model runtime; a runtime process and a data API for each test that asks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_runtime.store.logins import password_of
from support.kube_api import wait_for
from support.model_runtime import KEY, Caller, ModelsProcess, Provider, calling, entry, free_port

BIN = Path("/usr/lib/postgresql/15/bin")


class ModelStore:
    """A real PostgreSQL with the role and the database that the keeper makes for the runtime."""

    def __init__(self, folder: Path) -> None:
        self.port, self._data = free_port(), folder / "data"
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        shutil.chown(folder, "postgres") if self._as else None
        self._run("initdb", "-D", str(self._data), "--auth-local=trust", "--auth-host=scram-sha-256", "-U", "postgres", "--no-instructions")
        self._socket = folder
        self.start()
        self.sql(f"CREATE ROLE models LOGIN PASSWORD '{password_of(KEY, 'models')}'")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [str(BIN / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(self._socket), "-h", "127.0.0.1"]
        self._process = subprocess.Popen([*self._as, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ask = [*self._as, str(BIN / "pg_isready"), "-q", "-h", str(self._socket), "-p", str(self.port)]
        wait_for("PostgreSQL", lambda: subprocess.run(ask, check=False).returncode == 0 or None)

    def stop(self) -> None:
        self._process.send_signal(2)
        self._process.wait(30)

    def database(self, name: str) -> None:
        """Make an empty database that belongs to the runtime."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.sql(f"CREATE DATABASE {name} OWNER models")

    def sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """Run a statement as the superuser; return rows of texts."""
        words = ["psql", "-h", str(self._socket), "-p", str(self.port), "-U", "postgres", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run([*self._as, *words, "-c", statement], check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def dump(self, database: str = "models") -> str:
        """Return everything that the database holds, as text."""
        words = ["pg_dump", "-h", str(self._socket), "-p", str(self.port), "-U", "postgres", "--data-only", "--inserts", database]
        return subprocess.run([*self._as, *words], check=True, capture_output=True, text=True).stdout

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([*self._as, str(BIN / program), *words], check=True, capture_output=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelStore]:
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/models-store-XXXXXX"], check=True, capture_output=True, text=True).stdout.strip())
    store = ModelStore(folder)
    yield store
    store.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def running(server: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsProcess]:
    """One runtime for all tests that do not end it."""
    server.database("models")
    with Provider() as provider:
        process = ModelsProcess(tmp_path_factory.mktemp("runtime") / "runtime", server.address, provider)
        process.start()
        yield process
        process.kill()


@pytest.fixture
def process(running: ModelsProcess, server: ModelStore) -> ModelsProcess:
    """The common runtime, with nothing decided yet and nothing to read."""
    running.plan()
    running.provider.reset()
    server.sql("TRUNCATE learning.service, learning.space, learning.decision, learning.snapshot", "models")
    return running


@pytest.fixture
def provider(process: ModelsProcess) -> Provider:
    return process.provider


@pytest.fixture
def store(server: ModelStore, process: ModelsProcess) -> ModelStore:
    return server


@pytest.fixture
def model(process: ModelsProcess) -> Iterator[Caller]:
    """The model `next-step` as its service calls it."""
    process.plan(entry("next-step", slots=32, floor=0.02))
    with calling(process, "next-step") as caller:
        yield caller


@pytest.fixture
def mortal(server: ModelStore, tmp_path: Path) -> Iterator[ModelsProcess]:
    """A runtime on a database of its own, to be killed and started again."""
    server.database("mortal")
    with Provider() as provider:
        process = ModelsProcess(tmp_path / "runtime", server.address, provider, database="mortal")
        process.start()
        yield process
        process.kill()
