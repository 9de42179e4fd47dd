"""One running site for all tests of the portal, and one browser; each test speaks of people of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from commonweal_local import debian
from support.data_api import Issuer
from support.department import everything
from support.fixtures import heritage, issuer
from support.portal import PortalSite, site, with_matching, with_model
from support.postgres import HeritageServer, StoreServer

__all__ = ["heritage", "issuer"]
# Whom the department knows, by the key in its source; `nora` is known nowhere yet.
PEOPLE = {
    "ada": "P150",
    "ben": "P151",
    "cai": "P152",
    "dee": "P153",
    "eli": "P154",
    "fay": "P155",
    "gus": "P156",
    "nora": None,
    "oli": None,
    "pia": None,
}


@pytest.fixture(scope="package")
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory, store: StoreServer, heritage: HeritageServer, issuer: Issuer) -> Iterator[PortalSite]:
    with site(
        tmp_path_factory.mktemp("portal"), store, heritage, issuer, with_model(with_matching(everything(heritage))), PEOPLE
    ) as running:
        yield running


@pytest.fixture(scope="package")
def browser(portal: PortalSite) -> Iterator[Browser]:
    """Debian's Chromium, started once. After the site, and ended before it: while it runs, its loop is the thread's, and no other can be."""
    assert portal.url
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=debian.CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser, portal: PortalSite) -> Iterator[BrowserContext]:
    """A person's browser with nothing kept."""
    made = browser.new_context(base_url=portal.url, locale="en-GB", viewport={"width": 1100, "height": 900})
    made.set_default_timeout(10_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of that browser; what its console complains about fails the test."""
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(f"{made.url}: {error}"))
    made.on("console", lambda said: pytest.fail(f"{made.url}: {said.text}") if "Content Security Policy" in said.text else None)
    return made


@pytest.fixture
def pictures() -> Path | None:
    """Where screenshots are kept, if anywhere: COMMONWEAL_PICTURES."""
    named = os.environ.get("COMMONWEAL_PICTURES")
    return Path(named) if named else None
