"""Signing out: the session ends at the issuer first, and then its applications hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import jwt
import pytest

from commonweal_api.signatures import issuer_seed
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.logout import Farewells
from commonweal_runtime.identity.stored import Member
from support.issuer import (
    ISSUER,
    MASTER,
    PORTAL_URL,
    Clock,
    Posted,
    back,
    bearer,
    browsing,
    claims,
    code,
    exchange,
    identity,
    parts,
    request,
    ticket,
    unread,
    write_files,
)
from support.waiting import wait_for

SIGNED_OUT = f"{PORTAL_URL}/signed-out"
OF_PORTAL = {"client_id": "portal", "redirect_uri": f"{PORTAL_URL}/signed-in"}


@pytest.fixture
def posted() -> Posted:
    return Posted()


@pytest.fixture
def browser(tmp_path: Path, posted: Posted) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, Clock(), posted=posted)) as client:
        yield client


def in_portal(browser: httpx.Client, **change: str | None) -> dict[str, Any]:
    """Sign in to the portal; return its tokens."""
    answer = exchange(browser, code(browser, **OF_PORTAL, **change), **OF_PORTAL)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sent(posted: Posted) -> list[tuple[str, str]]:
    """Return what was sent; it is sent beside the answer."""
    return wait_for("a logout token", lambda: posted.tokens or None)


def is_signed_in(browser: httpx.Client) -> bool:
    return "code" in back(browser.get("/authorize", params=request(prompt="none")))


def test_the_application_that_names_its_session_signs_the_person_out_everywhere(browser: httpx.Client, posted: Posted) -> None:
    tokens = in_portal(browser, resource=None)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT, "state": "s-1"}
    answer = browser.get("/end-session", params=asked)
    assert back(answer, SIGNED_OUT) == {"state": "s-1"}
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not is_signed_in(browser)
    assert browser.get("/me/links", headers=bearer(tokens["access_token"])).json()["reason"] == "SessionEnded"
    ((url, token),) = sent(posted)
    assert url == f"{PORTAL_URL}/back-channel-logout"
    told = claims(browser, token, "portal")
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
    assert told["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert told["sid"] == unread(tokens["id_token"])["sid"]
    assert told.keys() == {"iss", "aud", "iat", "exp", "jti", "sid", "events"}, "no nonce, and no more than the session"


def test_a_logout_token_is_taken_for_nothing_else(browser: httpx.Client, posted: Posted) -> None:
    browser.get("/end-session", params={"id_token_hint": in_portal(browser)["id_token"]})
    ((_, token),) = sent(posted)
    assert browser.get("/me/links", headers=bearer(token)).status_code == 401
    assert browser.get("/end-session", params={"id_token_hint": token}).status_code == 400


def test_whoever_proves_nothing_has_the_person_asked(browser: httpx.Client, posted: Posted) -> None:
    in_portal(browser)
    page = browser.get("/end-session")
    assert "Do you want to sign out?" in page.text
    assert is_signed_in(browser)
    done = browser.post("/end-session", data={"ticket": ticket(page)})
    assert (done.status_code, "You have signed out" in done.text) == (200, True)
    assert not is_signed_in(browser)
    assert len(sent(posted)) == 1


def test_a_form_of_another_site_or_browser_signs_nobody_out(browser: httpx.Client, tmp_path: Path) -> None:
    in_portal(browser)
    own = ticket(browser.get("/end-session"))
    assert browser.post("/end-session", data={"ticket": own}, headers={"Origin": "https://evil.example"}).status_code == 400
    browser.cookies.clear()
    in_portal(browser)
    assert browser.post("/end-session", data={"ticket": own}).status_code == 400
    assert browser.post("/end-session", data={"ticket": "made up"}).status_code == 400
    assert is_signed_in(browser)


def test_a_hint_of_another_session_than_the_browsers_is_no_proof(browser: httpx.Client) -> None:
    elsewhere = in_portal(browser)["id_token"]
    browser.cookies.clear()
    in_portal(browser)
    assert "Do you want to sign out?" in browser.get("/end-session", params={"id_token_hint": elsewhere}).text
    assert is_signed_in(browser)


def test_without_a_browser_a_hint_ends_its_session(browser: httpx.Client) -> None:
    tokens = in_portal(browser, resource=None)
    browser.cookies.clear()
    assert browser.post("/end-session", data={"id_token_hint": tokens["id_token"]}).status_code == 200
    assert browser.get("/me/links", headers=bearer(tokens["access_token"])).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"post_logout_redirect_uri": "https://evil.example"},
        {"post_logout_redirect_uri": SIGNED_OUT + "/more"},
        {"post_logout_redirect_uri": SIGNED_OUT, "client_id": "commonweal-portal"},
        {"post_logout_redirect_uri": SIGNED_OUT, "client_id": "stranger"},
        {"post_logout_redirect_uri": SIGNED_OUT},
        {"post_logout_redirect_uri": SIGNED_OUT, "client_id": "portal", "state": "s" * 1001},
        {"id_token_hint": "x"},
    ],
)
def test_nobody_is_sent_on_to_an_address_that_is_not_registered(browser: httpx.Client, change: dict[str, str]) -> None:
    answer = browser.get("/end-session", params=change)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_hint_of_another_application_than_the_named_one_is_refused(browser: httpx.Client) -> None:
    hint = in_portal(browser)["id_token"]
    assert browser.get("/end-session", params={"id_token_hint": hint, "client_id": "commonweal-portal"}).status_code == 400
    assert is_signed_in(browser)


def test_the_person_sees_their_sessions_and_ends_them(browser: httpx.Client, posted: Posted) -> None:
    first = in_portal(browser, resource=None)["access_token"]
    browser.cookies.clear()
    second, third = identity(browser), ""
    browser.cookies.clear()
    third = identity(browser)
    listed = browser.get("/me/sessions", headers=bearer(second)).json()["sessions"]
    assert sorted(tuple(s["clients"]) for s in listed) == [("commonweal-portal",), ("commonweal-portal",), ("portal",)]
    assert [s["current"] for s in listed].count(True) == 1
    (of_portal,) = (s["id"] for s in listed if s["clients"] == ["portal"])
    assert browser.delete(f"/me/sessions/{of_portal}", headers=bearer(second)).status_code == 204
    assert browser.get("/me/links", headers=bearer(first)).status_code == 401
    assert [url for url, _ in sent(posted)] == [f"{PORTAL_URL}/back-channel-logout"]
    assert browser.delete("/me/sessions", headers=bearer(second)).status_code == 204
    assert [browser.get("/me/links", headers=bearer(t)).status_code for t in (second, third)] == [200, 401]


def test_nobody_ends_a_session_of_somebody_else(browser: httpx.Client) -> None:
    amina = identity(browser)
    (own,) = browser.get("/me/sessions", headers=bearer(amina)).json()["sessions"]
    browser.cookies.clear()
    bram = identity(browser, "bram")
    for id_ in (own["id"], "x", own["id"].upper() + "x"):
        answer = browser.delete(f"/me/sessions/{id_}", headers=bearer(bram))
        assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
    assert browser.get("/me/links", headers=bearer(amina)).status_code == 200


@pytest.mark.parametrize(
    ("answers", "tries", "logged"),
    [
        ([200], 1, False),
        ([204], 1, False),
        ([500, TimeoutError(), 200], 3, False),
        ([aiohttp.ClientError(), 503, OSError(), 200], 3, True),
        ([400, 200], 1, True),
    ],
)
def test_an_application_is_told_three_times_at_most(
    answers: list[int | Exception], tries: int, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(client_id="c", name="C", redirect_uris=["https://c.example"], backchannel_logout_uri="https://c.example/out")
    posted, pauses = Posted(answers=answers), []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def tell() -> None:
        farewells = Farewells(Issuer(ISSUER, SigningKey.of(issuer_seed(MASTER)), Clock()), {"c": client}, posted, pause)
        farewells.send([Member("c", "sid"), Member("gone", "sid")], why="test")
        await farewells.settled()

    asyncio.run(tell())
    assert (len(posted.tokens), pauses) == (tries, [1.0, 5.0][: tries - 1])
    assert any("c was not told" in record.message for record in caplog.records) is logged
    assert len({unread(token)["jti"] for _, token in posted.tokens}) == tries
