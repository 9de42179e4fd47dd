"""The way in and out: what this is, signing in and signing out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, post

from commonweal_runtime.exceptions import DepartmentAnswerError, FormRefusedError
from commonweal_runtime.portal import frame
from commonweal_runtime.portal.issuer import NAME
from commonweal_runtime.portal.navigation import HOME
from commonweal_runtime.portal.pages import Away, Page, Result
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.views.agreements import agreements_of
from commonweal_runtime.portal.views.shown import missing_of
from commonweal_runtime.portal.visitor import Visitor
from commonweal_runtime.serving import body_of


def routes(portal: Portal) -> list[Any]:
    """Return the routes of this part."""
    return [
        frame.page(portal, "/", home, public=True),
        frame.page(portal, "/sign-in", sign_in, public=True),
        frame.page(portal, "/signed-in", signed_in, public=True),
        frame.form(portal, "/sign-out", sign_out, public=True),
        frame.page(portal, "/signed-out", signed_out, public=True),
        _back_channel(portal),
    ]


async def home(visitor: Visitor) -> Result:
    """Show what this is, or what matters now to whoever is signed in."""
    if visitor.visit.session is None:
        return Page("start.html", sensitive=False)
    replies = await visitor.gather("/me/consents")
    listed = agreements_of(replies, await visitor.reached.departments.all(), visitor.language)
    now = datetime.fromtimestamp(visitor.cookies.now(), UTC)
    values = {
        "name": visitor.session.name,
        "awaited": [one for one in listed if one.awaited],
        "ending": [one for one in listed if one.ends_soon(now)],
        "shared": sum(one.shared for one in listed),
        "known": bool(listed),
        "missing": missing_of(replies, visitor.language),
    }
    return Page("home.html", values, section=HOME)


async def sign_in(visitor: Visitor) -> Result:
    """Send the person to the issuer; somebody who is signed in goes on at once."""
    onward = safe_onward(visitor.query.get("onward", ""))
    if visitor.visit.session is not None:
        return Away(onward)
    begun, address = await visitor.reached.issuer.begin(onward, visitor.language.code)
    visitor.visit = visitor.visit.model_copy(update={"signing": begun})
    return Away(address)


async def signed_in(visitor: Visitor) -> Result:
    """Take the issuer's answer. It must fit the sign-in that this browser began; a page that is loaded again goes on to where it led."""
    signing, query = visitor.visit.signing, visitor.query
    if signing is None and visitor.visit.session is not None:
        return Away("/")
    if signing is None or query.get("state") != signing.state or query.get("iss", visitor.reached.issuer.url) != visitor.reached.issuer.url:
        raise DepartmentAnswerError(NAME, 400, "SignInNotFitting")
    if "code" not in query:
        visitor.visit = visitor.visit.model_copy(update={"signing": None})
        raise DepartmentAnswerError(NAME, 400, query.get("error", "SignInNotFitting"))
    session = await visitor.reached.issuer.redeem(signing, query["code"])
    # Another secret than before the sign-in: whoever knew that one knows nothing of this session.
    visitor.visit = visitor.visit.signed_out().model_copy(update={"session": session})
    return Away(signing.onward)


async def sign_out(visitor: Visitor) -> Result:
    """Sign the person out here, and go on to where the issuer does the same."""
    session = visitor.visit.session
    visitor.visit = visitor.visit.signed_out()
    if session is None:
        return Away("/signed-out")
    visitor.reached.tokens.forget(session)
    return Away(await visitor.reached.issuer.ended(session, visitor.language.code))


async def signed_out(visitor: Visitor) -> Result:
    """Say that nobody is signed in any more, and why."""
    visitor.visit = visitor.visit.signed_out()
    return Page("signed_out.html", {"timed_out": visitor.query.get("why") == "time"}, sensitive=False)


def safe_onward(path: str) -> str:
    """Return an address of the portal to go on to; the home page in place of what a browser could read as another site's."""
    is_ours = path.startswith("/") and not path.startswith("//") and not any(c in path for c in "\\\r\n\t")
    return path if is_ours and len(path) <= 500 else "/"


def _back_channel(portal: Portal) -> Any:
    """Take the issuer's word that a session has ended: forget what is in memory for it. The issuer refuses it from now on by itself."""

    @post("/back-channel-logout", status_code=200)
    async def logged_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        fields = dict(frame.fields_of(await body_of(request)))
        try:
            portal.reached.tokens.forget_sid(await portal.reached.issuer.logged_out(fields.get("logout_token", "")))
        except (DepartmentAnswerError, FormRefusedError):
            return Response(
                b'{"error":"invalid_request"}', status_code=400, media_type="application/json", headers={"Cache-Control": "no-store"}
            )
        return Response(b"", status_code=200, media_type="application/json", headers={"Cache-Control": "no-store"})

    return logged_out
