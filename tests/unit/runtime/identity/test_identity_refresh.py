"""Refresh tokens: each works once; one that comes again ends the session, for it has been stolen from somebody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from commonweal_api.people_issuer import IDENTITY, PORTAL
from commonweal_api.plan import audience_of
from commonweal_runtime.identity.sessions import ABSOLUTE_SECONDS
from commonweal_runtime.identity.stored import IDLE_SECONDS
from support.identity_memory import MemoryStore
from support.issuer import (
    Clock,
    Posted,
    bearer,
    browsing,
    claims,
    code,
    exchange,
    identity,
    parts,
    unread,
    write_files,
)

OFFLINE = "openid profile offline_access"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def browser(tmp_path: Path, clock: Clock, store: MemoryStore) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, clock, store, posted=Posted())) as client:
        yield client


def tokens(browser: httpx.Client, **change: str | None) -> dict[str, Any]:
    answer = exchange(browser, code(browser, scope=OFFLINE, **change))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refresh(browser: httpx.Client, token: str, **change: str) -> httpx.Response:
    return browser.post("/token", data={"grant_type": "refresh_token", "client_id": PORTAL, "refresh_token": token} | change)


def test_only_who_asks_for_it_has_one(browser: httpx.Client) -> None:
    assert "refresh_token" not in exchange(browser, code(browser)).json()
    assert "refresh_token" in tokens(browser)


def test_each_gives_new_tokens_and_the_next_one(browser: httpx.Client, clock: Clock) -> None:
    first = tokens(browser)
    clock.now += 600
    answer = refresh(browser, first["refresh_token"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = (claims(browser, t["access_token"], audience_of("tax-authority")) for t in (first, second))
    assert (before["sub"], before["sid"], before["auth_time"]) == (after["sub"], after["sid"], after["auth_time"])
    assert after["exp"] == clock.now + 600
    about = unread(second["id_token"])
    assert (about["name"], "nonce" in about) == ("Amina Khan", False)
    assert refresh(browser, second["refresh_token"]).status_code == 200


def test_one_for_the_issuer_gives_tokens_for_the_issuer(browser: httpx.Client) -> None:
    first = tokens(browser, resource=None)
    second = refresh(browser, first["refresh_token"]).json()["access_token"]
    assert unread(second)["aud"] == IDENTITY
    assert browser.get("/me/links", headers=bearer(second)).status_code == 200


def test_one_that_was_used_ends_all_that_came_of_it_and_the_session(browser: httpx.Client) -> None:
    own, first = identity(browser), tokens(browser)["refresh_token"]
    second = refresh(browser, first).json()["refresh_token"]
    again = refresh(browser, first)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert refresh(browser, second).json()["error"] == "invalid_grant"
    assert browser.get("/me/links", headers=bearer(own)).json()["reason"] == "SessionEnded"


def test_one_is_of_no_use_to_another_application_or_for_another_department(browser: httpx.Client) -> None:
    token = tokens(browser)["refresh_token"]
    assert refresh(browser, token, resource=audience_of("benefits")).json()["error"] == "invalid_target"
    assert refresh(browser, token, scope="openid links").json()["error"] == "invalid_scope"
    narrowed = refresh(browser, token, scope="openid", resource=audience_of("tax-authority"))
    assert narrowed.json()["scope"] == "openid", "what was refused before has cost nothing"
    assert refresh(browser, narrowed.json()["refresh_token"], client_id="portal").json()["error"] == "invalid_grant"


@pytest.mark.parametrize("token", ["", "x", "x.y", "0" * 32 + ".x", "é"])
def test_one_that_is_made_up_is_refused(browser: httpx.Client, token: str) -> None:
    assert refresh(browser, token).json()["error"] == "invalid_grant"


def test_it_ends_with_its_session_and_using_it_keeps_the_session(browser: httpx.Client, clock: Clock) -> None:
    began, token = clock.now, tokens(browser)["refresh_token"]
    while clock.now + IDLE_SECONDS < began + ABSOLUTE_SECONDS:
        clock.now += IDLE_SECONDS - 1
        token = refresh(browser, token).json()["refresh_token"]
    clock.now = began + ABSOLUTE_SECONDS
    assert refresh(browser, token).json()["error"] == "invalid_grant"
    token = tokens(browser)["refresh_token"]
    clock.now += IDLE_SECONDS
    assert refresh(browser, token).json()["error"] == "invalid_grant"


def test_a_code_that_comes_again_ends_what_came_of_it(browser: httpx.Client) -> None:
    once = code(browser, scope=OFFLINE)
    token = exchange(browser, once).json()["refresh_token"]
    assert exchange(browser, once).json()["error"] == "invalid_grant"
    assert refresh(browser, token).json()["error"] == "invalid_grant"


def test_while_the_store_is_away_nothing_is_used_up(browser: httpx.Client, store: MemoryStore) -> None:
    token = tokens(browser)["refresh_token"]
    store.away = True
    answer = refresh(browser, token)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    store.away = False
    assert refresh(browser, token).status_code == 200
