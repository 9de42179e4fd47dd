"""Signing in and out at the real issuer, and what a browser keeps of it."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from commonweal_runtime.portal.issuer import LOGOUT_EVENT
from commonweal_runtime.portal.visits import Cookies
from support.portal import PortalSite
from support.portal_visits import visiting


def test_a_person_signs_in_once_and_comes_back_to_where_they_were_going(portal: PortalSite) -> None:
    with visiting(portal) as visitor:
        asked = visitor.http.get("/agreements/registry/yes")
        assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?onward=/agreements/registry/yes")
        begun = visitor.http.get(asked.headers["location"])
        query = parse_qs(urlsplit(begun.headers["location"]).query)
        assert query["code_challenge_method"] == ["S256"]
        assert query["nonce"][0] != query["state"][0]
        assert "resource" not in query
        visitor.sign_in("ben")
        assert "Signed in as Ben" in visitor.get("/").text


def test_the_cookie_is_sealed_and_no_script_reads_it(portal: PortalSite) -> None:
    with visiting(portal, "ben") as visitor:
        header = visitor.http.get("/?language=cy").headers["set-cookie"]
        assert "HttpOnly" in header
        assert "SameSite=Lax" in header
        assert "Path=/" in header
        visit = Cookies(portal.key, time.time, secure=False).open(visitor.http.cookies["commonweal-portal"])
        assert visit.session is not None
        assert visit.session.token not in visitor.get("/agreements").text
        assert visit.session.token not in header
        other = Cookies(b"another key of thirty-two bytes.", time.time, secure=False).open(visitor.http.cookies["commonweal-portal"])
        assert other.session is None


def test_an_answer_that_was_not_asked_for_signs_nobody_in(portal: PortalSite) -> None:
    with visiting(portal) as visitor:
        assert "We could not sign you in" in visitor.get("/signed-in?code=x&state=y", 400).text
        visitor.http.get("/sign-in")
        assert "We could not sign you in" in visitor.get("/signed-in?code=x&state=y", 400).text
        assert visitor.http.get("/bodies").status_code == 303


def test_a_code_of_another_browser_signs_nobody_in(portal: PortalSite) -> None:
    with visiting(portal) as one, visiting(portal) as other:
        begun = parse_qs(urlsplit(one.http.get("/sign-in").headers["location"]).query)
        answer = f"/signed-in?code=x&state={begun['state'][0]}"
        assert other.http.get(answer).status_code == 400


def test_who_signs_out_is_signed_out_at_the_issuer_too(portal: PortalSite) -> None:
    with visiting(portal, "cai") as visitor:
        kept = visitor.http.cookies["commonweal-portal"]
        away = visitor.send("/sign-out", {}, page="/bodies")
        assert away.headers["location"].startswith(f"{portal.issuer}/end-session")
        ended = visitor.http.get(away.headers["location"])
        assert ended.headers["location"].startswith(f"{portal.url}/signed-out")
        assert "You are signed out" in visitor.get("/signed-out").text
        visitor.http.cookies.clear()
        visitor.http.cookies.set("commonweal-portal", kept)
        assert visitor.http.get("/bodies").headers["location"].startswith("/sign-in"), "the old cookie holds a session that is over"


def test_a_session_that_is_ended_elsewhere_is_over_here_at_once(portal: PortalSite) -> None:
    with visiting(portal, "cai") as here, visiting(portal, "cai") as elsewhere:
        assert here.get("/bodies").status_code == 200
        visit = Cookies(portal.key, time.time, secure=False).open(elsewhere.http.cookies["commonweal-portal"])
        assert visit.session is not None
        answer = elsewhere.http.delete(f"{portal.issuer}/me/sessions", headers={"Authorization": f"Bearer {visit.session.token}"})
        assert answer.status_code == 204
        assert here.http.get("/bodies").headers["location"].startswith("/sign-in")
        assert elsewhere.get("/bodies").status_code == 200


def test_no_stranger_ends_a_session(portal: PortalSite) -> None:
    now = int(time.time())
    claims = {"iss": portal.issuer, "aud": "portal", "iat": now, "jti": "1", "sid": "s", "events": {LOGOUT_EVENT: {}}}
    forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "mine"})
    with portal.http() as http:
        for token in (forged, "x", ""):
            assert http.post("/back-channel-logout", data={"logout_token": token}).status_code == 400


def test_onward_never_leads_away(portal: PortalSite) -> None:
    with visiting(portal, "ben") as visitor:
        for onward in ("//evil.test", "https://evil.test", "/\\evil.test", "evil"):
            assert visitor.http.get("/sign-in", params={"onward": onward}).headers["location"] == "/"
