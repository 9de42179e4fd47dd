"""Complaints, people who act for another one, taking along and erasing: over the real data API, and what must never get from one person to another."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta

from support.data_api import DEPARTMENT, subject
from support.portal import DOWN, SLOW, PortalSite
from support.portal_visits import Visitor, visiting

LATER = datetime.now(UTC) + timedelta(days=60)
DAY = {"day": str(LATER.day), "month": str(LATER.month), "year": str(LATER.year)}


def lets(visitor: Visitor, other: str, *acts: str) -> None:
    """Let another person act, through the form and its check."""
    form = {"body": DEPARTMENT, "code": str(subject(other)), "type": "Attorney", "acts": list(acts), **DAY}
    check = visitor.send("/people/add", form)
    assert "Check before you let them act" in check.text, check.text
    given = visitor.send("/people/give", form, page="/people/add")
    assert given.headers["location"] == "/people?done=given"
    assert "The person may act for you now." in visitor.get("/people?done=given").text


def acts_for(visitor: Visitor, label: str) -> None:
    """Begin to act for the person whose delegation is the newest on the list."""
    path = re.search(rf'href="(/people/{DEPARTMENT}/[0-9a-f-]+/act)"', visitor.get("/people").text)
    assert path
    assert "The person sees what you do." in visitor.get(path[1]).text
    begun = visitor.send(path[1], {"label": label})
    assert (begun.status_code, begun.headers["location"]) == (303, "/uses")


def test_acting_for_another_person_shows_that_body_alone_and_a_banner_everywhere(portal: PortalSite) -> None:
    portal.department.ask(f"/v1/people/subjects/{subject('P151')}", "tax")
    with visiting(portal, "ben") as ben, visiting(portal, "cai") as cai:
        lets(ben, "P152", "See")
        acts_for(cai, "My neighbour Ben")
        page = cai.get("/uses").text
        assert "My neighbour Ben" in page
        assert "Stop acting" in page
        assert f'href="/uses/{DEPARTMENT}/' in page
        for path in ("/account", "/receipts", "/take", "/register"):
            assert "You are acting for another person." in cai.get(path).text, path
        for path in ("/account/contact", "/account/sessions", "/people", "/erase"):
            assert "Stop acting for another person first" in cai.get(path).text, path
        for path in ("/agreements", "/bodies"):
            assert "Closed Office" not in cai.get(path).text, "one's own bodies are asked nothing meanwhile"
        for other in (SLOW, DOWN):
            assert "You act for another person at another body" in cai.get(f"/take/{other}", 403).text
            assert "You act for another person at another body" in cai.get(f"/uses/{other}/1/check", 403).text
        assert cai.send("/people/stop", {}, page="/account").headers["location"] == "/people"
        assert "You are acting for another person." not in cai.get("/account").text


def test_a_delegate_may_do_what_they_were_let_do_and_nothing_else(portal: PortalSite) -> None:
    with visiting(portal, "dee") as dee, visiting(portal, "eli") as eli:
        lets(dee, "P154", "See")
        acts_for(eli, "Dee")
        assert "You may not act for this person here" in eli.get(f"/take/{DEPARTMENT}", 403).text
        path = re.search(rf'href="(/people/{DEPARTMENT}/[0-9a-f-]+/end)"', dee.get("/people").text)
        assert path
        assert dee.send(path[1], {}).headers["location"] == "/people?done=ended"
        assert f'href="/uses/{DEPARTMENT}/' not in eli.get("/uses").text, "it ends at once"


def test_nobody_acts_for_a_person_who_has_not_let_them(portal: PortalSite) -> None:
    with visiting(portal, "fay") as fay, visiting(portal, "gus") as gus:
        lets(fay, "P152", "See")
        ended = re.search(rf'href="(/people/{DEPARTMENT}/[0-9a-f-]+)/end"', fay.get("/people").text)
        assert ended
        assert gus.get(f"{ended[1]}/act", 404).status_code == 404
        assert gus.send(f"{ended[1]}/end", {}, page="/people/add").status_code == 404
        assert fay.get(f"{ended[1]}/act", 403).status_code == 403, "one's own delegation lets the other person act"


def test_mistakes_in_the_form_come_back_with_what_was_filled_in(portal: PortalSite) -> None:
    with visiting(portal, "gus") as gus:
        own = str(subject("P156"))
        page = gus.send("/people/add", {"body": DEPARTMENT, "code": own, "type": "Attorney", "acts": ["See"], **DAY})
        assert page.status_code == 400
        assert "This is your own code" in page.text
        assert f'value="{own}"' in page.text
        page = gus.send("/people/add", {"day": "31", "month": "2", "year": "2027"})
        assert "<title>Error:" in page.text
        for field in ("body", "code", "type", "acts", "until-day"):
            assert f'href="#{field}"' in page.text
            assert f'id="{field}"' in page.text, "the summary leads to the field"


def test_a_form_of_another_person_or_site_is_refused(portal: PortalSite) -> None:
    with visiting(portal, "ben") as ben, visiting(portal, "gus") as gus:
        foreign = gus.token("/complaints/new")
        fields = {"body": DEPARTMENT, "text": "They were told my income."}
        for answer in (
            ben.send("/complaints/new", fields, token=foreign),
            ben.send("/complaints/new", fields, origin="https://elsewhere.example"),
            ben.send("/account/sessions", {"session": "others"}, token=foreign),
            ben.send("/people/stop", {}, token=foreign),
        ):
            assert answer.status_code == 403
            assert "We could not take what you sent" in answer.text
        assert "They were told my income." not in ben.get("/complaints").text


def test_a_complaint_about_a_use_is_sent_listed_and_answered(portal: PortalSite) -> None:
    portal.department.ask(f"/v1/people/subjects/{subject('P154')}", "tax")
    with visiting(portal, "eli") as eli, visiting(portal, "gus") as gus:
        link = re.search(r'href="(/complaints/new\?body=[^"]+)"', eli.get("/uses").text)
        assert link
        path = link[1].replace("&amp;", "&")
        assert "A use of your information" in eli.get(path).text
        use = path.rsplit("=", 1)[1]
        said = "Why was this office told?\r\nPlease look."
        empty = eli.send("/complaints/new", {"body": DEPARTMENT, "use": use, "text": " "})
        assert empty.status_code == 400
        assert 'href="#text"' in empty.text
        assert eli.send("/complaints/new", {"body": DEPARTMENT, "use": use, "text": said}).headers["location"] == "/complaints?sent=yes"
        page = eli.get("/complaints?sent=yes").text
        assert "Why was this office told?\nPlease look." in page
        assert "Waiting for an answer" in page
        assert "Why was this office told?" not in gus.get("/complaints").text
        [found] = portal.department.own("GET", "/v1/complaints?state=Open&limit=1").json()["items"]
        answer = {"state": "Upheld", "answer": {"en": "It was a mistake.", "cy": "Camgymeriad oedd hyn."}}
        assert portal.department.own("PUT", f"/v1/complaints/{found['id']}", json=answer).status_code == 200
        assert "It was a mistake." in eli.get("/complaints").text
        assert "Camgymeriad oedd hyn." in eli.get("/complaints?language=cy").text


def test_all_is_taken_as_one_file_that_says_what_is_not_in_it(portal: PortalSite) -> None:
    with visiting(portal, "ada") as ada:
        answer = ada.get("/take/all")
        assert answer.headers["content-type"] == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        assert archive.testzip() is None
        assert set(archive.namelist()) == {f"{DEPARTMENT}.json", "READ-ME.txt"}
        assert str(subject("P150")).encode() in archive.read(f"{DEPARTMENT}.json")
        assert "Companies Registry: registry.json" in archive.read("READ-ME.txt").decode()
        assert ada.get(f"/take/{DOWN}", 503).status_code == 503, "a body that is down is a page, never an empty file"


def test_erasing_asks_once_more_and_says_what_stands_in_the_way(portal: PortalSite) -> None:
    with visiting(portal, "gus") as gus:
        page = gus.get("/erase").text
        assert "5 agreements stand in the way:" in page
        path = f"/erase/{DEPARTMENT}/cards"
        assert f'href="{path}"' in page
        unsure = gus.send(path, {})
        assert (unsure.status_code, 'href="#sure"' in unsure.text) == (400, True)
        done = gus.send(path, {"sure": "yes"})
        assert "One record was erased." in done.text, done.text
        refused = gus.send(f"/erase/{DEPARTMENT}/people", {"sure": "yes"})
        assert refused.status_code == 409
        assert "These agreements stand in the way:" in refused.text
