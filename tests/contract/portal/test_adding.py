"""A person adds a body at which their record has another key than anywhere, in a real browser; removes it; and says that something is wrong."""

from __future__ import annotations

from datetime import date, timedelta

from playwright.sync_api import Page, expect

from support.portal import PortalSite
from support.portal_screen import fits, is_accessible, sign_in


def prove(page: Page, number: int) -> None:
    """Fill in what the person with this number in the source knows of themselves."""
    born = date(1950, 1, 1) + timedelta(days=37 * number)
    page.get_by_label("Full name").fill(f"person {number}")
    for part, value in (("Day", born.day), ("Month", born.month), ("Year", born.year)):
        page.get_by_label(part).fill(str(value))
    page.get_by_role("button", name="Find my record").click()


def test_whoever_has_no_link_sees_how_to_start(page: Page) -> None:
    sign_in(page, "nora")
    expect(page.get_by_text("Start by adding a public body")).to_be_visible()
    page.get_by_role("button", name="Add a public body").click()
    expect(page.get_by_role("heading", name="Bodies that you can add")).to_be_visible()
    page.get_by_role("link", name="Agreements").click()
    expect(page.get_by_text("There is nothing here yet")).to_be_visible()


def test_mistakes_are_named_linked_and_read_first(page: Page) -> None:
    sign_in(page, "nora", "/bodies/registry/add")
    page.get_by_role("button", name="Find my record").click()
    assert page.title().startswith("Error: ")
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    is_accessible(page)
    fits(page)
    page.get_by_role("link", name="Enter a date").click()
    expect(page.get_by_label("Day")).to_be_focused()
    page.get_by_label("Day").fill("31")
    page.get_by_label("Month").fill("2")
    page.get_by_label("Year").fill("1987")
    page.get_by_role("button", name="Find my record").click()
    expect(page.get_by_role("link", name="Enter a real date")).to_be_visible()
    expect(page.get_by_label("Month")).to_have_value("2")


def test_a_person_finds_their_record_and_adds_it(page: Page, portal: PortalSite) -> None:
    sign_in(page, "nora", "/bodies/registry/add")
    prove(page, 160)
    expect(page.get_by_role("heading", name="Is this you?")).to_be_visible()
    expect(page.locator("dl")).to_contain_text("P••")
    is_accessible(page)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".govuk-error-summary")).to_be_focused()
    is_accessible(page)
    page.get_by_label("No, this is another person").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Nothing of it is shown to you")).to_be_visible()
    is_accessible(page)
    page.get_by_role("button", name="Try again").click()
    prove(page, 160)
    page.get_by_label("Yes, this is me").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="You added a public body")).to_be_visible()
    is_accessible(page)
    page.goto("/agreements/registry/yes")
    expect(page.get_by_text("Person 160")).to_be_visible()
    page.goto("/bodies/registry/remove")
    is_accessible(page)
    page.get_by_label("Yes").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Bodies that you can add")).to_be_visible()
    page.goto("/agreements/registry/yes")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_what_fits_nobody_says_nothing_but_that_a_person_looks(page: Page) -> None:
    sign_in(page, "oli", "/bodies/registry/add")
    prove(page, 5_000)
    expect(page.get_by_role("heading", name="A person will look at this")).to_be_visible()
    expect(page.get_by_text("Your reference:")).to_be_visible()
    is_accessible(page)
    fits(page)
    page.goto("/bodies")
    expect(page.get_by_text("Being looked at")).to_be_visible()


def test_a_dispute_stops_everything_at_once(page: Page) -> None:
    sign_in(page, "pia", "/bodies/registry/add")
    prove(page, 161)
    page.get_by_label("Yes, this is me").check()
    page.get_by_role("button", name="Continue").click()
    page.goto("/bodies/registry")
    is_accessible(page)
    page.get_by_role("link", name="Say that something is wrong").click()
    page.get_by_role("button", name="Stop it and tell the body").click()
    assert page.title().startswith("Error: ")
    is_accessible(page)
    page.get_by_label("What is wrong?").fill("These are not my companies.")
    page.get_by_role("button", name="Stop it and tell the body").click()
    expect(page.get_by_text("Nothing is shown until this body has looked")).to_be_visible()
    is_accessible(page)
    page.goto("/agreements/registry/yes")
    expect(page.get_by_role("heading", name="Your link to this body is stopped")).to_be_visible()
    is_accessible(page)
