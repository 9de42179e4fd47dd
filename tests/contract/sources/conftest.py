"""A real store, and real databases, files and object storage to load it from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.data_api import GRANTS, PEOPLE, READER
from support.keeper import Bench
from support.mariadb import MariaDb
from support.postgres import HeritageServer, StoreServer


@pytest.fixture(scope="session")
def heritage() -> Iterator[HeritageServer]:
    """A heritage PostgreSQL with the database `heritage`: 200 people, 200 visits of 50 of them."""
    with HeritageServer() as server:
        asyncio.run(server.make("heritage", PEOPLE + READER + ";" + GRANTS))
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB with an empty database `heritage` and a login that may read it."""
    with MariaDb() as server:
        server.run(
            "create database heritage character set latin1",
            "create user 'reader'@'127.0.0.1' identified by 'made-up-for-tests'",
            "grant select on heritage.* to 'reader'@'127.0.0.1'",
        )
        yield server


@pytest.fixture(scope="module")
def store() -> Iterator[StoreServer]:
    """A store for each module."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="module")
def bench(store: StoreServer, heritage: HeritageServer) -> Bench:
    """Plans put one after the other on one desk."""
    return Bench(store, heritage)


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where volumes are mounted, with one of the claim `files`."""
    (tmp_path / "volumes" / "files").mkdir(parents=True)
    monkeypatch.setenv("COMMONWEAL_VOLUMES_DIR", str(tmp_path / "volumes"))
    return tmp_path / "volumes"
