"""A real store, a real heritage database and real token issuers, shared by the contract tests of the data plane."""

from __future__ import annotations

import pytest

from commonweal_runtime.store import loading
from support.doors import Doors
from support.fixtures import bench, heritage, issuer, store
from support.postgres import HeritageServer, StoreServer
from support.texts import Texts

__all__ = ["bench", "heritage", "issuer", "store"]


@pytest.fixture(scope="module")
def doors(store: StoreServer, heritage: HeritageServer) -> Doors:
    """The store of a module, its keeper stopped between plans."""
    return Doors(store, heritage)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> Texts:
    """The source of every product that this process loads."""
    made = Texts()
    monkeypatch.setattr(loading, "open_source", made.opened)
    return made
