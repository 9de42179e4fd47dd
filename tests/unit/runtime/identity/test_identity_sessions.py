"""One sign-in for all departments and applications: a session, and what it gives for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from commonweal_api.people_issuer import IDENTITY, PORTAL
from commonweal_api.plan import audience_of
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.sessions import ABSOLUTE_SECONDS, PASSWORD_ACR
from commonweal_runtime.identity.stored import IDLE_SECONDS
from commonweal_runtime.tokens import KeySet, Verifier
from support.identity_memory import MemoryStore
from support.issuer import (
    DEPARTMENTS,
    ISSUER,
    OF_PORTAL,
    PASSWORD,
    PEOPLE,
    Clock,
    back,
    bearer,
    browsing,
    claims,
    code,
    exchange,
    for_department,
    identity,
    parts,
    request,
    silently,
    ticket,
    unread,
    write_files,
)

COOKIE = "__Host-commonweal-session"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def browser(tmp_path: Path, clock: Clock, store: MemoryStore) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, clock, store)) as client:
        yield client


def test_one_sign_in_gives_a_token_for_each_department_with_an_id_and_a_session_of_its_own(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser)
    seen: set[str] = set()
    for department in DEPARTMENTS:
        answer = for_department(browser, token, department)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["issued_token_type"], body["token_type"], body["expires_in"]) == (
            "urn:ietf:params:oauth:token-type:access_token",
            "Bearer",
            600,
        )
        found = claims(browser, body["access_token"], audience_of(department))
        assert (found["acr"], found["auth_time"], found["client_id"]) == (PASSWORD_ACR, clock.now, PORTAL)
        assert found.keys() == {"iss", "aud", "sub", "iat", "exp", "jti", "client_id", "scope", "auth_time", "sid", "acr", "amr"}
        assert not seen & {found["sub"], found["sid"], found["jti"]}, "two departments have nothing in common"
        seen |= {found["sub"], found["sid"], found["jti"], unread(token)["sid"], unread(token)["sub"]}


def test_a_department_believes_an_exchanged_token(browser: httpx.Client, clock: Clock) -> None:
    document = browser.get("/jwks").json()

    async def fetch() -> dict[str, object]:
        return dict(document)

    verifier = Verifier(issuer=ISSUER, audience=audience_of("benefits"), keys=KeySet(fetch), now=clock)
    answer = for_department(browser, identity(browser), "benefits").json()
    assert asyncio.run(verifier.person(f"Bearer {answer['access_token']}")).subject == UUID(unread(answer["access_token"])["sub"])


def test_who_is_not_linked_has_a_token_everywhere_with_an_id_of_no_record(browser: httpx.Client) -> None:
    ids = {d: unread(for_department(browser, identity(browser, "chen"), d).json()["access_token"])["sub"] for d in DEPARTMENTS}
    assert len(set(ids.values())) == len(DEPARTMENTS)
    again = unread(for_department(browser, identity(browser, "chen"), "benefits").json()["access_token"])["sub"]
    assert again == ids["benefits"], "the same each time"
    bram = {d: unread(for_department(browser, identity(browser, "bram"), d).json()["access_token"])["sub"] for d in DEPARTMENTS}
    assert not set(bram.values()) & set(ids.values())


def test_the_token_for_the_issuer_lives_with_its_session(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser)
    found = claims(browser, token, IDENTITY)
    assert found["exp"] - found["iat"] == ABSOLUTE_SECONDS
    while clock.now < found["exp"] - 1:
        clock.now = min(clock.now + IDLE_SECONDS - 1, found["exp"] - 1)
        assert browser.get("/me/sessions", headers=bearer(token)).status_code == 200
    clock.now = found["exp"]
    answer = browser.get("/me/sessions", headers=bearer(token))
    assert (answer.status_code, answer.json()["reason"]) == (401, "SessionEnded")
    refused = for_department(browser, token, "benefits").json()
    assert (refused["error"], "Sign in again" in refused["error_description"]) == ("invalid_request", True)


def test_a_session_that_is_not_used_is_over_after_a_quarter_of_an_hour(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser)
    clock.now += IDLE_SECONDS
    assert browser.get("/me/sessions", headers=bearer(token)).json()["reason"] == "SessionEnded"
    assert silently(browser)["error"] == "login_required"


def test_the_last_tokens_of_a_session_end_with_it(browser: httpx.Client, clock: Clock) -> None:
    token = identity(browser)
    ends = clock.now + ABSOLUTE_SECONDS
    while clock.now + IDLE_SECONDS < ends:
        clock.now += IDLE_SECONDS - 1
        browser.get("/me/sessions", headers=bearer(token))
    clock.now = ends - 100
    assert for_department(browser, token, "benefits").json()["expires_in"] == 100


def test_a_second_application_needs_no_password_and_prompt_none_shows_no_page(browser: httpx.Client) -> None:
    assert silently(browser)["error"] == "login_required"
    code(browser)
    first = silently(browser)
    assert (first["state"], exchange(browser, first["code"], **OF_PORTAL).status_code) == ("st&te=1", 200)
    assert "code" in back(browser.get("/authorize", params=request(**OF_PORTAL)))
    for prompt in ("login", "select_account"):
        assert browser.get("/authorize", params=request(prompt=prompt, **OF_PORTAL)).status_code == 200


def test_a_program_that_listens_on_any_port_of_the_device_has_the_person_sign_in(browser: httpx.Client) -> None:
    code(browser)
    assert browser.get("/authorize", params=request()).status_code == 200
    assert back(browser.get("/authorize", params=request(prompt="none")))["error"] == "login_required"


def test_max_age_asks_again_and_signing_in_again_keeps_the_session_with_another_cookie(browser: httpx.Client, clock: Clock) -> None:
    token, before = identity(browser), browser.cookies[COOKIE]
    clock.now += 100
    assert "code" in silently(browser, max_age="100")
    assert silently(browser, max_age="99")["error"] == "login_required"
    page = browser.get("/authorize", params=request(max_age="99", **OF_PORTAL))
    back(browser.post("/authorize", data={"ticket": ticket(page), "username": "amina", "password": PASSWORD}))
    assert "code" in silently(browser, max_age="0")
    assert browser.get("/me/sessions", headers=bearer(token)).status_code == 200
    assert browser.cookies[COOKIE] != before
    browser.cookies.set(COOKIE, before, domain="identity.example", path="/")
    browser.cookies = httpx.Cookies({COOKIE: before})
    assert silently(browser)["error"] == "login_required", "a cookie from before is of no use"


def test_signing_in_again_gives_eight_hours_more(browser: httpx.Client, clock: Clock) -> None:
    identity(browser)
    clock.now += IDLE_SECONDS - 1
    again = unread(identity(browser))
    assert again["exp"] == clock.now + ABSOLUTE_SECONDS
    assert again["auth_time"] == clock.now


def test_another_person_in_the_same_browser_ends_the_session_of_the_first(browser: httpx.Client) -> None:
    amina = identity(browser)
    bram = identity(browser, "bram")
    assert browser.get("/me/sessions", headers=bearer(amina)).status_code == 401
    assert [s["current"] for s in browser.get("/me/sessions", headers=bearer(bram)).json()["sessions"]] == [True]


def test_ids_at_departments_are_given_by_a_page_alone(browser: httpx.Client) -> None:
    code(browser)
    assert silently(browser, scope="openid links link:benefits")["error"] == "consent_required"
    assert "your id at benefits" in browser.get("/authorize", params=request(scope="openid links link:benefits", **OF_PORTAL)).text


def test_the_session_cookie_is_for_the_issuer_alone(browser: httpx.Client, tmp_path: Path) -> None:
    page = browser.get("/authorize", params=request())
    answer = browser.post("/authorize", data={"ticket": ticket(page), "username": "amina", "password": PASSWORD})
    (kept,) = [c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}=")]
    assert {"Path=/", "HttpOnly", "SameSite=lax", "Secure"} == set(kept.split("; ")[1:])
    with browsing(parts(tmp_path, Clock(), url="http://127.0.0.1:8082"), "http://127.0.0.1:8082") as plain:
        code(plain)
        assert "commonweal-session" in plain.cookies


def test_a_token_of_another_kind_or_audience_is_none_for_the_issuer(browser: httpx.Client) -> None:
    tokens = exchange(browser, code(browser)).json()
    own = identity(browser)
    forged = own.rpartition(".")[0] + "." + "A" * 86
    for token in (tokens["access_token"], tokens["id_token"], "x", forged, ""):
        assert browser.get("/me/links", headers=bearer(token)).status_code == 401
        assert for_department(browser, token, "benefits").json()["error"] == "invalid_request"
    assert browser.get("/me/links").json()["reason"] == "TokenMissing"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "portal"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"audience": "benefits"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"resource": IDENTITY}, "invalid_target"),
        ({"resource": audience_of("elsewhere")}, "temporarily_unavailable"),
    ],
)
def test_an_exchange_that_breaks_a_rule_is_refused(browser: httpx.Client, change: dict[str, str], error: str) -> None:
    answer = for_department(browser, identity(browser), "benefits", **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_account_that_is_taken_out_of_the_file_is_signed_out(browser: httpx.Client, tmp_path: Path) -> None:
    token = identity(browser)
    write_files(tmp_path, PEOPLE[1:])
    assert browser.get("/me/links", headers=bearer(token)).json()["reason"] == "SessionEnded"


def test_without_the_store_no_session_is_assumed_and_tokens_given_before_stay_good(
    browser: httpx.Client, store: MemoryStore, clock: Clock
) -> None:
    token, waiting = identity(browser), code(browser)
    given = for_department(browser, token, "benefits").json()["access_token"]
    page = browser.get("/authorize", params=request(prompt="login"))
    store.away = True
    answer = browser.get("/me/links", headers=bearer(token))
    assert (answer.status_code, answer.json()["reason"], answer.headers["retry-after"]) == (503, "StoreUnavailable", "5")
    for refused in (for_department(browser, token, "benefits"), exchange(browser, waiting)):
        assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert silently(browser)["error"] == "temporarily_unavailable"
    told = browser.get("/authorize", params=request(**OF_PORTAL))
    assert (told.status_code, "Signing in does not work at the moment" in told.text) == (503, True)
    posted = browser.post("/authorize", data={"ticket": ticket(page), "username": "amina", "password": PASSWORD})
    assert (posted.status_code, "set-cookie" in posted.headers) == (503, False)
    assert browser.get("/readyz").status_code == browser.get("/jwks").status_code == 200
    assert claims(browser, given, audience_of("benefits"))["exp"] > clock.now
    store.away = False
    assert exchange(browser, waiting).status_code == 200


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([PEOPLE[0] | {"root": ""}], r"people.json: 0.root: .*Correct it"),
        ([PEOPLE[1] | {"links": {"No Name": "x"}}], r"0.links.*Correct it"),
        ([PEOPLE[0], PEOPLE[0]], "1: it has the username of an earlier entry"),
        ([PEOPLE[0] | {"roots": "x"}], r"0.roots"),
    ],
)
def test_a_file_of_people_that_cannot_be_read_says_where_and_what_to_do(tmp_path: Path, people: object, said: str) -> None:
    file = tmp_path / "people.json"
    file.write_text(json.dumps(people))
    with pytest.raises(ValueError, match=said):
        Accounts(file).all()


def test_one_persons_requests_at_once_are_bounded(tmp_path: Path, clock: Clock, browser: httpx.Client, store: MemoryStore) -> None:
    """Each has turns of their own, so that nobody's many requests are in another's way."""
    token = identity(browser)
    browser.cookies.clear()
    other = identity(browser, "bram")
    people = parts(tmp_path, clock, store).people

    async def script() -> list[BaseException | None]:
        gate = asyncio.Event()

        async def ask(holder: str) -> None:
            async with people.asking(f"Bearer {holder}"):
                await gate.wait()

        crowd = [asyncio.create_task(ask(token)) for _ in range(20)]
        asked = asyncio.create_task(ask(other))
        heard = set(crowd)
        while len(heard) > 16:
            _, heard = await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        gate.set()
        await asked
        return list(await asyncio.gather(*crowd, return_exceptions=True))

    refused = [outcome for outcome in asyncio.run(script()) if outcome is not None]
    assert [(r.status, r.reason) for r in refused if isinstance(r, ProblemError)] == [(429, "TooManyAtOnce")] * 4
