"""One real control plane on loopback for all tests of what happens in a site's life; each leaves it ready and settled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commonweal_local import sites
from commonweal_local.progress import Silent
from commonweal_local.sites.site import Mode, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(tmp_path_factory.mktemp("home")))
        try:
            yield sites.up(["lifea"], mode=Mode.CONTROL_PLANE, progress=Silent())[0]
        finally:
            left = sites.down()
        assert left == []
