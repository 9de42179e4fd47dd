"""A browser on a local site's pages: what it is told, and whom it starts as."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from commonweal_cli.kubectl import Kubectl
from commonweal_cli.local import pages
from commonweal_cli.local.pages import Door, arguments, doors, start
from commonweal_local.exceptions import LocalError

PORTAL = Door("https://portal.commonweal-system.svc.cluster.local", "10.210.1.7:443")
ISSUER = Door("https://identity.commonweal-system.svc.cluster.local", "10.210.1.8:443")


def cluster(monkeypatch: pytest.MonkeyPatch, config: dict[str, str], **addresses: str) -> Kubectl:
    def run(_: Kubectl, *words: str, **__: Any) -> str:
        if words[1] == "configmap":
            return json.dumps({"data": {"config.yaml": yaml.safe_dump(config)}})
        ingress = [{"ip": addresses[words[2]]}] if words[2] in addresses else []
        return json.dumps({"status": {"loadBalancer": {"ingress": ingress}}})

    monkeypatch.setattr(Kubectl, "run", run)
    return Kubectl(Path("kubectl"), Path("kubeconfig"), "onprem")


def test_the_names_are_led_to_the_addresses_and_only_these_two_keys_are_believed(tmp_path: Path) -> None:
    words = arguments(PORTAL.url, [PORTAL, ISSUER], ["AAA=", "BBB="], tmp_path)
    assert f"--host-resolver-rules=MAP {PORTAL.host} 10.210.1.7:443,MAP {ISSUER.host} 10.210.1.8:443" in words
    assert "--ignore-certificate-errors-spki-list=AAA=,BBB=" in words
    assert f"--user-data-dir={tmp_path}" in words
    assert words[-1] == PORTAL.url


def test_names_that_the_world_knows_are_left_to_it(tmp_path: Path) -> None:
    assert not [word for word in arguments("https://my.example.org", [], [], tmp_path) if "spki" in word or "resolver" in word]


def test_a_site_says_where_its_portal_and_its_issuer_are(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"portal": PORTAL.url, "personIssuer": ISSUER.url}
    assert doors(cluster(monkeypatch, config, portal="10.210.1.7", identity="10.210.1.8")) == (PORTAL, ISSUER)


def test_a_site_without_a_portal_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalError, match=r"onprem runs no portal[\s\S]*portal.enabled to true"):
        doors(cluster(monkeypatch, {"portal": "", "personIssuer": ISSUER.url}))


def test_a_portal_without_an_address_is_told_what_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LocalError, match=r"Service portal of site onprem has no address[\s\S]*expose: LoadBalancer"):
        doors(cluster(monkeypatch, {"portal": PORTAL.url, "personIssuer": ISSUER.url}))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(pages.subprocess, "Popen", lambda command, **how: found.append({"command": command, **how}))
    return found


def test_nothing_is_started_where_there_is_no_desktop(started: list[dict[str, Any]]) -> None:
    assert not start(["chromium"], {})
    assert started == []


def test_root_starts_no_browser_as_root(monkeypatch: pytest.MonkeyPatch, started: list[dict[str, Any]]) -> None:
    monkeypatch.setattr(pages.os, "geteuid", lambda: 0)
    assert not start(["chromium"], {"DISPLAY": ":0"})
    user = SimpleNamespace(pw_dir="/elsewhere/sam", pw_name="sam", pw_uid=1000, pw_gid=1001)
    monkeypatch.setattr(pages.pwd, "getpwuid", lambda _: user)
    assert start(["chromium"], {"DISPLAY": ":0", "SUDO_UID": "1000"})
    (one,) = started
    assert (one["user"], one["group"], one["extra_groups"], one["env"]["HOME"]) == (1000, 1001, [], "/elsewhere/sam")
