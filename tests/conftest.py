"""Fixtures for every layer of tests."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator

import pytest

from commonweal_local import surroundings
from support.control_plane import ControlPlane


def pytest_configure() -> None:
    """Tests ask what they have started themselves, and so do the programs that they start: never through a proxy that the environment names."""
    surroundings.ask_neighbours_directly(os.environ)
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A bare API server and etcd of our own for the whole session: no definitions, no policies, no controllers.

    A test that installs what others could trip over (admission policies, say) starts its own `ControlPlane`.
    Without the programs it fails, naming `make tools`; it never skips.
    """
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
