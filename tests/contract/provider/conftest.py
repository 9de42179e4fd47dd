"""One management cluster with our provider for every test of this folder, and a home of its own for the sites."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal_local import sites
from support.local_provider import LocalFleet


@pytest.fixture(scope="package")
def sites_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the sites lie; nothing may run at the end that a test has not ended."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("sites")
        patch.setenv("COMMONWEAL_HOME", str(place))
        yield place
        assert sites.down() == []


@pytest.fixture(scope="package")
def fleet(sites_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    with LocalFleet(tmp_path_factory.mktemp("capi"), sites_home, mode="ControlPlane") as running:
        yield running
