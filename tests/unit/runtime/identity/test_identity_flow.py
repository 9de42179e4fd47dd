"""The whole code flow as an application and a browser would walk it, right and wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from commonweal_api.pairwise import pairwise
from commonweal_api.plan import audience_of
from commonweal_api.signatures import sector_key
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.service import WRONG
from commonweal_runtime.tokens import KeySet, Verifier
from support.issuer import (
    ISSUER,
    MASTER,
    PASSWORD,
    ROOT,
    VERIFIER,
    Clock,
    back,
    browsing,
    claims,
    code,
    exchange,
    parts,
    request,
    silently,
    ticket,
    write_files,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def browser(tmp_path: Path, key: SigningKey, clock: Clock) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, clock, key=key)) as client:
        yield client


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def verifier(browser: httpx.Client, clock: Clock, department: str) -> Verifier:
    document = browser.get("/jwks").json()

    async def fetch() -> Any:
        return document

    return Verifier(issuer=ISSUER, audience=audience_of(department), keys=KeySet(fetch), now=clock)


def test_a_person_signs_in_and_the_department_knows_them_by_its_own_id(browser: httpx.Client, clock: Clock) -> None:
    answer = exchange(browser, code(browser))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    person = asyncio.run(verifier(browser, clock, "tax-authority").person(f"Bearer {tokens['access_token']}"))
    assert person.subject == pairwise(sector_key(MASTER, "tax-authority"), ROOT)
    access = claims(browser, tokens["access_token"], audience_of("tax-authority"))
    assert (access["client_id"], access["exp"] - access["iat"]) == ("commonweal-portal", 600)
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"
    identity = claims(browser, tokens["id_token"], "commonweal-portal")
    assert identity["nonce"] == "n-1"
    assert identity["auth_time"] == clock.now
    assert ROOT not in json.dumps([access, identity, tokens])


def test_a_token_is_good_for_one_department_only_and_for_ten_minutes(browser: httpx.Client, clock: Clock) -> None:
    token = exchange(browser, code(browser)).json()["access_token"]
    with pytest.raises(ProblemError, match="another audience"):
        asyncio.run(verifier(browser, clock, "benefits").person(f"Bearer {token}"))
    clock.now += 601
    with pytest.raises(ProblemError, match="expired"):
        asyncio.run(verifier(browser, clock, "tax-authority").person(f"Bearer {token}"))


def test_two_departments_and_the_application_each_get_another_id(browser: httpx.Client) -> None:
    seen = set()
    for department in ("tax-authority", "benefits"):
        tokens = exchange(browser, code(browser, resource=audience_of(department))).json()
        seen |= {
            claims(browser, tokens["access_token"], audience_of(department))["sub"],
            claims(browser, tokens["id_token"], "commonweal-portal")["sub"],
        }
    assert len(seen) == 3


def test_links_are_given_only_where_they_were_asked_for_by_name(browser: httpx.Client) -> None:
    def links(scope: str) -> Any:
        return claims(browser, exchange(browser, code(browser, scope=scope)).json()["id_token"], "commonweal-portal").get("links")

    ids = {d: str(pairwise(sector_key(MASTER, d), ROOT)) for d in ("companies-registry", "benefits")}
    assert links("openid links link:companies-registry link:benefits") == ids
    assert links("openid links link:benefits") == {"benefits": ids["benefits"]}
    assert links("openid links") is None
    assert links("openid link:benefits") is None


def test_the_sign_in_page_names_what_is_asked_and_can_be_used_without_eyes_or_scripts(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=request(scope="openid links link:benefits"))
    assert page.status_code == 200
    for text in ('<html lang="en">', '<label for="username">', '<label for="password">', "tax-authority", "your id at benefits", "<h1>"):
        assert text in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    style = page.text.split("<style>")[1].split("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "form-action 'self' http://127.0.0.1:4711" in policy
    assert "set-cookie" not in page.headers, "nothing is kept for those who never finish"


def test_state_and_issuer_come_back_with_the_code(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=request())
    answer = back(browser.post("/authorize", data={"ticket": ticket(page), "username": "amina", "password": PASSWORD}))
    assert (answer["state"], answer["iss"]) == ("st&te=1", ISSUER)
    assert "state" not in silently(browser, state=None), "one sign-in serves the next request"


@pytest.mark.parametrize("verifier_", ["w" * 60, "", "short", VERIFIER + "x"])
def test_a_wrong_pkce_verifier_is_refused_and_spends_the_code(browser: httpx.Client, verifier_: str) -> None:
    good = code(browser)
    answer = exchange(browser, good, code_verifier=verifier_)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert exchange(browser, good).json()["error"] == "invalid_grant"


def test_a_code_works_once_and_for_a_minute(browser: httpx.Client, clock: Clock) -> None:
    once = code(browser)
    assert exchange(browser, once).status_code == 200
    assert exchange(browser, once).json()["error"] == "invalid_grant"
    late = code(browser)
    clock.now += 61
    assert exchange(browser, late).json()["error"] == "invalid_grant"
    assert exchange(browser, "made up").json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "stranger"}, "invalid_client"),
        ({"redirect_uri": "http://127.0.0.1:1/callback"}, "invalid_grant"),
        ({"resource": audience_of("benefits")}, "invalid_target"),
    ],
)
def test_a_code_is_good_only_for_the_request_it_was_made_for(browser: httpx.Client, change: dict[str, str], error: str) -> None:
    answer = exchange(browser, code(browser), **change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:4711/callback/more"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1@evil.example/callback"},
        {"redirect_uri": "http://user@127.0.0.1/callback"},
        {"redirect_uri": "http://localhost/callback"},
        {"redirect_uri": "http://127.0.0.1:x/callback"},
        {"redirect_uri": "//127.0.0.1/callback"},
        {"redirect_uri": "http://127.0.0.1\\@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:80@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1/callback/../evil"},
        {"redirect_uri": "http://127.0.0.1/callback%2f"},
        {"redirect_uri": "http://127.0.0.1/callback?next=evil"},
        {"redirect_uri": "http://127.0.0.1/callback#fragment"},
        {"redirect_uri": "https://127.0.0.1/callback"},
        {"redirect_uri": "http://0x7f000001/callback"},
        {"redirect_uri": "http://127.1/callback"},
        {"redirect_uri": "http://[::ffff:127.0.0.1]/callback"},
        {"redirect_uri": None},
        {"client_id": "stranger"},
        {"client_id": None},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(browser: httpx.Client, change: dict[str, str | None]) -> None:
    answer = browser.get("/authorize", params=request(**change))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "There is a problem" in answer.text
    assert "evil" not in answer.text


def test_a_redirect_address_given_twice_is_not_followed(browser: httpx.Client) -> None:
    answer = browser.get("/authorize", params=[*request().items(), ("redirect_uri", "https://evil.example")])
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid link:../x"}, "invalid_scope"),
        ({"scope": "openid " + " ".join(f"link:d{i}" for i in range(21))}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"resource": "https://commonweal.dev/departments/"}, "invalid_target"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"resource": audience_of("tax-authority") + "\n"}, "invalid_target"),
        ({"code_challenge": "A" * 43 + "\n"}, "invalid_request"),
        ({"resource": audience_of("client:commonweal-portal")}, "invalid_target"),
        ({"prompt": "none"}, "login_required"),
        ({"nonce": "n" * 1001}, "invalid_request"),
    ],
)
def test_a_request_that_breaks_a_rule_is_told_to_the_application_with_its_state(
    browser: httpx.Client, change: dict[str, str | None], error: str
) -> None:
    answer = back(browser.get("/authorize", params=request(**change)))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "st&te=1", ISSUER)
    assert answer["error_description"]


@pytest.mark.parametrize(("username", "password"), [("amina", "wrong"), ("nobody", PASSWORD), ("", ""), ('<b>"', "x")])
def test_a_wrong_name_and_a_wrong_password_look_the_same(browser: httpx.Client, username: str, password: str) -> None:
    page = browser.get("/authorize", params=request())
    answer = browser.post("/authorize", data={"ticket": ticket(page), "username": username, "password": password})
    assert answer.status_code == 400
    assert WRONG in answer.text
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text
    again = browser.post("/authorize", data={"ticket": ticket(answer), "username": "amina", "password": PASSWORD})
    assert back(again)["code"]


def test_the_device_is_remembered_after_a_sign_in_and_heard_when_strangers_are_not(browser: httpx.Client) -> None:
    page = ticket(browser.get("/authorize", params=request()))
    form = {"ticket": page, "username": "amina", "password": PASSWORD}
    assert "commonweal-device=" in browser.post("/authorize", data=form).headers["set-cookie"]
    kept = dict(browser.cookies)
    browser.cookies.clear()
    answers = [browser.post("/authorize", data=form | {"password": "guess"}) for _ in range(11)]
    assert [a.status_code for a in answers] == [400] * 10 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 91
    browser.cookies.update(kept)
    assert browser.post("/authorize", data=form).status_code == 303


def test_a_ticket_is_sealed_and_short_lived(browser: httpx.Client, clock: Clock) -> None:
    good = ticket(browser.get("/authorize", params=request()))
    form = {"ticket": good, "username": "amina", "password": PASSWORD}
    raw = base64.urlsafe_b64decode(good)
    changed = base64.urlsafe_b64encode(raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]).decode()
    for bad in ("", "x", "é.é", changed, good[:-8], code(browser)):
        assert browser.post("/authorize", data=form | {"ticket": bad}).status_code == 400
    clock.now += 901
    assert browser.post("/authorize", data=form).status_code == 400


@pytest.mark.parametrize(("origin", "status"), [("https://identity.example", 303), ("https://evil.example", 400), ("null", 400)])
def test_a_form_that_another_site_sends_is_refused(browser: httpx.Client, origin: str, status: int) -> None:
    page = browser.get("/authorize", params=request())
    assert page.headers["referrer-policy"] == "same-origin"  # with no-referrer a browser would hide the page's own origin too
    form = {"ticket": ticket(page), "username": "amina", "password": PASSWORD}
    assert browser.post("/authorize", data=form, headers={"Origin": origin}).status_code == status


def test_without_a_file_of_people_nobody_signs_in(tmp_path: Path) -> None:
    assert Accounts(tmp_path / "none.json").check("amina", PASSWORD) is None


def test_discovery_tells_the_truth(browser: httpx.Client) -> None:
    document = browser.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == ISSUER
    assert {document[k].removeprefix(ISSUER) for k in ("authorization_endpoint", "token_endpoint", "jwks_uri")} == {
        "/authorize",
        "/token",
        "/jwks",
    }
    (jwk,) = browser.get("/jwks").json()["keys"]
    assert jwk["alg"] in document["id_token_signing_alg_values_supported"]
    assert "d" not in jwk
    assert browser.get("/nothing").status_code == 404
    assert browser.post("/token", content=b"x" * 40_000).status_code == 413


def test_registered_addresses_are_taken_literally_except_for_the_loopback_port() -> None:
    client = Client(client_id="c", name="C", redirect_uris=["https://portal.example/cb?x=1", "http://127.0.0.1/callback"])
    assert client.accepts("https://portal.example/cb?x=1")
    assert client.accepts("http://127.0.0.1:9999/callback")
    for wrong in (
        "https://portal.example/cb",
        "https://portal.example:444/cb?x=1",
        "https://127.0.0.1/callback",
        "http://127.0.0.1:9/callback?x=1",
        "",
    ):
        assert not client.accepts(wrong)
    with pytest.raises(ValueError, match="https"):
        Client(client_id="c", name="C", redirect_uris=["javascript:alert(1)"])
