"""How a person may be contacted and where they are signed in, at the real issuer; and the register, which needs no sign-in."""

from __future__ import annotations

import re

from support.data_api import DEPARTMENT, subject
from support.portal import PortalSite
from support.portal_visits import visiting
from support.waiting import wait_for

CONTACT = {"channels": ["text", "letter"], "topics": ["offers"], "language": "cy"}


def test_choices_are_kept_and_shown_again(portal: PortalSite) -> None:
    with visiting(portal, "ben") as ben:
        form = {**CONTACT, "quiet": "yes", "quiet_from": "22:00", "quiet_to": "7.00", "paused": "no"}
        saved = ben.send("/account/contact", form)
        assert saved.headers["location"] == "/account/contact?saved=yes"
        page = ben.get("/account/contact?saved=yes").text
        assert "Your choices are saved." in page
        assert 'value="07:00"' in page
        ticked = re.findall(r'value="(\w+)"[^>]* checked', page)
        assert ticked == ["text", "letter", "offers", "cy", "yes", "no"]


def test_mistakes_are_listed_and_nothing_is_kept(portal: PortalSite) -> None:
    with visiting(portal, "cai") as cai:
        form = {
            **CONTACT,
            "language": "",
            "quiet": "yes",
            "quiet_from": "late",
            "quiet_to": "7:00",
            "paused": "yes",
            "day": "31",
            "month": "2",
        }
        page = cai.send("/account/contact", form)
        assert page.status_code == 400
        assert "<title>Error:" in page.text
        for field in ("language", "quiet_from", "paused-day"):
            assert f'href="#{field}"' in page.text
            assert f'id="{field}"' in page.text
        assert 'value="late"' in page.text
        assert re.findall(r'value="(\w+)"[^>]* checked', cai.get("/account/contact").text)[:2] == ["email", "letter"]


def test_another_sign_in_is_ended_from_here(portal: PortalSite) -> None:
    with visiting(portal, "dee") as here, visiting(portal, "dee") as there:
        page = here.get("/account/sessions").text
        assert page.count("This one</strong>") == 1
        session = re.search(r'name="session" value="(?!others)([^"]+)"', page)
        assert session
        assert here.send("/account/sessions", {"session": session[1]}).headers["location"] == "/account/sessions?ended=yes"
        ended = there.get("/account/sessions", 303)
        assert ended.headers["location"] == "/sign-in?onward=/account/sessions", "the issuer honours it no longer"
        assert here.get("/account/sessions").status_code == 200


def test_the_register_is_for_everybody_and_about_no_person(portal: PortalSite) -> None:
    portal.department.ask(f"/v1/people/subjects/{subject('P155')}", "tax")
    with visiting(portal) as anybody:
        page = anybody.get("/register").text
        assert f'href="/register/{DEPARTMENT}"' in page
        assert "Closed Office" in page, "a body that is down is named, and holds up nothing"

        def sealed() -> str | None:
            found = anybody.get(f"/register/{DEPARTMENT}").text
            return found if "We checked its signature." in found else None

        body = wait_for("a newest seal", sealed)
        assert "Agreements in force" in body
        assert "Next step" in body.partition("Models that help to choose what people are shown")[2]
        assert f"{DEPARTMENT}/people/score" in body
        assert str(subject("P155")) not in body
        assert anybody.get("/register/nowhere", 404).status_code == 404
