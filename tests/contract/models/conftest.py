"""One PostgreSQL for all tests of the model runtime; a runtime process and a data API for each test that asks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest

from commonweal_api.store_access import password_of
from commonweal_runtime.store import certificate
from support.model_runtime import KEY, Caller, ModelsProcess, Provider, calling, entry
from support.postgres import HeritageServer


class ModelStore(HeritageServer):
    """A real PostgreSQL with the role that the keeper makes for the runtime. It is stopped and started, never killed."""

    def certificate(self) -> tuple[str, str]:
        """Return what the keeper would have made."""
        made = certificate.issue(KEY, "127.0.0.1", datetime.now(UTC))
        return made.certificate, made.key

    def __enter__(self) -> Self:
        super().__enter__()
        self.sql(f"CREATE ROLE models LOGIN PASSWORD '{password_of(KEY, 'models')}'")
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def database(self, name: str) -> None:
        """Make an empty database that belongs to the runtime."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.sql(f"CREATE DATABASE {name} OWNER models")

    def sql(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """Run a statement as the superuser; return rows of texts."""
        words = ["psql", "-h", str(self.sockets), "-p", str(self.port), "-U", "postgres", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run([*words, "-c", statement], check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def dump(self, database: str = "models") -> str:
        """Return everything that the database holds, as text."""
        words = ["pg_dump", "-h", str(self.sockets), "-p", str(self.port), "-U", "postgres", "--data-only", "--inserts", database]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="package")
def server() -> Iterator[ModelStore]:
    with ModelStore() as store:
        yield store


@pytest.fixture(scope="package")
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
