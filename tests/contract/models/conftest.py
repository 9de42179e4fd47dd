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

    def fresh(self) -> None:
        """Give the runtime an empty database of its own."""
        self.sql("DROP DATABASE IF EXISTS models WITH (FORCE)")
        self.sql("CREATE DATABASE models OWNER models")

    def sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """Run a statement as the superuser; return rows of texts."""
        words = ["psql", "-h", str(self._socket), "-p", str(self.port), "-U", "postgres", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run([*self._as, *words, "-c", statement], check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def dump(self) -> str:
        """Return everything that the database holds, as text."""
        words = ["pg_dump", "-h", str(self._socket), "-p", str(self.port), "-U", "postgres", "--data-only", "--inserts", "models"]
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


@pytest.fixture
def store(server: ModelStore) -> ModelStore:
    server.fresh()
    return server


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def process(store: ModelStore, provider: Provider, tmp_path: Path) -> Iterator[ModelsProcess]:
    process = ModelsProcess(tmp_path / "runtime", store.address, provider)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def model(process: ModelsProcess) -> Iterator[Caller]:
    """The model `next-step` as its service calls it."""
    process.plan(entry("next-step", slots=32, floor=0.02))
    with calling(process, "next-step") as caller:
        yield caller
