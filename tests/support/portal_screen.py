"""A person at the portal with a screen: what is done in tests on every page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from support.portal import PASSWORD

WIDTH, NARROW = {"width": 1100, "height": 900}, {"width": 320, "height": 640}
_AXE = Axe()
# One rule is left out: the phase banner and the languages stand beside the landmarks, as GOV.UK's own template has them.
_OPTIONS = {"rules": {"region": {"enabled": False}}}
_KINDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def sign_in(page: Page, name: str, onward: str = "/") -> None:
    """Sign in at the issuer's own page and come back."""
    page.goto(f"/sign-in?onward={onward}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()


def is_accessible(page: Page) -> None:
    """Fail with axe's report of whatever it finds on the page as it is now."""
    found = _AXE.run(page, options={**_OPTIONS, "runOnly": {"type": "tag", "values": list(_KINDS)}})
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"


def fits(page: Page) -> None:
    """Fail where the page must be moved sideways at 320 pixels, which is also 400 % of 1280."""
    page.set_viewport_size(NARROW)
    beyond = page.evaluate(
        "() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 321 && getComputedStyle(e).position !== 'absolute')"
        ".map(e => e.outerHTML.slice(0, 100))"
    )
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(WIDTH)
    assert wide <= 320, (page.url, wide, beyond)


def press_to(page: Page, name: str, most: int = 60) -> None:
    """Go by Tab to what is called so, and fail where no number of presses leads there or the focus cannot be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        called = page.evaluate(
            "() => { const e = document.activeElement; return (e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText || '').trim() }"
        )
        if called.startswith(name):
            return
    raise AssertionError(f"{page.url}: no Tab leads to {name!r}")
