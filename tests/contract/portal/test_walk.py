"""A first walk."""

from __future__ import annotations

from playwright.sync_api import Page

from support.portal import PASSWORD, PortalSite


def test_walk(page: Page, portal: PortalSite, tmp_path) -> None:
    page.goto("/")
    page.screenshot(path="/tmp/portal/start.png", full_page=True)
    page.get_by_role("button", name="Sign in").click()
    page.screenshot(path="/tmp/portal/issuer.png", full_page=True)
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.screenshot(path="/tmp/portal/bodies.png", full_page=True)
    page.get_by_role("link", name="Agreements").click()
    page.screenshot(path="/tmp/portal/agreements.png", full_page=True)
    page.goto("/agreements/registry/yes")
    page.screenshot(path="/tmp/portal/agreement.png", full_page=True)
    page.goto("/agreements/registry/yes/answer")
    page.screenshot(path="/tmp/portal/answer.png", full_page=True)
    page.get_by_role("button", name="Continue").click()
    page.screenshot(path="/tmp/portal/answer-error.png", full_page=True)
    page.get_by_label("Yes").check()
    page.get_by_role("button", name="Continue").click()
    page.screenshot(path="/tmp/portal/check.png", full_page=True)
    page.get_by_role("button", name="Send your answer").click()
    page.screenshot(path="/tmp/portal/receipt.png", full_page=True)
