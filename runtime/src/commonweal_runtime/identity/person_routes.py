"""What people ask of the issuer itself over HTTP, and the directory, which everybody may read."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.parts import Parts
from commonweal_runtime.identity.people import People
from commonweal_runtime.identity.preferences import Kept
from commonweal_runtime.serving import NO_STORE, body_of, json_answer

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def person_routes(parts: Parts) -> list[Any]:
    """Return the routes of the issuer's own API."""
    return [*_links(parts.people), *_sessions(parts.people), *_preferences(parts.people), _directory(parts.directory)]


def _links(people: People) -> list[Any]:
    @get("/me/links")
    async def links(request: _Request) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            return json_answer(await people.listed_links(caller))

    @post("/me/links", status_code=201)
    async def link(request: _Request) -> _Answer:
        body = await body_of(request)
        async with people.asking(request.headers.get("authorization")) as caller:
            return json_answer(await people.link(caller, body), 201)

    @delete("/me/links/{department:str}", status_code=200)
    async def unlink(request: _Request, department: FromPath[str]) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            await people.unlink(caller, department)
        return _nothing()

    return [links, link, unlink]


def _sessions(people: People) -> list[Any]:
    @get("/me/sessions")
    async def sessions(request: _Request) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            return json_answer(await people.listed_sessions(caller))

    @delete("/me/sessions", status_code=200)
    async def end_others(request: _Request) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            await people.end_others(caller)
        return _nothing()

    @delete("/me/sessions/{session:str}", status_code=200)
    async def end(request: _Request, session: FromPath[str]) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            await people.end_session(caller, session)
        return _nothing()

    return [sessions, end_others, end]


def _preferences(people: People) -> list[Any]:
    def told(kept: Kept) -> _Answer:
        return json_answer(kept.body, headers={**NO_STORE, "ETag": kept.etag})

    @get("/me/preferences")
    async def preferences(request: _Request) -> _Answer:
        async with people.asking(request.headers.get("authorization")) as caller:
            return told(await people.preferences.of(caller.session.account))

    @put("/me/preferences")
    async def change(request: _Request) -> _Answer:
        body = await body_of(request)
        async with people.asking(request.headers.get("authorization")) as caller:
            return told(await people.preferences.put(caller.session.account, body, request.headers.get("if-match")))

    return [preferences, change]


def _directory(directory: Directory) -> Any:
    @get("/v1/directory")
    async def departments(request: _Request) -> _Answer:
        text = directory.text()
        if text is None:
            raise _no_directory()
        headers = {"Cache-Control": "public, max-age=60", "ETag": text.etag}
        if text.etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(b"", status_code=304, headers=headers)
        return json_answer(text.body, headers=headers)

    return departments


def _nothing() -> _Answer:
    return Response(b"", status_code=204, headers=dict(NO_STORE))


def _no_directory() -> ProblemError:
    return ProblemError(
        503,
        "DirectoryMissing",
        "No directory yet",
        "The operator has not written the directory of this site's departments yet.",
        "Try again in a minute.",
        {"Retry-After": "60"},
    )
