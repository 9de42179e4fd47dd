"""One person's whole way through the pages of a real site, in a real browser: bodies, own values, yes and no, uses, proof, and out.

Screenshots of the main pages are written to docs/pictures when COMMONWEAL_PICTURES=write.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from commonweal_cli.demo import bring_up
from commonweal_cli.demo.journey import BENEFITS, CHECK, REGISTRY, Site
from commonweal_cli.demo.person import PEOPLE, SignIn, keys
from commonweal_cli.demo.web import Answer, Caller, trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.local import pages
from commonweal_local.waiting import within
from support.waiting import HANG

pytestmark = pytest.mark.sites
PERSON = "fay.weldon"  # whom the Benefits Department has on record, and has yet to meet
NUMBER = PEOPLE.index(PERSON) + 1
BORN = date(1950, 1, 1) + timedelta(days=131 * NUMBER)
AGREEMENT = f"/agreements/{REGISTRY}/benefits-checks-company"
COMPANY = "Foundry Energy Ltd"  # as the registry's SQL makes it of that number
PICTURES = Path(__file__).parents[3] / "docs" / "pictures"
LARGEST = 150 * 1024


@pytest.fixture(scope="module")
def onprem(brought: bring_up.Brought) -> Kubectl:
    return brought.clusters[0]


@dataclass(frozen=True)
class Reader:
    """The Benefits Department's service, which reads the person at the registry, and what the registry signs with, as a file."""

    service: Caller
    subject: str
    keys: Path

    def read(self) -> Answer:
        return self.service.get(f"/v1/companies/subjects/{self.subject}", Purpose=CHECK)


KNOWN = f"""
import json
listed = json.load(open("/etc/commonweal/identity/directory.json"))["departments"]
print(any(d["name"] == "{BENEFITS}" and any(k.get("purpose", "Seal") == "Seal" for k in d["keys"]) for d in listed))
"""


def is_known(cluster: Kubectl) -> bool:
    """Whether each pod of the issuer has the key by which it believes the body that is added: it comes as any volume of a pod does."""
    pods = cluster.run("get", "pods", "-n", bring_up.SYSTEM, "-l", "app.kubernetes.io/component=identity", "-o", "name").split()
    said = [cluster.run("exec", "-n", bring_up.SYSTEM, pod, "--", "python3", "-c", KNOWN).strip() for pod in pods]
    return len(pods) == 2 and set(said) == {"True"}


@pytest.fixture(scope="module")
def reader(onprem: Kubectl, brought: bring_up.Brought, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Made before the browser, whose loop is the thread's while it runs."""
    assert within(HANG, lambda: is_known(onprem))
    site = Site(onprem, SignIn(f"https://{pages.doors(onprem)[1].place}", trust_of(onprem)), PERSON, brought.password)
    ring = tmp_path_factory.mktemp("keys") / "keys.json"
    ring.write_text(json.dumps(site.caller(site.apis[REGISTRY]).get("/.well-known/jwks.json").body))
    return Reader(site.service(BENEFITS, "benefits-app", REGISTRY), str(site.subject(REGISTRY)), ring)


@pytest.fixture(scope="module")
def page(onprem: Kubectl, reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of the browser that `commonweal local open portal` would start."""
    assert reader.subject
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed")
    found, authority, profile = pages.doors(onprem), onprem.authority(bring_up.SYSTEM), tmp_path_factory.mktemp("profile")
    words = pages.arguments(found[0].url, found, [pages.pin(door, authority) for door in found], profile)
    own = [word for word in words if word.startswith(("--host-resolver-rules", "--ignore-certificate-errors-spki-list"))]
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile / "p",
            executable_path=chromium,
            args=[*own, "--no-sandbox"],
            headless=True,
            base_url=found[0].url,
            viewport={"width": 1000, "height": 800},
            locale="en-GB",
        )
        yield context.new_page()
        context.close()


def picture(page: Page, name: str) -> None:
    """Keep the page as the documentation shows it, if that was asked for."""
    if os.environ.get("COMMONWEAL_PICTURES") == "write":
        path = PICTURES / f"portal-{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size <= LARGEST, path


def sign_in(page: Page, password: str) -> None:
    page.goto("/sign-in?onward=/bodies")
    page.get_by_label("Username").fill(PERSON)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Public bodies")).to_be_visible()


def add(page: Page) -> None:
    """Add the body at which the person's record has another key than at the others."""
    expect(page.locator("dl").nth(0)).to_contain_text("Companies Registry")
    expect(page.locator("dl").nth(0)).to_contain_text("Tax Authority")
    page.goto(f"/bodies/{BENEFITS}/add")
    page.get_by_label("Family name").fill("weldon")
    for part, value in (("Day", BORN.day), ("Month", BORN.month), ("Year", BORN.year)):
        page.get_by_label(part).fill(str(value))
    page.get_by_label("National insurance number").fill(keys(NUMBER)[BENEFITS])
    page.get_by_role("button", name="Find my record").click()
    page.get_by_label("Yes, this is me").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="You added a public body")).to_be_visible()
    page.goto("/bodies")
    expect(page.locator("dl").nth(0)).to_contain_text("Benefits Department")
    picture(page, "bodies")


def answer(page: Page, label: str) -> float:
    """Answer the question of the agreement; return when it was sent."""
    page.goto(f"{AGREEMENT}/answer")
    page.get_by_label(label, exact=True).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Check your answer")).to_be_visible()
    sent = time.monotonic()
    page.get_by_role("button", name="Send your answer").click()
    expect(page.locator(".govuk-panel")).to_be_visible()
    return sent


def kept(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as got:
        page.get_by_role("link", name=name).click()
    path = folder / got.value.suggested_filename
    got.value.save_as(path)
    return path


def verifies(*words: str) -> None:
    """Check with the command, which is given files alone."""
    done = subprocess.run([sys.executable, "-P", "-m", "commonweal_cli", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def says_yes_and_no(page: Page, reader: Reader, folder: Path) -> None:
    """The consumer reads while the person says yes, and is refused at its next read; the receipt holds without the department."""
    page.goto(AGREEMENT)
    expect(page.get_by_text(COMPANY)).to_be_visible()
    page.get_by_text(COMPANY).evaluate("shown => shown.scrollIntoView({block: 'center'})")
    picture(page, "agreement")
    answer(page, "Yes")
    assert reader.read().body.get("record", {}).get("companyName") == COMPANY
    sent = answer(page, "No, stop")
    assert reader.read().status == 404
    print(f"click to denial, receipt drawn in between: {(time.monotonic() - sent) * 1e3:.0f} ms")
    picture(page, "receipt")
    verifies("receipt", "verify", str(kept(page, "Download to check by computer (JSON)", folder)), "--jwks", str(reader.keys))


def sees_and_checks_the_use(page: Page, reader: Reader, folder: Path) -> None:
    """The use is listed; its proof holds on the server, in the browser, and with the command."""
    page.goto("/uses")
    use = page.locator("#uses > li").filter(has_text="Benefits Department").first
    expect(use).to_be_visible()
    picture(page, "uses")
    check = str(use.get_by_role("link", name="Check this").get_attribute("href"))

    def sealed() -> bool:
        page.goto(check)
        return page.locator("#proven").is_visible()

    assert within(HANG, sealed)
    expect(page.locator("#browser-check")).to_have_text("Your browser checked it by itself, and it holds.")
    picture(page, "proof")
    proof = kept(page, "Keep the proof (JSON)", folder)
    verifies("audit", "proof", str(proof), "--jwks", str(reader.keys), "--subject", reader.subject)


def removes_the_body_and_leaves(page: Page) -> None:
    """Unlinked is unlinked, and signed out of the portal is signed out of the issuer, which asks for the password again."""
    page.goto(f"/bodies/{BENEFITS}/remove")
    page.get_by_label("Yes").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("dl").nth(1)).to_contain_text("Benefits Department")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    page.goto("/bodies")
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_person_s_whole_way(page: Page, reader: Reader, brought: bring_up.Brought, tmp_path: Path) -> None:
    sign_in(page, brought.password)
    add(page)
    says_yes_and_no(page, reader, tmp_path)
    sees_and_checks_the_use(page, reader, tmp_path)
    removes_the_body_and_leaves(page)
