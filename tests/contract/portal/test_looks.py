"""How the pages look and sound: every page in both languages before axe, at 320 pixels and 400 %, in forced colours, and without script. Pictures are taken for who wants to see them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.portal import PortalSite
from support.portal_screen import fits, is_accessible, sign_in

SIGNED_OUT = ("/", "/signed-out", "/signed-out?why=time", "/nothing-here", "/signed-in")
SIGNED_IN = (
    "/",
    "/bodies",
    "/bodies/registry",
    "/bodies/slow-office",
    "/agreements",
    "/agreements/registry/yes",
    "/agreements/registry/task",
    "/agreements/registry/visits",
    "/agreements/registry/yes/answer",
    "/agreements/registry/task/answer",
    "/agreements/registry/task/object",
    "/agreements/registry/yes/check?say=Given",
    "/agreements/closed-office/yes",
)


@pytest.mark.parametrize("language", ["en", "cy"])
def test_every_page_is_accessible_and_fits_a_small_screen(page: Page, pictures: Path | None, language: str) -> None:
    page.goto(f"/?language={language}")
    titles = set()
    for signed, paths in ((False, SIGNED_OUT), (True, SIGNED_IN)):
        if signed:
            _sign_in_here(page)
        for path in paths:
            page.goto(path)
            assert page.locator("html").get_attribute("lang") == language
            assert page.locator("h1").count() == 1, path
            is_accessible(page)
            fits(page)
            titles.add(page.title())
            if pictures:
                name = f"{language}{'-in' if signed else ''}{path.replace('/', '-').replace('?', '-').replace('=', '-')}.png"
                page.screenshot(path=pictures / name, full_page=True)
    assert len(titles) >= 12


def _sign_in_here(page: Page) -> None:
    page.goto("/sign-in")
    page.locator("#username").fill("ada")
    page.locator("#password").fill("made up for tests")
    page.locator("button[type=submit]").click()
    expect(page.locator(".portal-button-link")).to_be_attached()


def test_welsh_is_kept_and_english_of_a_body_is_named_as_such(page: Page) -> None:
    page.goto("/?language=cy")
    _sign_in_here(page)
    page.goto("/agreements/registry/yes")
    assert page.locator("h1").inner_text().startswith("Mae")
    expect(page.get_by_text("yn Saesneg yn unig")).to_be_visible()
    assert page.locator("main [lang=en]").count() > 0
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("What it is for")).to_be_visible()


def test_every_control_is_seen_in_forced_colours(page: Page, pictures: Path | None) -> None:
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    sign_in(page, "ada", "/agreements/registry/yes/answer")
    radio = page.get_by_label("Yes", exact=True)
    radio.focus()
    assert page.evaluate("() => getComputedStyle(document.querySelector('.govuk-radios__label'), '::before').borderTopStyle") == "solid"
    assert page.evaluate("() => getComputedStyle(document.querySelector('.govuk-radios__label'), '::before').outlineStyle") != "none"
    if pictures:
        page.screenshot(path=pictures / "forced-colours.png", full_page=True)


def test_everything_works_without_script(browser: Browser, portal: PortalSite) -> None:
    context = browser.new_context(base_url=portal.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "cai", "/agreements/registry/yes/answer")
    page.get_by_role("button", name="Continue").click()
    assert page.title().startswith("Error: ")
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Send your answer").click()
    expect(page.get_by_role("heading", name="You said yes")).to_be_visible()
    exit_ = page.get_by_role("button", name="Exit this page").or_(page.get_by_role("link", name="Exit this page"))
    assert str(exit_.first.get_attribute("href")).startswith("https://")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    context.close()
