"""A cluster's API server by a kubeconfig: each failure names the site, the address and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from commonweal_stacks.api import Api
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.exceptions import SiteConfigError, SiteRefusedError, SiteSilentError
from support.loopback import Loopback


def kubeconfig(url: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
    )


def test_the_login_of_the_kubeconfig_is_used() -> None:
    seen: list[str] = []

    def get(_: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        seen.extend(value for name, value in headers.items() if name.lower() == "authorization")
        return 200, b'{"metadata": {"uid": "u-1"}}'

    with Loopback(get) as server:
        assert cluster_uid(kubeconfig(server.url), site="onprem") == "u-1"
    assert seen == ["Bearer t"]


def test_a_refusal_names_the_site_and_the_word_of_the_server() -> None:
    with Loopback(lambda *_: (403, b'{"reason": "Forbidden", "message": "no"}')) as server:
        with pytest.raises(
            SiteRefusedError, match=r"Site onprem \(http://.*\) refused to show /version: Forbidden\. Use an administrator's"
        ):
            Api(kubeconfig(server.url), site="onprem").call("GET", "/version")
        with pytest.raises(SiteConfigError, match="refused to tell which cluster it is: Forbidden"):
            cluster_uid(kubeconfig(server.url), site="onprem")


def test_a_server_that_does_not_answer_is_named_with_the_remedy() -> None:
    with pytest.raises(SiteSilentError, match=r"Site onprem does not answer at http://127.0.0.1:9: MaxRetryError\. Start it, or correct"):
        Api(kubeconfig("http://127.0.0.1:9"), site="onprem").ask("GET", "/version")


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_a_kubeconfig_that_is_none_is_said_to_be_unusable(text: str) -> None:
    with pytest.raises(SiteConfigError, match="The kubeconfig of site onprem cannot be used"):
        Api(text, site="onprem")
