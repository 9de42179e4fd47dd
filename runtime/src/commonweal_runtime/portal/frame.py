"""The frame around every view: who visits, in which language, whether the form is ours and not too many; then the view; then the page with its headers.

A view is gather, decide, render: it asks through the visitor, decides with pure functions, and returns a page. What goes wrong on the way becomes a page
in words here, so that no view has to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request, Response, get, post

from commonweal_runtime.exceptions import (
    DepartmentAnswerError,
    DepartmentSilentError,
    FormRefusedError,
    ProblemError,
    SignedOutError,
)
from commonweal_runtime.listening.limits import share_of
from commonweal_runtime.portal.headers import page_headers
from commonweal_runtime.portal.languages import NAMES, WELSH, languages
from commonweal_runtime.portal.navigation import HOME, ITEMS
from commonweal_runtime.portal.pages import Away, File, Page, Result
from commonweal_runtime.portal.problems import page_of, problem_values
from commonweal_runtime.portal.service import Portal
from commonweal_runtime.portal.settings import origin_of
from commonweal_runtime.portal.visitor import Visitor
from commonweal_runtime.portal.visits import Visit
from commonweal_runtime.serving import body_of

FORM_TOKEN = "form_token"  # noqa: S105 - a field of forms
EXIT = "https://www.bbc.co.uk/weather"  # a page that says nothing of the one before
_Request = Request[Any, Any, Any]
View = Callable[[Visitor], Awaitable[Result]]


def page(portal: Portal, path: str, view: View, *, public: bool = False) -> Any:
    """Return the route of a view that is looked at. Without `public` it is for a person who is signed in."""

    @get(path, name=f"get {path}")
    async def show(request: _Request) -> Response[bytes]:
        return await answer(portal, request, view, public=public)

    return show


def form(portal: Portal, path: str, view: View, *, public: bool = False) -> Any:
    """Return the route of a view that takes a form: only from a page that was given to this visitor."""

    @post(path, status_code=200, name=f"post {path}")
    async def take(request: _Request) -> Response[bytes]:
        return await answer(portal, request, view, public=public)

    return take


async def answer(portal: Portal, request: _Request, view: View, *, public: bool) -> Response[bytes]:
    """Return the answer of a view to a request."""
    visitor = _visitor(portal, request)
    try:
        visitor.form = await _form_of(request)
        return drawn(portal, request, visitor, await _result(portal, request, visitor, view, public=public))
    except SignedOutError:
        visitor.visit = visitor.visit.signed_out()
        onward = quote(_onward(request), safe="/")
        return drawn(portal, request, visitor, Away(f"/sign-in?onward={onward}" if request.method == "GET" else "/signed-out?why=time"))
    except (DepartmentAnswerError, DepartmentSilentError, FormRefusedError, ProblemError) as error:
        return drawn(portal, request, visitor, await page_of(error, portal.reached.departments))


async def _result(portal: Portal, request: _Request, visitor: Visitor, view: View, *, public: bool) -> Result:
    _admit(portal, request, visitor)
    if request.method == "POST":
        _check_form(portal, request, visitor)
    if not public:
        _ = visitor.session
    async with portal.turns.of(_holder(request, visitor)):
        return await view(visitor)


def problem_page(portal: Portal, request: _Request, problem: ProblemError) -> Response[bytes]:
    """Return the page of what went wrong before or beside any view, such as an address that there is not."""
    return drawn(
        portal,
        request,
        _visitor(portal, request),
        Page("problem.html", problem_values(problem.reason, problem.status), problem.status, sensitive=False),
    )


def drawn(portal: Portal, request: _Request, visitor: Visitor, result: Result) -> Response[bytes]:
    """Return a result as it is sent. The cookie goes with it if what it holds has changed."""
    headers = page_headers(secure=portal.settings.secure, issuer_origin=origin_of(portal.settings.issuer))
    visit = visitor.visit.seen(portal.cookies.now())
    if portal.cookies.open(request.cookies.get(portal.cookies.name)) != visit:
        headers["Set-Cookie"] = portal.cookies.header(visit)
    if isinstance(result, Away):
        return Response(b"", status_code=303, headers=headers | {"Location": result.location})
    if isinstance(result, File):
        headers |= {"Content-Disposition": f'attachment; filename="{result.name}"'}
        return Response(result.content, media_type=result.kind, headers=headers)
    text = portal.renderer.render(result.template, visit.language, {**result.values, "frame": _frame(portal, request, visitor, result)})
    return Response(text, status_code=result.status, media_type="text/html", headers=headers | dict(result.headers))


def _frame(portal: Portal, request: _Request, visitor: Visitor, result: Page) -> Mapping[str, Any]:
    """Return what the layout draws around a page."""
    visit, here = visitor.visit, result.here or _onward(request)
    kept = [(key, value) for key, value in visitor.query.items() if key != "language"]
    return {
        "assets": portal.assets,
        "session": visit.session,
        "acting": visit.acting,
        "form_token": portal.cookies.form_token(visit),
        "languages": [(code, name, f"{here}?{urlencode([*kept, ('language', code)])}") for code, name in NAMES.items()],
        "navigation": [(item.href, item.text, item.href == result.section) for item in ITEMS] if visit.session else [],
        "home": HOME,
        "mistakes": result.mistakes,
        "sensitive": result.sensitive,
        "back": result.back,
        "exit": EXIT,
        "here": here,
    }


def _visitor(portal: Portal, request: _Request) -> Visitor:
    visit = _in_language(request, portal.cookies.open(request.cookies.get(portal.cookies.name)))
    params = {key: str(value) for key, value in request.scope.get("path_params", {}).items()}
    query = {key: str(request.query_params[key]) for key in request.query_params}
    return Visitor(portal.reached, visit, languages()[visit.language], request.url.path, params, query, {}, portal.cookies)


def _in_language(request: _Request, visit: Visit) -> Visit:
    """Return the visit in the language that the address asks for, or was chosen before; else the one that the browser likes best."""
    asked = request.query_params.get("language")
    if asked in NAMES:
        return visit.model_copy(update={"language": asked, "chosen": True})
    liked = request.headers.get("accept-language", "").strip().lower()
    return visit if visit.chosen or not liked.startswith(WELSH) else visit.model_copy(update={"language": WELSH})


async def _form_of(request: _Request) -> Mapping[str, str]:
    """Return the fields of a form. Of a field that comes several times, as ticked boxes do, the values are joined by spaces."""
    if request.method != "POST":
        return {}
    fields: dict[str, str] = {}
    for key, value in fields_of(await body_of(request)):
        fields[key] = f"{fields[key]} {value}" if key in fields else value
    return fields


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form's body; FormRefusedError for what no form of ours is."""
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise FormRefusedError from None


def _admit(portal: Portal, request: _Request, visitor: Visitor) -> None:
    """Count the request; raise ProblemError when its holder has asked for too much."""
    holder = _holder(request, visitor)
    wait = portal.pages.take(holder) or (portal.sayings.take(holder) if request.method == "POST" else 0)
    if wait:
        raise ProblemError(429, "TooManyAtOnce", "", "", "", {"Retry-After": str(wait)})


def _check_form(portal: Portal, request: _Request, visitor: Visitor) -> None:
    """Raise FormRefusedError for a form that another site's page sent, or that was not given to this visitor. A browser names the origin of each form."""
    origin = request.headers.get("origin")
    if origin != portal.settings.origin or not portal.cookies.is_form_token(visitor.visit, visitor.form.get(FORM_TOKEN, "")):
        raise FormRefusedError


def _holder(request: _Request, visitor: Visitor) -> str:
    if visitor.visit.session is not None:
        return visitor.visit.session.holder
    return share_of(request.client.host) if request.client else ""


def _onward(request: _Request) -> str:
    """Return the page to come back to: the one that was asked for. Never another site: an address of the portal has one slash first."""
    return request.url.path
