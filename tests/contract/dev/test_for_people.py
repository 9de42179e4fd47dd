"""What a stack runs for people, on this machine: the issuer with its store, its directory, and the portal that asks it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from commonweal_cli.dev.layout import STATE
from commonweal_runtime.identity.sign_in import sign_in
from support.dev import DEPARTMENT, Dev, place, small
from support.waiting import wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Dev]:
    with Dev(small(place("people"))) as dev:
        yield dev.ready()


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def listed(server: Dev) -> list[Any]:
    return list(json.loads(fetched(f"{server.stack.ask('told')['issuer']}/v1/directory"))["departments"])


def test_the_portal_answers_where_the_command_says(server: Dev) -> None:
    portal = server.stack.ask("told")["portal"]
    assert f"people's pages: {portal}" in server.said
    wait_for("the portal", lambda: "<h1" in fetched(f"{portal}/") or None)
    assert fetched(f"{portal}/readyz") is not None


def test_people_sign_in_at_the_issuer_whose_store_is_a_program_of_the_stack(server: Dev) -> None:
    told = server.stack.ask("told")
    found = asyncio.run(sign_in(told["issuer"], "ada.lovelace", told["password"], "library"))
    assert found.access_token.count(".") == 2
    assert (server.folder / STATE / "stores" / "identity-store" / "pgdata" / "PG_VERSION").exists()


def test_the_directory_follows_the_departments_that_there_are(server: Dev) -> None:
    status = server.stack.get("department", "library")["status"]
    (library,) = (each for each in listed(server) if each["name"] == "library")
    assert library["displayName"] == {"en": "Library"}
    assert (library["dataApi"], library["keys"]) == (status["dataApi"], status["keys"])
    (server.folder / "museum.yaml").write_text(DEPARTMENT.replace("library", "museum").replace("Library", "Museum"))
    wait_for("the museum in the directory", lambda: "museum" in {each["name"] for each in listed(server)} or None)
