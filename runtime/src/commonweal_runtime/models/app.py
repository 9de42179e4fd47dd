"""The model runtime over HTTP: who may call what, and how refusals look."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from commonweal_runtime.models import oip
from commonweal_runtime.models.bodies import MOST_BYTES, ActivateBody, ForgetBody, RankBody, RewardBody, parse, too_large
from commonweal_runtime.models.log import STORE_ERRORS
from commonweal_runtime.models.rank import answer
from commonweal_runtime.models.runtime import Runtime
from commonweal_runtime.models.served import Served
from commonweal_runtime.problems import MEDIA_TYPE, Problem
from commonweal_runtime.serving import fault, live, note_fault, refused_by_framework

_logger = logging.getLogger(__name__)
_JSON = "application/json"
_Request = Request[Any, Any, State]
_Answer = Response[bytes]


def create(running: Callable[[Litestar], AbstractAsyncContextManager[None]]) -> Litestar:
    """Return the application; `running` puts `runtime` and `verifier` into its state for as long as it runs."""
    routes = [live, ready, models, model, rank, activate, reward, forget]
    protocol = [server, server_live, server_ready, metadata, metadata_of, model_ready, model_ready_of, infer, infer_of]
    return Litestar(
        route_handlers=[*routes, *protocol],
        lifespan=[running],
        exception_handlers={Problem: _problem, HTTPException: _http, oip.InferError: _infer_error, Exception: _failure},
        request_max_body_size=MOST_BYTES,
        openapi_config=None,
        logging_config=None,
    )


@get("/readyz")
async def ready(state: State) -> _Answer:
    """Answer whether a plan was carried out and the store is there."""
    return await _ready(state.runtime)


@get("/v1/models")
async def models(request: _Request, state: State) -> _Answer:
    """List the models that the caller may call."""
    client = await state.verifier.client(request.headers.get("authorization"))
    names = [
        n
        for n, s in sorted(state.runtime.models.items())
        if any((c.department, c.client) == (client.department, client.client) for c in s.entry.spec.callers)
    ]
    return _json({"items": names})


@get("/v1/models/{name:str}")
async def model(request: _Request, state: State, name: str) -> _Answer:
    """Answer with counters and digest."""
    return _json(await state.runtime.state(await _called(request, name)))


@post("/v1/models/{name:str}/rank", status_code=200)
async def rank(request: _Request, state: State, name: str) -> _Answer:
    """Decide what to offer."""
    served = await _called(request, name)
    explain = request.query_params.get("explain", "false").lower() == "true"
    ranked = await state.runtime.rank(served, parse(RankBody, await request.body()), explain=explain)
    return _json(answer(served, ranked, explain=explain))


@post("/v1/models/{name:str}/activate", status_code=200)
async def activate(request: _Request, state: State, name: str) -> _Answer:
    """Note that a decision was shown."""
    served = await _called(request, name)
    return _json(await state.runtime.activate(served, parse(ActivateBody, await request.body())))


@post("/v1/models/{name:str}/reward", status_code=200)
async def reward(request: _Request, state: State, name: str) -> _Answer:
    """Join a reward and learn from it."""
    served = await _called(request, name)
    return _json(await state.runtime.reward(served, parse(RewardBody, await request.body())))


@post("/v1/models/{name:str}/forget", status_code=200)
async def forget(request: _Request, state: State, name: str) -> _Answer:
    """Forget a person."""
    served = await _called(request, name)
    return _json(await state.runtime.forget(served, parse(ForgetBody, await request.body())))


@get("/v2")
async def server() -> _Answer:
    """Answer with the server's metadata."""
    return _json(oip.SERVER)


@get("/v2/health/live")
async def server_live() -> _Answer:
    """Answer that the process runs; the body is what kserve's client reads."""
    return _json({"live": True})


@get("/v2/health/ready")
async def server_ready(state: State) -> _Answer:
    """Answer whether every planned model can be asked."""
    return await _ready(state.runtime)


@get("/v2/models/{name:str}")
async def metadata(state: State, name: str) -> _Answer:
    """Answer with a model's tensors."""
    return _json(oip.metadata(state.runtime.model(name)))


@get("/v2/models/{name:str}/versions/{version:str}")
async def metadata_of(state: State, name: str, version: str) -> _Answer:
    """Answer with the tensors of a version, which must be the one that is served."""
    return _json(oip.metadata(_version(state.runtime.model(name), version)))


@get("/v2/models/{name:str}/ready")
async def model_ready(state: State, name: str) -> _Answer:
    """Answer whether a model can be asked."""
    return _json({"name": state.runtime.model(name).entry.name, "ready": True})


@get("/v2/models/{name:str}/versions/{version:str}/ready")
async def model_ready_of(state: State, name: str, version: str) -> _Answer:
    """Answer whether a version can be asked."""
    return _json({"name": _version(state.runtime.model(name), version).entry.name, "ready": True})


@post("/v2/models/{name:str}/infer", status_code=200)
async def infer(request: _Request, name: str) -> _Answer:
    """Score."""
    return await _infer(request, await _called(request, name))


@post("/v2/models/{name:str}/versions/{version:str}/infer", status_code=200)
async def infer_of(request: _Request, name: str, version: str) -> _Answer:
    """Score by the version that is served."""
    return await _infer(request, _version(await _called(request, name), version))


async def _infer(request: _Request, served: Served) -> _Answer:
    if "inference-header-content-length" in request.headers:
        raise oip.InferError("Inference-Header-Content-Length: binary tensors are not supported; send JSON (binary_data=False).")
    runtime: Runtime = request.app.state.runtime
    return _json(await oip.infer(served, runtime.reader, runtime.sources, oip.parse(await request.body())))


async def _called(request: _Request, name: str) -> Served:
    """Return the model if the caller's token is good and the ModelService lists the caller."""
    client = await request.app.state.verifier.client(request.headers.get("authorization"))
    served: Served = request.app.state.runtime.model(name)
    if not any((c.department, c.client) == (client.department, client.client) for c in served.entry.spec.callers):
        detail = f"The model {name} does not list {client} among its callers."
        raise Problem(403, "CallerNotListed", "Caller not listed", detail, "Ask the model's department to add the client to spec.callers.")
    return served


def _version(served: Served, version: str) -> Served:
    current = oip.version_of(served)
    if version != current:
        detail = f"The model {served.entry.name} is at version {current}; a model that learns keeps only its latest version."
        raise Problem(
            404, "UnknownVersion", "No such version", detail, "Leave /versions/... out, or use the version that the metadata name."
        )
    return served


async def _ready(runtime: Runtime) -> _Answer:
    is_ready = runtime.ready and await runtime.log.reachable()
    return _json({"ready": is_ready}, 200 if is_ready else 503)


def _json(document: Any, status: int = 200) -> _Answer:
    return Response(orjson.dumps(document), status_code=status, media_type=_JSON)


def _refusal(request: _Request, problem: Problem) -> _Answer:
    """Answer with problem details, or in the words of the Open Inference Protocol under its own path."""
    if request.url.path.startswith("/v2"):
        text = orjson.dumps({"error": f"{problem.detail} {problem.remedy}"})
        return Response(text, status_code=problem.status, media_type=_JSON, headers=dict(problem.headers))
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))


def _problem(request: _Request, problem: Problem) -> _Answer:
    return _refusal(request, problem)


def _infer_error(_: _Request, error: oip.InferError) -> _Answer:
    return _json({"error": str(error)}, 400)


def _http(request: _Request, error: HTTPException) -> _Answer:
    problem = (
        too_large() if error.status_code == 413 else refused_by_framework(error, longest=MOST_BYTES, see="docs/reference/models-api.md")
    )
    return _refusal(request, problem) if problem is not None else _failure(request, error)


def _failure(request: _Request, error: Exception) -> _Answer:
    if isinstance(error, STORE_ERRORS):
        return _refusal(request, store_unavailable())
    note_fault(_logger, error)
    return _refusal(request, fault("model runtime"))


def store_unavailable() -> Problem:
    """Return the refusal while the log cannot be written: a decision that is not logged is not answered."""
    detail = "The store of decisions is away."
    return Problem(
        503, "StoreUnavailable", "Store away", detail, "Offer the first action, and try again in a few seconds.", {"Retry-After": "2"}
    )
