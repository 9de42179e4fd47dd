"""Two real sites with the platform on both and the example's departments, shared by every test of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from commonweal_cli.demo import bring_up
from commonweal_local.progress import Progress
from support import film_club
from support.film_club import Club


@pytest.fixture(scope="package")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bring_up.Brought]:
    """What `make demo` brings up, in a home of its own; taken down at the end, and nothing may be left."""
    if os.geteuid() != 0:
        pytest.skip("sites with pods need root; run the tests with sudo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(tmp_path_factory.mktemp("home")))
        progress = Progress()
        try:
            made = bring_up.platform(progress=progress)
            bring_up.departments(made, progress)
            yield made
        finally:
            left = bring_up.down()
        assert left == []


@pytest.fixture(scope="package")
def club(brought: bring_up.Brought) -> tuple[Club, Club]:
    """The film club at the first site, and the second site without it: what it has learnt is then moved there, and goes with that site."""
    return film_club.found(brought)
