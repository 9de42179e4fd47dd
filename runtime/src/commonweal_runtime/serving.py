"""How every HTTP part is served: one worker of Granian, as the pod is what is multiplied; and what all answers have in common.

Each request carries an id, its own if it has a sound one: it is in the answer's `X-Request-Id` and in each log line. `HEAD` is `GET` without
the body. A request that comes too slowly, or is too large, is given up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from litestar import Request, Response, get
from litestar.exceptions import HTTPException

from commonweal_runtime.problems import MEDIA_TYPE, Problem, invalid_request, no_such_page

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
HEADERS_SECONDS, BODY_SECONDS = 10, 10.0
LONGEST_HEAD = 64 * 1024
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_AS = {"HEAD": "GET", "OPTIONS": "NONE"}
_request: ContextVar[str] = ContextVar("request", default="-")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]  # of scope, receive and send; frameworks name their types differently


def serve(factory: str, port: int, **more: Any) -> None:
    """Serve the application that `factory` ("module:function") makes, until SIGTERM.

    COMMONWEAL_LISTEN and COMMONWEAL_PORT go before all addresses and `port`; `more` goes to Granian as it is.
    """
    Granian(
        factory,
        factory=True,
        address=os.environ.get("COMMONWEAL_LISTEN", "0.0.0.0"),  # noqa: S104 - the pod's own address; a NetworkPolicy says who reaches it
        port=int(os.environ.get("COMMONWEAL_PORT", port)),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_access=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_SECONDS * 1000, max_buffer_size=LONGEST_HEAD),
        **more,
    ).serve()


def start_log() -> None:
    """Write log lines to the error stream, each with the id of the request that it belongs to."""
    handler = logging.StreamHandler()
    handler.addFilter(_stamp)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s [%(request)s] %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _stamp(record: logging.LogRecord) -> bool:
    record.request = _request.get()
    return True


class Front:
    """Stands before an application: gives the request its id, and answers HEAD and OPTIONS.

    HEAD is asked of the application as GET. For OPTIONS an address is asked with a method that none takes: the refusal names those that it does.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the start and stop of the application."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        name, method = _id_of(scope), scope["method"]
        _request.set(name)
        extra = (b"x-request-id", name.encode())

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [_with_head(k, v) for k, v in message.get("headers", ())]
                if method == "OPTIONS" and message["status"] == 405:
                    message["status"], headers = 204, [(k, v) for k, v in headers if k.lower() == b"allow"]
                message["headers"] = [*headers, extra]
            elif method in _AS:
                message["body"] = b""
            await send(message)

        await self._application({**scope, "method": _AS[method]} if method in _AS else scope, receive, answer)


def _id_of(scope: Scope) -> str:
    """Return the id that the request came with if its characters and length are safe for a log, else one of ours."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def _with_head(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a header; where one says that GET is allowed, HEAD is as well."""
    if name.lower() == b"allow" and b"GET" in value and b"HEAD" not in value:
        return name, value.replace(b"GET", b"GET, HEAD")
    return name, value


@get("/healthz")
async def live() -> Response[bytes]:
    """Answer that the process runs."""
    return json_answer(b'{"live": true}')


def json_answer(body: bytes, status: int = 200) -> Response[bytes]:
    """Return a JSON answer that nobody may keep."""
    return Response(body, status_code=status, media_type=JSON, headers=NO_STORE)


def told(problem: Problem) -> Response[bytes]:
    """Return the answer that a refusal is."""
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers={**NO_STORE, **problem.headers})


def refused_by_framework(error: HTTPException, *, longest: int, see: str) -> Problem | None:
    """Return in our words what the framework refuses; None for a fault. `see` names where the form of requests is described."""
    if error.status_code == 404:
        return no_such_page()
    if error.status_code == 405:
        allowed = {"Allow": (error.headers or {}).get("allow", "")}
        return Problem(405, "MethodNotAllowed", "Method not allowed", "This address does not take this method.", f"See {see}.", allowed)
    if error.status_code == 413:
        return too_large(longest)
    if error.status_code < 500:
        return invalid_request("The request is not understood.", f"See {see} for its form.")
    return None


def note_fault(log: logging.Logger, error: Exception) -> None:
    """Log the kind and place of what was not foreseen; never its text, which may hold data or a password."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
    log.error("fault: %s at %s", type(error).__name__, where)


def fault(service: str) -> Problem:
    """Return what is said of a fault of ours."""
    return Problem(
        500,
        "Fault",
        f"Fault of the {service}",
        "The request could not be answered.",
        "Tell the department the X-Request-Id of this answer; its log has the place.",
    )


def too_large(longest: int) -> Problem:
    return Problem(413, "BodyTooLarge", "Body too large", "The body is too large.", f"Send at most {longest} bytes.")


def too_slow() -> Problem:
    remedy = f"Send it within {BODY_SECONDS:.0f} seconds."
    return Problem(408, "BodyTooSlow", "Body too slow", "The body did not come in time.", remedy, {"Connection": "close"})


async def body_of(request: Request[Any, Any, Any]) -> bytes:
    """Return the body; one that takes longer than `BODY_SECONDS` to come is given up."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise too_slow() from None
