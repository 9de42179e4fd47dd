"""One running department for all tests of the API; each test speaks of people of its own, so that none is in another's way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.data_api import Issuer
from support.department import Department, everything, running
from support.fixtures import heritage, issuer
from support.postgres import HeritageServer, StoreServer

__all__ = ["heritage", "issuer"]


@pytest.fixture(scope="package")
def store() -> Iterator[StoreServer]:
    """The department's store."""
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="package")
def department(store: StoreServer, heritage: HeritageServer, issuer: Issuer) -> Iterator[Department]:
    """A department with everything that the API has routes for."""
    with running(store, heritage, issuer, everything(heritage)) as department:
        yield department
