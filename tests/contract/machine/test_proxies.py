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
