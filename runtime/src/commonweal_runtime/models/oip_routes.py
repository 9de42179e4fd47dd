"""The Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from commonweal_runtime.exceptions import InferenceRequestError
from commonweal_runtime.models import oip
from commonweal_runtime.models.calls import Call, for_values
from commonweal_runtime.models.routes import called
from commonweal_runtime.models.service import Service
from commonweal_runtime.serving import body_of, json_answer

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def oip_routes(service: Service) -> list[Any]:
    """Return the routes of /v2; their bodies are what the protocol's clients read."""
    return [*_server(service), *_metadata(service), *_infer(service)]


def _server(service: Service) -> list[Any]:
    @get("/v2")
    async def server() -> _Answer:
        return json_answer(oip.SERVER)

    @get("/v2/health/live")
    async def server_live() -> _Answer:
        return json_answer({"live": True})

    @get("/v2/health/ready")
    async def server_ready() -> _Answer:
        is_ready = await service.ready()
        return json_answer({"ready": is_ready}, 200 if is_ready else 503)

    return [server, server_live, server_ready]


async def _at(service: Service, request: _Request, name: str, version: str) -> Call:
    """Return the call of a caller that may be told values, or raise why not, or that the model is at another version."""
    call = await called(service, request, name)
    oip.require_version(for_values(call), version)
    return call


def _metadata(service: Service) -> list[Any]:
    @get("/v2/models/{name:str}")
    async def metadata(request: _Request, name: FromPath[str]) -> _Answer:
        if "authorization" not in request.headers:
            return json_answer(oip.metadata(service.model(name), versioned=False))
        call = await called(service, request, name)
        return json_answer(oip.metadata(call.model, versioned=call.values))

    @get("/v2/models/{name:str}/versions/{version:str}")
    async def metadata_of(request: _Request, name: FromPath[str], version: FromPath[str]) -> _Answer:
        return json_answer(oip.metadata((await _at(service, request, name, version)).model, versioned=True))

    @get("/v2/models/{name:str}/ready")
    async def model_ready(name: FromPath[str]) -> _Answer:
        return json_answer({"name": service.model(name).entry.name, "ready": True})

    @get("/v2/models/{name:str}/versions/{version:str}/ready")
    async def model_ready_of(request: _Request, name: FromPath[str], version: FromPath[str]) -> _Answer:
        return json_answer({"name": (await _at(service, request, name, version)).model.entry.name, "ready": True})

    return [metadata, metadata_of, model_ready, model_ready_of]


def _infer(service: Service) -> list[Any]:
    async def inferred(request: _Request, call: Call) -> _Answer:
        if "inference-header-content-length" in request.headers:
            raise InferenceRequestError("Inference-Header-Content-Length: binary tensors are not supported; send JSON (binary_data=False).")
        async with service.turns.of(call.caller):  # before the body is parsed: what waits is small
            return json_answer(await service.infer(call, oip.parse(await body_of(request))))

    @post("/v2/models/{name:str}/infer", status_code=200)
    async def infer(request: _Request, name: FromPath[str]) -> _Answer:
        return await inferred(request, await called(service, request, name))

    @post("/v2/models/{name:str}/versions/{version:str}/infer", status_code=200)
    async def infer_of(request: _Request, name: FromPath[str], version: FromPath[str]) -> _Answer:
        return await inferred(request, await _at(service, request, name, version))

    return [infer, infer_of]
