"""Fixtures for every layer of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A bare API server and etcd of our own for the whole session: no definitions, no policies, no controllers.

    A test that installs what others could trip over (admission policies, say) starts its own `ControlPlane`.
    Without the programs it fails, naming `make tools`; it never skips.
    """
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
