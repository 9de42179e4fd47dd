"""The model runtime's own interface: what to offer, what became of it, and what the runtime knows."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from commonweal_runtime.bodies import parse
from commonweal_runtime.models.bodies import ActivateBody, ForgetBody, RankBody, RewardBody
from commonweal_runtime.models.calls import Call
from commonweal_runtime.models.service import Service
from commonweal_runtime.serving import body_of, json_answer, live

_Request = Request[Any, Any, Any]
_Answer = Response[bytes]


def model_routes(service: Service) -> list[Any]:
    """Return the routes of health and of /v1."""
    return [live, *_states(service), *_decisions(service)]


def _states(service: Service) -> list[Any]:
    @get("/readyz")
    async def ready() -> _Answer:
        is_ready = await service.ready()
        return json_answer({"ready": is_ready}, 200 if is_ready else 503)

    @get("/v1/models")
    async def models(request: _Request) -> _Answer:
        return json_answer({"items": await service.callable_models(request.headers.get("authorization"))})

    @get("/v1/models/{name:str}")
    async def model(request: _Request, name: FromPath[str]) -> _Answer:
        return json_answer(await service.state(await called(service, request, name)))

    return [ready, models, model]


def _decisions(service: Service) -> list[Any]:
    @post("/v1/models/{name:str}/rank", status_code=200)
    async def rank(request: _Request, name: FromPath[str]) -> _Answer:
        call = await called(service, request, name)
        explain = request.query_params.get("explain", "false").lower() == "true"
        return json_answer(await service.rank(call, parse(RankBody, await body_of(request)), explain=explain))

    @post("/v1/models/{name:str}/activate", status_code=200)
    async def activate(request: _Request, name: FromPath[str]) -> _Answer:
        call = await called(service, request, name)
        return json_answer(await service.activate(call, parse(ActivateBody, await body_of(request))))

    @post("/v1/models/{name:str}/reward", status_code=200)
    async def reward(request: _Request, name: FromPath[str]) -> _Answer:
        call = await called(service, request, name)
        return json_answer(await service.reward(call, parse(RewardBody, await body_of(request))))

    @post("/v1/models/{name:str}/forget", status_code=200)
    async def forget(request: _Request, name: FromPath[str]) -> _Answer:
        call = await called(service, request, name)
        return json_answer(await service.forget(call, parse(ForgetBody, await body_of(request))))

    return [rank, activate, reward, forget]


async def called(service: Service, request: _Request, name: str) -> Call:
    """Return the call that a request makes, if its caller may."""
    return await service.called(request.headers.get("authorization"), name)
