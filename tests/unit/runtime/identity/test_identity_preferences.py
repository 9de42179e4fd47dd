"""What a person says of how to be contacted, and the directory that everybody reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.issuer import DEPARTMENTS, Clock, bearer, browsing, identity, parts, write_files

WANTED: dict[str, Any] = {
    "channels": {"email": False, "text": True, "letter": True, "app": False},
    "language": "cy",
    "quietHours": {"from": "22:00", "to": "07:00"},
    "topics": {"deadlines": True, "offers": False, "changes": False},
    "pausedUntil": "2027-01-31",
}


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[httpx.Client]:
    write_files(tmp_path)
    with browsing(parts(tmp_path, Clock())) as client:  # 2027-01-15
        yield client


def put(browser: httpx.Client, token: str, body: Any, **headers: str) -> httpx.Response:
    return browser.put("/me/preferences", headers={**bearer(token), **headers}, json=body)


def test_there_are_some_from_the_start_and_what_is_put_is_had(browser: httpx.Client) -> None:
    token = identity(browser)
    first = browser.get("/me/preferences", headers=bearer(token))
    assert first.headers["etag"] == '"0"'
    assert first.json() == {
        "channels": {"email": True, "text": False, "letter": True, "app": False},
        "language": "en",
        "quietHours": None,
        "topics": {"deadlines": True, "offers": False, "changes": True},
        "pausedUntil": None,
    }
    answer = put(browser, token, WANTED)
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, WANTED, '"1"')
    again = browser.get("/me/preferences", headers=bearer(token))
    assert (again.json(), again.headers["etag"], again.headers["cache-control"]) == (WANTED, '"1"', "no-store")
    browser.cookies.clear()
    assert browser.get("/me/preferences", headers=bearer(identity(browser, "bram"))).headers["etag"] == '"0"'


def test_with_if_match_a_change_made_meanwhile_is_not_lost(browser: httpx.Client) -> None:
    token = identity(browser)
    assert put(browser, token, WANTED, **{"If-Match": '"0"'}).status_code == 200
    refused = put(browser, token, WANTED | {"language": "en"}, **{"If-Match": '"0"'})
    assert (refused.status_code, refused.json()["reason"]) == (412, "PreferencesChanged")
    assert put(browser, token, WANTED, **{"If-Match": '"x"'}).status_code == 412
    assert browser.get("/me/preferences", headers=bearer(token)).json() == WANTED
    for match in ('"1"', "*"):
        assert put(browser, token, WANTED, **{"If-Match": match}).status_code == 200


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"language": "de"}, "language"),
        ({"channels": {"email": True}}, "channels.text"),
        ({"channels": WANTED["channels"] | {"fax": True}}, "channels.fax"),
        ({"channels": WANTED["channels"] | {"email": "yes"}}, "channels.email"),
        ({"quietHours": {"from": "24:00", "to": "07:00"}}, "quietHours.from"),
        ({"quietHours": {"from": "07:00", "to": "07:00"}}, "quietHours"),
        ({"topics": None}, "topics"),
        ({"pausedUntil": "2027-01-14"}, "pausedUntil"),
        ({"pausedUntil": "2028-01-17"}, "pausedUntil"),
        ({"pausedUntil": "soon"}, "pausedUntil"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(browser: httpx.Client, change: dict[str, Any], place: str) -> None:
    token = identity(browser)
    answer = put(browser, token, WANTED | change)
    assert (answer.status_code, answer.json()["reason"], answer.json()["detail"].split(":")[0]) == (400, "InvalidRequest", place)
    assert browser.get("/me/preferences", headers=bearer(token)).headers["etag"] == '"0"'


def test_the_directory_is_for_everybody_and_says_when_it_is_another(browser: httpx.Client, tmp_path: Path) -> None:
    answer = browser.get("/v1/directory")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=60")
    assert [d["name"] for d in answer.json()["departments"]] == list(DEPARTMENTS)
    tag = answer.headers["etag"]
    same = browser.get("/v1/directory", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    write_files(tmp_path, departments=DEPARTMENTS[:1])
    other = browser.get("/v1/directory", headers={"If-None-Match": tag})
    assert (other.status_code, len(other.json()["departments"])) == (200, 1)
    (tmp_path / "directory.json").write_text("{")
    assert browser.get("/v1/directory").json() == other.json(), "what cannot be read leaves what was there"


def test_without_a_directory_it_is_said_when_to_ask_again(browser: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "directory.json").unlink()
    answer = browser.get("/v1/directory")
    assert (answer.status_code, answer.json()["reason"], answer.headers["retry-after"]) == (503, "DirectoryMissing", "60")
    assert json.loads(answer.content)["remedy"]
