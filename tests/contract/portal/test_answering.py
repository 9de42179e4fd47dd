"""A person reads an agreement with their own values, says yes, keeps the receipt, takes it back; and the body that read is refused from then on."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import jwt
import pytest
from playwright.sync_api import Page, expect

from support.data_api import subject
from support.portal import PortalSite
from support.portal_screen import is_accessible, press_to, sign_in
from support.portal_visits import Visitor, visiting

YES = "/agreements/registry/yes"


def answer(page: Page, label: str) -> None:
    """Answer the question, check it and send it."""
    page.goto(f"{YES}/answer")
    page.get_by_label(label, exact=True).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Check your answer")).to_be_visible()
    is_accessible(page)
    page.get_by_role("button", name="Send your answer").click()


def read(portal: PortalSite, key: str) -> int:
    """Return how the agreement's consumer is answered about a person."""
    return portal.department.ask(f"/v1/people/subjects/{subject(key)}", "health").status_code


def test_yes_opens_and_no_closes_at_that_moment(page: Page, portal: PortalSite) -> None:
    sign_in(page, "dee", YES)
    expect(page.get_by_text("Person 153")).to_be_visible()
    expect(page.get_by_text("You choose. Nothing is read before you say yes")).to_be_visible()
    assert read(portal, "P153") == 404
    answer(page, "Yes")
    expect(page.get_by_role("heading", name="You said yes")).to_be_visible()
    is_accessible(page)
    assert read(portal, "P153") == 200
    page.get_by_role("link", name="Change your answer").click()
    page.get_by_label("No, stop").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send your answer").click()
    expect(page.get_by_role("heading", name="You took back your yes")).to_be_visible()
    assert read(portal, "P153") == 404
    page.goto("/agreements")
    expect(page.get_by_text("You took back your yes")).to_be_visible()


def test_the_receipt_is_kept_as_paper_and_as_what_the_body_signed(page: Page, portal: PortalSite, tmp_path: Path) -> None:
    sign_in(page, "eli")
    answer(page, "No")
    expect(page.get_by_role("heading", name="You said no")).to_be_visible()
    with page.expect_download() as got:
        page.get_by_role("link", name="Download to check by computer").click()
    got.value.save_as(tmp_path / "receipt.json")
    signed = json.loads((tmp_path / "receipt.json").read_text())["receipt"]
    keys = {k["kid"]: jwt.PyJWK(k) for k in portal.department.http.get("/.well-known/jwks.json").json()["keys"]}
    held = jwt.PyJWS().decode(signed, keys[jwt.get_unverified_header(signed)["kid"]], algorithms=["EdDSA"])
    assert b"dpv:ConsentRefused" in held
    with page.expect_download() as got:
        page.get_by_role("link", name="Download to read or print").click()
    got.value.save_as(tmp_path / "receipt.pdf")
    assert (tmp_path / "receipt.pdf").read_bytes().startswith(b"%PDF")


def test_nobody_sees_anothers_receipt(page: Page, portal: PortalSite) -> None:
    sign_in(page, "gus")
    answer(page, "Not now")
    page.wait_for_url(re.compile("/receipts/"))
    number = re.search(r"/receipts/registry/(\d+)", page.url)
    assert number is not None
    with visiting(portal, "ben") as other:
        assert other.http.get(f"/receipts/registry/{number[1]}").status_code == 404
        assert other.http.get(f"/receipts/registry/{number[1]}/json").status_code == 404


def test_the_whole_task_is_done_by_keyboard_alone(page: Page, portal: PortalSite) -> None:
    page.goto("/")
    press_to(page, "Skip to main content")
    press_to(page, "Sign in")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/authorize"))
    page.get_by_label("Username").focus()  # the issuer's page is not ours
    page.keyboard.type("fay")
    page.keyboard.press("Tab")
    page.keyboard.type("made up for tests")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{portal.url}/")
    press_to(page, "Agreements")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/agreements"))
    page.goto(f"{YES}")
    press_to(page, "Answer")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/answer"))
    press_to(page, "Yes")
    page.keyboard.press("Space")
    press_to(page, "Continue")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/check"))
    press_to(page, "Send your answer")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You said yes")).to_be_visible()
    assert read(portal, "P155") == 200


def test_an_objection_closes_the_record_and_is_taken_back(portal: PortalSite) -> None:
    def asked() -> int:
        return portal.department.ask(f"/v1/people/subjects/{subject('P151')}").status_code

    with visiting(portal, "ben") as visitor:
        assert asked() == 200
        say(visitor, "/agreements/registry/task/object", "Objected")
        assert asked() == 404
        assert "You objected" in visitor.get("/agreements/registry/task").text
        say(visitor, "/agreements/registry/task/object", "Lifted")
        assert asked() == 200


def say(visitor: Visitor, path: str, what: str) -> None:
    chosen = visitor.send(path, {"say": what})
    assert chosen.status_code == 303
    sent = visitor.send(path.rsplit("/", 1)[0] + "/check", {"say": what}, page=chosen.headers["location"])
    assert sent.headers["location"].startswith("/receipts/registry/")


@pytest.mark.parametrize("path", ["/agreements/registry/task/answer", "/agreements/registry/strict-consent/object"])
def test_what_the_law_leaves_no_choice_in_offers_none(portal: PortalSite, path: str) -> None:
    with visiting(portal, "ben") as visitor:
        assert visitor.send(path, {"say": "Nonsense"}).status_code == 400


def test_a_body_that_is_slow_or_down_never_holds_up_the_page(portal: PortalSite) -> None:
    with visiting(portal, "ben") as visitor:
        visitor.get("/agreements")
        began = time.monotonic()
        text = visitor.get("/agreements").text
        assert time.monotonic() - began < 3
        assert "This body is slow to answer: Slow Office" in text
        assert "We cannot reach this body: Closed Office" in text
        assert "reads from Companies Registry" in text
        assert "This body does not answer at the moment" in visitor.get("/agreements/closed-office/yes", 503).text
