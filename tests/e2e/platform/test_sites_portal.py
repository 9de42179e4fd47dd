"""People's own pages on a real site, in a real browser that believes the site's own authority and no other; and who does not reach what lies behind them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from commonweal_api import platform_namespace_of
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.journey import BENEFITS, REGISTRY
from commonweal_cli.demo.person import PEOPLE
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.local import pages
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import within
from support.certificates import OTHER_SITE
from support.waiting import HANG

pytestmark = pytest.mark.sites
ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()
    print("open")
except OSError as error:
    print("closed", type(error).__name__)
"""


@pytest.fixture(scope="module")
def onprem(brought: bring_up.Brought) -> Kubectl:
    return brought.clusters[0]


@pytest.fixture(scope="module")
def page(onprem: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of the browser that `commonweal local open portal` would start."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed")
    found, authority, profile = pages.doors(onprem), onprem.authority(bring_up.SYSTEM), tmp_path_factory.mktemp("profile")
    words = pages.arguments(found[0].url, found, [pages.pin(door, authority) for door in found], profile)
    own = [word for word in words if word.startswith(("--host-resolver-rules", "--ignore-certificate-errors-spki-list"))]
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile / "p", executable_path=chromium, args=[*own, "--no-sandbox"], headless=True
        )
        yield context.new_page()
        context.close()


def test_a_person_signs_in_once_and_sees_the_site_s_bodies(page: Page, onprem: Kubectl, brought: bring_up.Brought) -> None:
    page.goto(pages.doors(onprem)[0].url)
    page.get_by_role("link", name="Sign in").or_(page.get_by_role("button", name="Sign in")).first.click()
    page.fill("input[name=username]", PEOPLE[0])
    page.fill("input[name=password]", brought.password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{pages.doors(onprem)[0].url}/**")
    page.goto(f"{pages.doors(onprem)[0].url}/bodies")
    shown = page.inner_text("main")
    names = [item["spec"]["displayName"] for item in onprem.items("departments")]
    assert [name for name in names if name not in shown] == []


def test_an_address_that_another_authority_vouches_for_is_not_opened(onprem: Kubectl) -> None:
    with pytest.raises(LocalError, match=r"does not answer .* as this site's own"):
        pages.pin(pages.doors(onprem)[0], OTHER_SITE.certificate)


def reached(cluster: Kubectl, place: tuple[str, ...], host: str, port: int) -> str:
    return cluster.run("exec", *place, "--", "python3", "-c", ASK, host, str(port)).strip()


def test_only_the_issuer_reaches_its_store(onprem: Kubectl) -> None:
    host = f"identity-store.{bring_up.SYSTEM}.svc.cluster.local"
    issuer, portal = (f"deploy/{name}" for name in ("identity", "portal"))
    assert reached(onprem, (issuer, "-n", bring_up.SYSTEM), host, 5432) == "open"
    assert reached(onprem, (portal, "-n", bring_up.SYSTEM), host, 5432).startswith("closed")
    keeper = ("store-0", "-n", platform_namespace_of(REGISTRY), "-c", "keeper")
    assert reached(onprem, keeper, host, 5432).startswith("closed")


def test_the_portal_reaches_data_apis_and_no_store_of_a_department(onprem: Kubectl) -> None:
    api, store = (f"{name}.{platform_namespace_of(BENEFITS)}.svc.cluster.local" for name in ("data-api", "store"))
    place = ("deploy/portal", "-n", bring_up.SYSTEM)
    assert reached(onprem, place, api, 443) == "open"
    assert reached(onprem, place, store, 5432).startswith("closed")


def test_the_issuer_s_store_comes_back_with_what_is_in_it(page: Page, onprem: Kubectl) -> None:
    """Who is signed in stays signed in: the session lies on the volume."""
    onprem.run("delete", "pod", "identity-store-0", "-n", bring_up.SYSTEM, "--grace-period=0", "--force")

    def back() -> bool:
        page.goto(f"{pages.doors(onprem)[0].url}/bodies")
        return page.title().startswith("Public bodies")

    assert within(HANG, back)
