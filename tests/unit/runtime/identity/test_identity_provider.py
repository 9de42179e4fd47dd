"""A provider in front: it says who a person is, and all the rest is as without it. The provider is Authlib's, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from commonweal_api.people_issuer import STORE
from commonweal_runtime.identity.provider import Relying
from commonweal_runtime.identity.settings import Settings
from support.issuer import (
    DEPARTMENTS,
    ISSUER,
    back,
    bearer,
    browsing,
    exchange,
    for_department,
    parts,
    request,
    unread,
    write_files,
)
from support.loopback import client
from support.oidc_provider import CLIENT, SECRET, OidcProvider, User

CALLBACK = f"{ISSUER}/provider"
COOKIE = "__Host-commonweal-provider"


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider(CALLBACK) as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path, provider: OidcProvider) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    made = parts(tmp_path, time.time, more={"provider": Relying(provider.url, CLIENT, SECRET)})
    with browsing(made) as running:
        yield running


def there(browser: httpx.Client, provider: OidcProvider, **change: str | None) -> str:
    """Ask for a sign-in and follow it to the provider and back; return the address at the issuer to which the browser is sent."""
    sent = browser.get("/authorize", params=request(**change))
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith(f"{provider.url}/authorize?")
    with client(provider.url) as outside:
        answer = outside.get(sent.headers["location"])
    assert answer.headers["location"].startswith(f"{CALLBACK}?"), answer.text
    return str(answer.headers["location"].removeprefix(ISSUER))


def code(browser: httpx.Client, provider: OidcProvider, **change: str | None) -> str:
    return back(browser.get(there(browser, provider, **change)))["code"]


def test_who_signs_in_at_the_provider_has_a_session_here_with_its_assurance(browser: httpx.Client, provider: OidcProvider) -> None:
    provider.user = User(auth_time=int(time.time()) - 50)
    token = exchange(browser, code(browser, provider, resource=None)).json()["access_token"]
    assert unread(token)["acr"] == "loa2"
    ids = {}
    for department in DEPARTMENTS:
        found = unread(for_department(browser, token, department).json()["access_token"])
        assert (found["acr"], found["amr"], found["auth_time"]) == ("loa2", ["pwd", "otp"], provider.user.auth_time)
        ids[department] = found["sub"]
    assert len(set(ids.values())) == len(DEPARTMENTS)
    assert browser.get("/me/links", headers=bearer(token)).json() == {"links": []}
    assert "code" in back(browser.get("/authorize", params=request(prompt="none"))), "the next application needs no provider"


def test_an_account_is_the_providers_sub_and_no_name_in_the_file(browser: httpx.Client, provider: OidcProvider) -> None:
    def known_as(sub: str) -> str:
        browser.cookies.clear()
        provider.user = User(sub=sub)
        return str(unread(exchange(browser, code(browser, provider)).json()["access_token"])["sub"])

    first = known_as("amina")
    assert known_as("bram") != first
    assert known_as("amina") == first


def test_the_name_is_told_where_it_is_asked_for(browser: httpx.Client, provider: OidcProvider) -> None:
    tokens = exchange(browser, code(browser, provider, scope="openid profile")).json()
    assert unread(tokens["id_token"])["name"] == "Amina Khan"


def test_what_the_application_asks_of_the_sign_in_is_asked_of_the_provider(browser: httpx.Client, provider: OidcProvider) -> None:
    provider.user = User(auth_time=int(time.time()))
    code(browser, provider, prompt="login", max_age="60", acr_values="loa3 loa2")
    (asked,) = provider.asked
    assert (asked["prompt"], asked["max_age"], asked["acr_values"], asked["code_challenge_method"]) == ("login", "60", "loa3 loa2", "S256")
    assert {"state", "nonce", "code_challenge"} <= asked.keys()


@pytest.mark.parametrize("auth_time", [None, -3600])
def test_an_old_sign_in_at_the_provider_is_none_for_who_asks_for_a_new_one(
    browser: httpx.Client, provider: OidcProvider, auth_time: int | None
) -> None:
    provider.user = User(auth_time=int(time.time()) + (auth_time or -3600))
    for change in ({"prompt": "login"}, {"max_age": "60"}):
        answer = browser.get(there(browser, provider, **change))
        assert answer.status_code == 502
        assert "Signing in does not work at the moment" in answer.text


def test_who_refuses_there_is_told_to_the_application(browser: httpx.Client, provider: OidcProvider) -> None:
    provider.user = None
    sent = browser.get("/authorize", params=request())
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    for error, told in (("access_denied", "access_denied"), ("login_required", "login_required"), ("made_up", "server_error")):
        answer = back(browser.get("/provider", params={"error": error, "state": state}))
        browser.cookies.set(COOKIE, sent.cookies[COOKIE])
        assert (answer["error"], answer["state"]) == (told, "st&te=1")


def test_a_sign_in_ends_only_in_the_browser_in_which_it_began(browser: httpx.Client, provider: OidcProvider) -> None:
    """Otherwise somebody could have another person's browser signed in as themselves, and read what that person enters."""
    address = there(browser, provider)
    browser.cookies.clear()
    answer = browser.get(address)
    assert (answer.status_code, "another browser" in answer.text) == (400, True)
    there(browser, provider)
    assert browser.get(address).status_code == 400, "nor with the cookie of another sign-in"
    assert browser.get("/provider", params={"code": "x", "state": "made up"}).status_code == 400


def test_a_code_works_once(browser: httpx.Client, provider: OidcProvider) -> None:
    address = there(browser, provider)
    kept = browser.cookies[COOKIE]
    assert browser.get(address).status_code == 303
    browser.cookies.set(COOKIE, kept)
    assert browser.get(address).status_code == 502


@pytest.mark.parametrize(
    "more",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": "soon"},
        {"iat": 2**33},
        {"sub": ""},
        {"sub": 1},
        {"sub": "s" * 256},
    ],
)
def test_an_id_token_that_is_not_of_this_sign_in_signs_nobody_in(
    browser: httpx.Client, provider: OidcProvider, more: dict[str, Any]
) -> None:
    provider.more = more
    answer = browser.get(there(browser, provider))
    assert (answer.status_code, "location" in answer.headers) == (502, False)
    assert "__Host-commonweal-session" not in browser.cookies


def test_an_id_token_of_a_key_that_is_not_published_signs_nobody_in(browser: httpx.Client, provider: OidcProvider) -> None:
    address = there(browser, provider)
    provider.signing = ECKey.generate_key("P-256", {"kid": "k-1", "use": "sig", "alg": "ES256"})
    assert browser.get(address).status_code == 502


@pytest.mark.parametrize(
    "more",
    [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"}, {"authorization_endpoint": None}],
)
def test_metadata_that_name_another_issuer_or_no_safe_address_are_not_followed(
    browser: httpx.Client, provider: OidcProvider, more: dict[str, Any]
) -> None:
    provider.metadata_more = more
    answer = browser.get("/authorize", params=request())
    assert (answer.status_code, "location" in answer.headers) == (502, False)


def test_an_answer_of_another_issuer_is_not_believed(browser: httpx.Client, provider: OidcProvider) -> None:
    provider.metadata_more = {"authorization_response_iss_parameter_supported": True}
    address = there(browser, provider)
    for end in ("&iss=https://evil.example", ""):
        assert browser.get(address + end).status_code == 502
    assert browser.get(f"{address}&iss={provider.url}").status_code == 303


def test_a_provider_that_is_away_is_said_in_words_and_comes_back(browser: httpx.Client, provider: OidcProvider) -> None:
    provider.fails = True
    answer = browser.get("/authorize", params=request())
    assert (answer.status_code, "Signing in does not work at the moment" in answer.text) == (502, True)
    provider.fails = False
    assert code(browser, provider)


def test_passwords_and_ids_by_scope_are_not_had_where_a_provider_signs_people_in(browser: httpx.Client, tmp_path: Path) -> None:
    told = back(browser.get("/authorize", params=request(scope="openid links link:benefits")))
    assert (told["error"], "token exchange" in told["error_description"]) == ("invalid_scope", True)
    write_files(tmp_path)
    with browsing(parts(tmp_path, time.time)) as without:
        page = without.get("/authorize", params=request())
    ticket = page.text.split('name="ticket" value="')[1].split('"')[0]
    assert browser.post("/authorize", data={"ticket": ticket, "username": "amina", "password": "correct horse"}).status_code == 400


def test_a_public_client_proves_itself_by_pkce_alone(tmp_path: Path) -> None:
    write_files(tmp_path)
    with OidcProvider(CALLBACK, is_public=True) as provider:
        made = parts(tmp_path, time.time, more={"provider": Relying(provider.url, CLIENT, None)})
        with browsing(made) as browser:
            assert exchange(browser, code(browser, provider)).status_code == 200


def _environment(folder: Path) -> dict[str, str]:
    for name in ("signing", "seal", STORE):
        (folder / name).write_text("ab" * 32)
    return {"COMMONWEAL_ISSUER": ISSUER, "COMMONWEAL_IDENTITY_DIR": str(folder), "COMMONWEAL_IDENTITY_STORE": "127.0.0.1:5432"}


def test_settings_name_the_provider_whole_or_not_at_all(tmp_path: Path) -> None:
    env = _environment(tmp_path)
    assert Settings.from_environment(env).provider is None
    (tmp_path / "provider-secret").write_text("s3cret\n")
    both = {"COMMONWEAL_PROVIDER_ISSUER": "https://p.example", "COMMONWEAL_PROVIDER_CLIENT_ID": "c"}
    assert Settings.from_environment(env | both).provider == Relying("https://p.example", "c", "s3cret")
    for name, value in both.items():
        with pytest.raises(ValueError, match="belong together"):
            Settings.from_environment(env | {name: value})
    with pytest.raises(ValueError, match="https"):
        Settings.from_environment(env | both | {"COMMONWEAL_PROVIDER_ISSUER": "http://p.example"})


def test_settings_show_no_secret_and_register_the_portal(tmp_path: Path) -> None:
    env = _environment(tmp_path) | {"COMMONWEAL_PORTAL_URL": "https://portal.example/", "COMMONWEAL_PORTAL_INNER": "https://inner:8083"}
    settings = Settings.from_environment(env)
    assert "abab" not in repr(settings)
    (portal,) = settings.own_clients
    assert (portal.client_id, portal.redirect_uris, portal.post_logout_redirect_uris, portal.backchannel_logout_uri) == (
        "portal",
        ["https://portal.example/signed-in"],
        ["https://portal.example/signed-out"],
        "https://inner:8083/back-channel-logout",
    )
