"""One real control plane on loopback for all tests of what happens in a site's life; each leaves it ready and settled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commonweal_local import sites
from commonweal_local.progress import Silent
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.site import Mode, Site
from commonweal_local.waiting import until


def furnished(site: Site) -> bool:
    """Whether each namespace has what the controllers put into every one."""
    api = Api(site)
    spaces = {item["metadata"]["name"] for item in api.call("GET", "/api/v1/namespaces")["items"]}
    found = {
        item["metadata"]["namespace"]
        for item in api.call("GET", "/api/v1/configmaps")["items"]
        if "kube-root-ca" in item["metadata"]["name"]
    }
    return bool(spaces) and found == spaces


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMMONWEAL_HOME", str(tmp_path_factory.mktemp("home")))
        try:
            made = sites.up(["lifea"], mode=Mode.CONTROL_PLANE, progress=Silent())[0]
            until("the controllers to furnish each namespace", 90, lambda: furnished(made), meanwhile=Unreachable)
            yield made
        finally:
            left = sites.down()
        assert left == []
