"""A real store, and real databases, files and object storage to load it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fixtures import bench, heritage, store
from support.mariadb import MariaDb

__all__ = ["bench", "heritage", "store"]


@pytest.fixture(scope="package")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB with an empty database `heritage` and a login that may read it."""
    with MariaDb() as server:
        server.run(
            "create database heritage character set latin1",
            "create user 'reader'@'127.0.0.1' identified by 'made-up-for-tests'",
            "grant select on heritage.* to 'reader'@'127.0.0.1'",
        )
        yield server


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where volumes are mounted, with one of the claim `files`."""
    (tmp_path / "volumes" / "files").mkdir(parents=True)
    monkeypatch.setenv("COMMONWEAL_VOLUMES_DIR", str(tmp_path / "volumes"))
    return tmp_path / "volumes"
