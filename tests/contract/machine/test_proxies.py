"""A proxy that the environment names, and that does not answer, stands in the way of nothing that is near."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commonweal_local import surroundings, toolchain

ASKING = Path(__file__).with_name("neighbours.py")
DEAD = "http://127.0.0.1:9"
PROXIES = {name: DEAD for each in surroundings.PROXIES for name in (each, each.upper())}
# These never ask a proxy, whatever the environment says, or decide by the address themselves.
BY_THEMSELVES = {"the opener of ours", "commonweal audit", "commonweal move", "the journey", "aiohttp"}


def asked(*words: str, **environment: str) -> dict[str, str]:
    """Ask a site's address from a namespace in which nothing else is to be reached; return what each client got."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace in which a site's address is ours takes root")
    kept = {name: value for name, value in os.environ.items() if name.lower() not in {*surroundings.PROXIES, "no_proxy"}}
    argv = ["unshare", "--net", "--", sys.executable, "-P", str(ASKING), str(toolchain.path_of("kubectl")), *words]
    done = subprocess.run(
        argv, env={**kept, "PYTHONPATH": ":".join(sys.path), **environment}, capture_output=True, text=True, check=True, timeout=120
    )
    said: dict[str, str] = json.loads(done.stdout)
    return said


def test_every_client_asks_a_site_directly() -> None:
    said = asked(**PROXIES)
    # Python's own knows no networks in no_proxy, so that ours is used in its place.
    assert {name for name, got in said.items() if got != "answered"} == {"urllib"}, said


def test_without_what_the_command_sets_right_the_proxy_is_asked() -> None:
    said = asked("--as-it-comes", **PROXIES)
    assert {name for name, got in said.items() if got == "answered"} == BY_THEMSELVES, said


def test_nothing_is_changed_where_no_proxy_is_named() -> None:
    environment = {"no_proxy": "a.example", "PATH": "/bin"}
    surroundings.ask_neighbours_directly(environment)
    assert environment == {"no_proxy": "a.example", "PATH": "/bin"}


def test_what_a_person_excepted_stays_excepted() -> None:
    environment = {"HTTPS_PROXY": DEAD, "NO_PROXY": "a.example, 192.0.2.0/24"}
    surroundings.ask_neighbours_directly(environment)
    surroundings.ask_neighbours_directly(environment)
    assert environment["no_proxy"] == environment["NO_PROXY"] == ",".join(["a.example", "192.0.2.0/24", *surroundings.near()])


@pytest.mark.parametrize(
    ("host", "near"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.8.9.1", "::1", "10.210.0.250", "10.227.3.4", "10.237.0.10")),
        *((host, True) for host in ("onprem.sites.internal", "api.dept-x.svc", "a.svc.cluster.local")),
        *((host, False) for host in ("10.211.0.1", "10.228.0.1", "192.0.2.7", "sites.internal.example", "example.org", "")),
    ],
)
def test_near_is_this_machine_and_its_sites_and_nothing_else(host: str, *, near: bool) -> None:
    assert surroundings.is_near(host) is near
