"""What each answer carries, and which forms are taken."""

from __future__ import annotations

import pytest

from support.portal import PortalSite
from support.portal_visits import visiting

PAGES = ("/", "/bodies", "/agreements", "/agreements/registry/yes", "/signed-out", "/nothing-here", "/signed-in")
FORMS = (
    "/sign-out",
    "/bodies/registry/add",
    "/bodies/registry/add/found",
    "/bodies/registry/wrong",
    "/bodies/registry/remove",
    "/agreements/registry/yes/answer",
    "/agreements/registry/yes/object",
    "/agreements/registry/yes/check",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_what_may_run_and_is_kept_nowhere(portal: PortalSite, path: str) -> None:
    with visiting(portal, "ben") as visitor:
        answer = visitor.http.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert "<script>" not in answer.text
        assert " onclick" not in answer.text


def test_files_are_kept_for_ever_and_named_by_their_content(portal: PortalSite) -> None:
    with visiting(portal) as visitor:
        text = visitor.get("/").text
        name = text.split('href="/assets/portal.')[1].split('"')[0]
        file = visitor.get(f"/assets/portal.{name}")
        assert "immutable" in file.headers["cache-control"]
        assert "set-cookie" not in file.headers
        assert visitor.http.get("/assets/portal.css").status_code == 404
        assert visitor.http.get("/assets/..%2Fmanifest.json").status_code == 404


@pytest.mark.parametrize("path", FORMS)
def test_no_form_is_taken_that_was_not_given_to_this_person(portal: PortalSite, path: str) -> None:
    with visiting(portal, "ben") as visitor, visiting(portal, "cai") as other:
        right, theirs = visitor.token("/bodies"), other.token("/bodies")
        own = {"Origin": portal.url}
        refused = [
            visitor.http.post(path, headers=own),
            visitor.http.post(path, data={"form_token": theirs}, headers=own),
            visitor.http.post(path, data={"form_token": right}),
            visitor.http.post(path, data={"form_token": right}, headers={"Origin": "null"}),
            visitor.http.post(path, data={"form_token": right}, headers={"Origin": "https://evil.test"}),
            visitor.http.post(path, content=b"\xff\xfe", headers=own),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert "We could not take what you sent" in refused[0].text
        assert visitor.http.get("/bodies").status_code == 200, "nobody is signed out by it"


def test_a_form_that_is_too_long_is_refused_in_words(portal: PortalSite) -> None:
    with visiting(portal, "ben") as visitor:
        answer = visitor.send("/bodies/registry/wrong", {"text": "x" * 70_000})
        assert answer.status_code == 413
        assert "We could not take what you sent" in answer.text


def test_what_the_address_holds_is_never_part_of_the_page(portal: PortalSite) -> None:
    with visiting(portal, "ben") as visitor:
        for path in (
            "/agreements/registry/%3Cscript%3E",
            "/bodies/%3Cscript%3E",
            "/?x=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
            "/receipts/registry/1%27",
        ):
            assert "<script>" not in visitor.http.get(path).text


def test_one_person_cannot_ask_for_everything_at_once(portal: PortalSite) -> None:
    with visiting(portal, "gus") as visitor:
        said = [visitor.http.get("/signed-in").status_code for _ in range(70)]
        assert 429 in said
        answer = visitor.http.get("/bodies")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "Too many requests" in answer.text
