"""tmp walk"""
from __future__ import annotations
import os
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from support.data_api import subject
from support.portal import PASSWORD, PortalSite
from support.waiting import wait_for
from support.portal_visits import visiting

OUT = "/tmp/pages-shots"

def test_walk(page: Page, portal: PortalSite) -> None:
    os.makedirs(OUT, exist_ok=True)
    d = portal.department
    me = subject("P150")
    bad = []
    for c in ("tax", "health", "tax"):
        print(d.ask(f"/v1/people/subjects/{me}", c).status_code)
    page.goto("/sign-in")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/uses")
    def shot(name, path=None):
        if path: page.goto(path)
        page.screenshot(path=f"{OUT}/{name}.png", full_page=True)
        found = Axe().run(page)
        if found.violations_count: bad.append((name, found.generate_report()))
        w = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size({"width": 320, "height": 800})
        w = page.evaluate("document.documentElement.scrollWidth")
        if w > 320: bad.append((name, f"320: {w}"))
        page.set_viewport_size({"width": 1100, "height": 900})
    shot("uses")
    href = page.get_by_role("link", name="Check this").first.get_attribute("href")
    wait_for("sealed", lambda: "does not" not in page.content() and (page.goto(href).status == 200 or None))
    page.wait_for_timeout(500)
    shot("check")
    print(page.locator("#browser-check").inner_text())
    for name, path in [("complaint", "/complaints/new?body=registry&use=1"), ("complaint2", "/complaints/new"), ("account", "/account"), ("contact", "/account/contact"), ("sessions", "/account/sessions"),
        ("people", "/people"), ("people_add", "/people/add"), ("complaints", "/complaints"), ("take", "/take"), ("erase", "/erase"), ("register", "/register"), ("register_body", "/register/registry"), ("receipts", "/receipts"), ("uses-filter", "/uses?outcome=refused&basis=Consent")]:
        shot(name, path)
    page.goto("/complaints/new"); page.get_by_role("button", name="Send").click(); shot("complaint-error")
    page.goto("/complaints/new"); page.get_by_label("Registry").check() if page.get_by_label("Registry").count() else None
    for name, report in bad: print(name, report)
    assert not bad
