"""One running department with a roll; each test links people of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.data_api import Issuer
from support.department import Department, running
from support.fixtures import heritage, issuer
from support.postgres import HeritageServer, StoreServer
from support.rolls import make_roll, rolled

__all__ = ["heritage", "issuer"]


@pytest.fixture(scope="package")
def roll(heritage: HeritageServer) -> HeritageServer:
    """The heritage database with the roll in it."""
    make_roll(heritage)
    return heritage


@pytest.fixture(scope="package")
def store() -> Iterator[StoreServer]:
    """The department's store."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="package")
def department(store: StoreServer, roll: HeritageServer, issuer: Issuer) -> Iterator[Department]:
    """A department that lets people link."""
    with running(store, roll, issuer, rolled(roll)) as department:
        yield department
