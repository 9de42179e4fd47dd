"""The pages about uses, rights and the account in a real browser: no fault of accessibility in either language, room at 320 pixels, tasks by keyboard, without script."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from support.data_api import DEPARTMENT, subject
from support.portal import PASSWORD, PortalSite
from support.waiting import wait_for

PATHS = {
    "uses": "/uses",
    "uses-none": "/uses?outcome=refused&basis=Contract",
    "receipts": "/receipts",
    "account": "/account",
    "contact": "/account/contact",
    "contact-saved": "/account/contact?saved=yes",
    "sessions": "/account/sessions",
    "people": "/people",
    "people-add": "/people/add",
    "complaints": "/complaints",
    "complaint": "/complaints/new",
    "take": "/take",
    "erase": "/erase",
    "erase-confirm": f"/erase/{DEPARTMENT}/cards",
    "register": "/register",
    "register-body": f"/register/{DEPARTMENT}",
    "problem": f"/uses/{DEPARTMENT}/999999999/check",
}


def sign_in(page: Page, name: str = "ada") -> None:
    page.goto("/sign-in")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def faults(page: Page) -> list[str]:
    """Return what axe finds on a page, and whether it needs more room than 320 pixels."""
    found = Axe().run(page)
    told = [] if found.violations_count == 0 else [f"{page.url}: {found.generate_report()}"]
    page.set_viewport_size({"width": 320, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1100, "height": 900})
    return told if width <= 320 else [*told, f"{page.url}: {width} pixels wide"]


@pytest.mark.parametrize("language", ["en", "cy"])
def test_no_page_has_a_fault_of_accessibility(language: str, page: Page, portal: PortalSite, pictures: Path | None) -> None:
    portal.department.ask(f"/v1/people/subjects/{subject('P150')}", "tax")
    sign_in(page)
    found = []
    for name, path in PATHS.items():
        page.goto(f"{path}{'&' if '?' in path else '?'}language={language}")
        found += faults(page)
        if pictures is not None:
            page.screenshot(path=pictures / f"{name}-{language}.png", full_page=True)
    assert found == []


def test_the_browser_itself_checks_a_proof(page: Page, portal: PortalSite, pictures: Path | None) -> None:
    portal.department.ask(f"/v1/people/subjects/{subject('P150')}", "tax")
    sign_in(page)
    page.goto("/uses")
    path = page.get_by_role("link", name="Check this").first.get_attribute("href")
    assert path
    wait_for("a seal over the use", lambda: _is_there(page, path))
    page.get_by_text("Your browser checked it by itself, and it holds.").wait_for()
    assert faults(page) == []
    if pictures is not None:
        page.screenshot(path=pictures / "check-en.png", full_page=True)


def _is_there(page: Page, path: str) -> bool | None:
    answer = page.goto(path)
    return True if answer is not None and answer.status == 200 else None


def test_a_mistake_is_found_and_corrected_by_keyboard_alone(page: Page, portal: PortalSite) -> None:
    sign_in(page, "gus")
    page.goto("/complaints/new")
    page.get_by_role("button", name="Send").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="There is a problem").wait_for()
    assert page.title().startswith("Error:")
    assert page.evaluate("document.activeElement.className") == "govuk-error-summary", "the summary has the focus"
    assert faults(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "body"
    page.keyboard.press("Space")
    page.get_by_label("What is wrong?").focus()
    page.keyboard.type("I do not know this office.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Your complaint was sent.").wait_for()
    assert faults(page) == []


def test_everything_works_without_script(browser: Browser, portal: PortalSite) -> None:
    context = browser.new_context(base_url=portal.url, locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "dee")
    page.goto("/account/contact")
    page.get_by_label("Keep these hours quiet").check()
    page.get_by_label("From").fill("21:30")
    page.get_by_label("To", exact=True).fill("6:45")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Your choices are saved.").wait_for()
    assert page.get_by_label("To", exact=True).input_value() == "06:45"
    context.close()
