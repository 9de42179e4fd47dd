"""What all web applications have in common: how one is assembled, what all answers carry, and how a failure becomes an answer.

Each request carries an id, its own if it has a sound one: it is in the answer's `X-Request-Id` and in each log line. `HEAD` is `GET` without
the body. A request that comes too slowly, or is too large, is given up.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.problems import MEDIA_TYPE, invalid_request, no_such_page

JSON = "application/json"
NO_STORE: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store"})
BODY_SECONDS = 10.0
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_AS = {"HEAD": "GET", "OPTIONS": "NONE"}
_request: ContextVar[str] = ContextVar("request", default="-")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]  # of scope, receive and send; frameworks name their types differently
Running = Callable[[], AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)


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
        extra, bare = (b"x-request-id", name.encode()), method == "HEAD"

        async def answer(message: Message) -> None:
            nonlocal bare
            if message["type"] == "http.response.start":
                headers = [_with_head(k, v) for k, v in message.get("headers", ())]
                if method == "OPTIONS" and message["status"] == 405:
                    bare, message["status"], headers = True, 204, [(k, v) for k, v in headers if k.lower() == b"allow"]
                message["headers"] = [*headers, extra]
            elif bare:
                message["body"] = b""
            await send(message)

        await self._application({**scope, "method": _AS[method]} if method in _AS else scope, receive, answer)


async def next_tick(arrived: float, tick: float) -> None:
    """Wait for the next tick, in seconds, since `arrived` by the loop's clock: the time of an answer then says no more than which tick it was."""
    await asyncio.sleep(tick - (asyncio.get_running_loop().time() - arrived) % tick)


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
    return json_answer({"live": True})


def json_answer(content: Any, status: int = 200, *, headers: Mapping[str, str] = NO_STORE) -> Response[bytes]:
    """Return a JSON answer, which nobody may keep unless `headers` say otherwise. Bytes are JSON already, as the store makes it."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status_code=status, media_type=JSON, headers=dict(headers))


def problem_response(problem: ProblemError) -> Response[bytes]:
    """Return a problem as RFC 9457 has it."""
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers={**NO_STORE, **problem.headers})


@dataclass(frozen=True)
class Failures:
    """How whatever goes wrong in one application becomes an answer: first a ProblemError, then the form in which the application answers.

    `service` is named when the fault is ours, `see` is where the form of requests is described. `own` are the exceptions besides ProblemError that the
    application raises on purpose; `form` is the answer that a ProblemError becomes, where that is not RFC 9457 everywhere.
    """

    service: str
    see: str
    too_large: Callable[[], ProblemError]
    own: Mapping[type[Exception], Callable[[Any], ProblemError]] = field(default_factory=dict)
    form: Callable[[Request[Any, Any, Any], ProblemError], Response[bytes]] = lambda _, problem: problem_response(problem)

    def answer(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Return the answer to a request that failed."""
        return self.form(request, self.reported(error))

    def reported(self, error: Exception) -> ProblemError:
        """Return the problem that is reported of an error; one that was not foreseen is logged and told as a fault."""
        if isinstance(error, ProblemError):
            return error
        for kind, problem in self.own.items():
            if isinstance(error, kind):
                return problem(error)
        if isinstance(error, HTTPException) and error.status_code < 500:
            return self._of_framework(error)
        note_fault(error)
        return fault(self.service)

    def _of_framework(self, error: HTTPException) -> ProblemError:
        if error.status_code == 404:
            return no_such_page()
        if error.status_code == 405:
            return method_not_allowed(self.see, (error.headers or {}).get("allow", ""))
        return (
            self.too_large()
            if error.status_code == 413
            else invalid_request("The request is not understood.", f"See {self.see} for its form.")
        )


def assemble(routes: Sequence[Any], failures: Failures, *, largest: int, running: Running = nullcontext) -> Litestar:
    """Return the application of some routes. `running` is entered while it serves; `largest` bounds the bytes of a body."""
    return Litestar(
        list(routes),
        lifespan=[lambda _: running()],
        exception_handlers={HTTPException: failures.answer, Exception: failures.answer},
        request_max_body_size=largest,
        openapi_config=None,
        logging_config=None,
    )


def note_fault(error: Exception) -> None:
    """Log the kind and place of what was not foreseen; never its text, which may hold data or a password."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
    log.error("fault: %s at %s", type(error).__name__, where)


def fault(service: str) -> ProblemError:
    """Return what is said of a fault of ours."""
    return ProblemError(
        500,
        "Fault",
        f"Fault of the {service}",
        "The request could not be answered.",
        "Tell the department the X-Request-Id of this answer; its log has the place.",
    )


def method_not_allowed(see: str, allowed: str) -> ProblemError:
    return ProblemError(
        405, "MethodNotAllowed", "Method not allowed", "This address does not take this method.", f"See {see}.", {"Allow": allowed}
    )


def too_large(longest: int) -> ProblemError:
    return ProblemError(413, "BodyTooLarge", "Body too large", "The body is too large.", f"Send at most {longest} bytes.")


def too_slow() -> ProblemError:
    remedy = f"Send it within {BODY_SECONDS:.0f} seconds."
    return ProblemError(408, "BodyTooSlow", "Body too slow", "The body did not come in time.", remedy, {"Connection": "close"})


async def body_of(request: Request[Any, Any, Any]) -> bytes:
    """Return the body; one that takes longer than `BODY_SECONDS` to come is given up."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise too_slow() from None
