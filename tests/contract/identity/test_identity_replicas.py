"""Two replicas of the issuer over one store are one issuer; and whoever steals the store learns of nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL
from commonweal_api.signatures import sector_key
from support.identity_store import IdentityServer
from support.issuer import (
    DEPARTMENTS,
    MASTER,
    PASSWORD,
    PEOPLE,
    ROOT,
    Clock,
    Posted,
    back,
    bearer,
    browsing,
    code,
    exchange,
    for_department,
    identity,
    link_token,
    parts,
    request,
    unread,
    write_files,
)

RECORDS = {d: str(pairwise(sector_key(MASTER, d), f"{d}-9")) for d in DEPARTMENTS}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replicas(empty: IdentityServer, tmp_path: Path, clock: Clock) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two applications, each with connections of its own, as a browser reaches one or the other."""
    write_files(tmp_path)
    with ExitStack() as stack:
        clients = []
        for _ in range(2):
            store = empty.store()

            @asynccontextmanager
            async def running(store: object = store) -> AsyncIterator[None]:
                async with store.running():  # type: ignore[attr-defined]
                    await store.set_up()  # type: ignore[attr-defined]
                    yield

            clients.append(stack.enter_context(browsing(parts(tmp_path, clock, store, posted=Posted()), running=running)))
        yield clients[0], clients[1]


def refresh(browser: httpx.Client, token: str) -> httpx.Response:
    return browser.post("/token", data={"grant_type": "refresh_token", "client_id": PORTAL, "refresh_token": token})


def test_a_session_of_one_is_known_by_the_other_and_ends_at_both(replicas: tuple[httpx.Client, httpx.Client]) -> None:
    one, other = replicas
    token = identity(one)
    ids = [unread(for_department(browser, token, "benefits").json()["access_token"])["sub"] for browser in replicas]
    assert ids[0] == ids[1]
    other.cookies.update(one.cookies)
    assert "code" in back(other.get("/authorize", params=request(prompt="none")))
    (session,) = other.get("/me/sessions", headers=bearer(token)).json()["sessions"]
    assert other.delete(f"/me/sessions/{session['id']}", headers=bearer(token)).status_code == 204
    assert one.get("/me/links", headers=bearer(token)).json()["reason"] == "SessionEnded"
    assert back(one.get("/authorize", params=request(prompt="none")))["error"] == "login_required"


def test_a_code_works_once_over_both(replicas: tuple[httpx.Client, httpx.Client]) -> None:
    one, other = replicas
    once = code(one)
    assert exchange(other, once).status_code == 200
    assert [exchange(browser, once).json()["error"] for browser in replicas] == ["invalid_grant"] * 2


def test_a_link_token_counts_once_over_both_and_the_link_is_known_by_both(
    replicas: tuple[httpx.Client, httpx.Client], clock: Clock
) -> None:
    one, other = replicas
    token = identity(one, "chen")
    asking = for_department(one, token, "benefits").json()["access_token"]
    text = link_token(asking, RECORDS["benefits"], clock)
    assert other.post("/me/links", headers=bearer(token), json={"linkToken": text}).status_code == 201
    assert unread(for_department(one, token, "benefits").json()["access_token"])["sub"] == RECORDS["benefits"]
    one.delete("/me/links/benefits", headers=bearer(token))
    again = one.post("/me/links", headers=bearer(token), json={"linkToken": text})
    assert (again.status_code, "jti" in again.json()["detail"]) == (400, True)


def test_a_refresh_token_that_one_took_ends_the_session_at_the_other(replicas: tuple[httpx.Client, httpx.Client]) -> None:
    one, other = replicas
    token = exchange(one, code(one, scope="openid offline_access")).json()["refresh_token"]
    following = refresh(other, token).json()["refresh_token"]
    assert refresh(one, token).json()["error"] == "invalid_grant"
    assert refresh(other, following).json()["error"] == "invalid_grant"


def test_whoever_steals_the_store_learns_neither_who_anybody_is_nor_which_ids_belong_together(
    replicas: tuple[httpx.Client, httpx.Client], clock: Clock, empty: IdentityServer
) -> None:
    """Every column of every table is searched, as text, as bytes and as hexadecimal digits."""
    one, _ = replicas
    secrets: set[str] = {ROOT, PASSWORD, *(p["name"] for p in PEOPLE), *(p["username"] for p in PEOPLE), "B-17"}
    for username in ("amina", "chen"):
        one.cookies.clear()
        tokens = exchange(one, code(one, username, resource=None, scope="openid offline_access profile")).json()
        about = unread(tokens["id_token"])
        secrets |= {about["sub"], tokens["access_token"], tokens["refresh_token"].partition(".")[2], *one.cookies.values()}
        for department in DEPARTMENTS:
            asking = for_department(one, tokens["access_token"], department).json()["access_token"]
            secrets |= {unread(asking)["sub"], unread(asking)["sid"]}
            if username == "chen":
                text = link_token(asking, RECORDS[department], clock)
                assert one.post("/me/links", headers=bearer(tokens["access_token"]), json={"linkToken": text}).status_code == 201
                secrets |= {RECORDS[department], text}
        wanted = one.get("/me/preferences", headers=bearer(tokens["access_token"])).json()
        assert one.put("/me/preferences", headers=bearer(tokens["access_token"]), json=wanted).status_code == 200
    stolen = empty.rows()
    assert {table: bool(rows) for table, rows in stolen.items()} == dict.fromkeys(
        ("session", "member", "family", "spent", "link", "preference"), True
    )
    everything = [field for rows in stolen.values() for row in rows for field in row]
    text = json.dumps([field.hex() if isinstance(field, bytes) else str(field) for field in everything]).lower()
    raw = b" ".join(field for field in everything if isinstance(field, bytes))
    for secret in secrets:
        forms = {secret.lower(), secret.encode().hex(), *([secret.replace("-", "").lower()] if _is_id(secret) else [])}
        assert not any(form in text for form in forms), secret
        assert secret.encode() not in raw
        assert bytes.fromhex(secret.replace("-", "")) not in raw if _is_id(secret) else True


def test_the_search_finds_what_is_there(replicas: tuple[httpx.Client, httpx.Client], empty: IdentityServer) -> None:
    """What the issuer itself calls a session is not secret, and the same search finds it."""
    token = identity(replicas[0])
    session = unread(token)["sid"]
    assert session in json.dumps([str(field) for row in empty.rows()["session"] for field in row])


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
