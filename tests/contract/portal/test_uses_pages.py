"""Who used a person's information, checked by proof: over real seals. What a page must not show, it does not show."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx

from commonweal_runtime.portal.proving import verdict_of
from support.data_api import DEPARTMENT, subject
from support.portal import PortalSite
from support.portal_visits import Visitor, visiting
from support.waiting import wait_for

_CHECKS = re.compile(rf'href="(/uses/{DEPARTMENT}/\d+/check)"')


def used(site: PortalSite, key: str, *consumers: str) -> None:
    """Have consumers ask for a person."""
    for consumer in consumers:
        site.department.ask(f"/v1/people/subjects/{subject(key)}", consumer)


def sealed(visitor: Visitor, path: str) -> httpx.Response:
    """Return the page of a check once a seal is over the record."""

    def page() -> httpx.Response | None:
        found = visitor.http.get(path)
        return found if found.status_code == 200 else None

    return wait_for("a seal over the record", page)


def test_each_use_is_shown_with_who_what_for_and_whether_it_was_given(portal: PortalSite) -> None:
    with visiting(portal, "ben") as ben:
        before, refused = (ben.get(path).text.count('class="govuk-summary-card"') for path in ("/uses", "/uses?outcome=refused"))
        used(portal, "P151", "tax", "health")
        page = ben.get("/uses").text
        assert page.count('class="govuk-summary-card"') == before + 2
        assert page.index(">health<") < page.index(">tax<"), "the newest is first"
        assert "Not shared</strong>" in page
        assert "A sentence of some length that a person is shown." in page
        only = ben.get("/uses?outcome=refused").text
        assert only.count('class="govuk-summary-card"') == refused + 1
        assert ">health<" in only
        assert ben.get("/uses?basis=Contract").text.count('class="govuk-summary-card"') == 0


def test_the_list_goes_on_where_it_stopped_and_ends(portal: PortalSite) -> None:
    used(portal, "P152", *["tax"] * 23)
    with visiting(portal, "cai") as cai:
        first = cai.get("/uses").text
        older = re.search(r'href="(/uses\?on=[^"]+)"', first)
        assert older
        second = cai.get(unescape(older[1])).text
        numbers = _CHECKS.findall(first) + _CHECKS.findall(second)
        assert len(numbers) == len(set(numbers)) == 23
        assert "Show older uses" not in second


def test_a_check_says_what_is_proven_and_the_file_holds_without_us(portal: PortalSite) -> None:
    used(portal, "P153", "tax")
    with visiting(portal, "dee") as dee, visiting(portal, "eli") as eli:
        path = _CHECKS.findall(dee.get("/uses").text)[0]
        page = sealed(dee, path).text
        assert "This record is as it was written" in page
        assert "it is about you, or the person you act for" in page
        file = dee.get(path.replace("/check", "/proof"))
        assert file.headers["content-disposition"].startswith("attachment")
        keys = portal.department.http.get("/.well-known/jwks.json").json()["keys"]
        assert verdict_of(file.json(), keys, str(subject("P153"))).holds
        assert not verdict_of(file.json(), keys, str(subject("P154"))).holds, "it is about one person alone"
        assert "We cannot find this record" in eli.get(path, 404).text, "another person is told nothing of it"


def test_the_page_gives_the_browser_the_same_proof(portal: PortalSite) -> None:
    used(portal, "P153", "tax")
    with visiting(portal, "dee") as dee:
        path = _CHECKS.findall(dee.get("/uses").text)[0]
        found = embedded(sealed(dee, path).text)
        assert found["proof"] == dee.get(path.replace("/check", "/proof")).json()
        assert found["people"] == [str(subject("P153"))]


def embedded(page: str) -> dict[str, Any]:
    """Return what a page carries for its script."""
    return {name: json.loads(unescape(text)) for name, text in re.findall(r'data-(proof|keys|people)="([^"]*)"', page)}


def test_values_are_on_no_page_but_those_that_are_for_them_and_in_no_log(portal: PortalSite) -> None:
    used(portal, "P150", "tax")
    with visiting(portal, "ada") as ada:
        records = next(p["records"] for p in ada.get(f"/take/{DEPARTMENT}").json()["products"] if p["product"] == "people")
        values = [
            str(value) for value in records[0].values() if isinstance(value, str) and len(value) > 5 and value != records[0].get("record")
        ]
        assert values, "the person has values that could be shown"
        for path in ("/uses", "/receipts", "/account", "/people", "/complaints", "/erase", "/take", "/register", f"/register/{DEPARTMENT}"):
            page = ada.get(path).text
            assert [value for value in values if value in page] == [], path
    log = (portal.folder / "portal.log").read_text()
    assert [value for value in values if value in log] == []


def test_a_person_without_a_link_sees_how_to_start(portal: PortalSite) -> None:
    with visiting(portal, "nora") as nora:
        for path in ("/uses", "/receipts", "/people", "/people/add", "/complaints", "/complaints/new", "/take", "/erase"):
            page = nora.get(path).text
            assert "Add a public body" in page, path
            assert 'href="/bodies"' in page, path


def test_receipts_are_marked_by_their_signature(portal: PortalSite) -> None:
    with visiting(portal, "fay") as fay:
        fay.get(f"/agreements/{DEPARTMENT}/yes/answer")
        answer = fay.send(f"/agreements/{DEPARTMENT}/yes/check", {"say": "Given"}, page=f"/agreements/{DEPARTMENT}/yes/answer")
        assert answer.status_code == 303, answer.text
        page = fay.get("/receipts").text
        assert "You said yes" in page
        assert ">Valid</strong>" in page
        assert "Not valid" not in page
        check = re.search(rf'href="(/receipts/{DEPARTMENT}/\d+/check)"', page)
        assert check
        assert "This record is as it was written" in sealed(fay, check[1]).text
