"""How a failure becomes an answer: in one place, in the form of each application, and without telling what it must not."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Request, Response, get, post
from litestar.testing import TestClient

from commonweal_runtime import serving
from commonweal_runtime.exceptions import InferenceRequestError, ProblemError
from commonweal_runtime.models.app import application as models_application
from commonweal_runtime.models.service import Service as ModelsService
from commonweal_runtime.models.settings import Settings as ModelsSettings
from commonweal_runtime.serving import Failures, Front, assemble, body_of, json_answer
from support.certificates import SITE


class OwnError(Exception):
    """What the application raises on purpose."""


@post("/take")
async def take(request: Request[Any, Any, Any]) -> Response[bytes]:
    return json_answer(await body_of(request))


@get("/own")
async def own() -> None:
    raise OwnError


@get("/refused")
async def refused() -> None:
    raise ProblemError(409, "Busy", "Busy", "It is busy.", "Wait.", {"Retry-After": "3"})


@get("/broken")
async def broken() -> None:
    raise ValueError("Amina Khan, 1985")


FAILURES = Failures(
    service="thing",
    see="/here",
    too_large=lambda: serving.too_large(10),
    own={OwnError: lambda _: ProblemError(503, "Away", "Away", "It is away.", "Come back.")},
)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    entered: list[str] = []

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    with TestClient(
        Front(assemble([take, own, refused, broken], FAILURES, largest=10, running=running)), raise_server_exceptions=False
    ) as found:  # type: ignore[arg-type]
        assert entered == ["in"]
        yield found
    assert entered == ["in", "out"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("GET", "/refused", b"", 409, "Busy"),
        ("GET", "/own", b"", 503, "Away"),
        ("GET", "/broken", b"", 500, "Fault"),
        ("GET", "/nothing", b"", 404, "NotFound"),
        ("PUT", "/own", b"", 405, "MethodNotAllowed"),
        ("POST", "/take", b"x" * 11, 413, "BodyTooLarge"),
    ],
)
def test_every_failure_is_a_problem(client: httpx.Client, method: str, path: str, body: bytes, status: int, reason: str) -> None:
    answer = client.request(method, path, content=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    assert answer.json()["remedy"]


def test_headers_of_a_problem_are_sent(client: httpx.Client) -> None:
    assert client.get("/refused").headers["retry-after"] == "3"
    assert "GET" in client.put("/own").headers["allow"]


def test_a_fault_is_logged_with_its_place_and_never_with_its_text(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get("/broken")
    assert "Amina" not in caplog.text + answer.text
    assert "fault: ValueError at" in caplog.text
    assert Path(__file__).name in caplog.text


def test_json_is_made_or_passed_on() -> None:
    assert json_answer({"a": 1}).content == b'{"a":1}'
    assert json_answer(b'{"a" : 1.50}').content == b'{"a" : 1.50}'
    assert json_answer({}).headers["Cache-Control"] == "no-store"
    assert json_answer({}, headers={}).headers == {}


@pytest.fixture(scope="module")
def models() -> Iterator[httpx.Client]:
    """The model runtime with no store, no plan and nothing behind it."""
    settings = ModelsSettings(
        "tax", "aud", "https://c.test", "https://c.test/jwks", "127.0.0.1", 1, "models", SITE.certificate, Path("none"), "p", b"k" * 32
    )
    with TestClient(Front(models_application(ModelsService(settings)))) as found:  # type: ignore[arg-type]
        yield found


def test_the_model_runtime_speaks_each_interface_in_its_own_form(models: httpx.Client) -> None:
    ours, protocol = models.post("/v1/models/x/rank"), models.post("/v2/models/x/infer")
    assert (ours.status_code, ours.json()["reason"]) == (401, "TokenMissing")
    assert (protocol.status_code, set(protocol.json())) == (401, {"error"})
    assert ours.headers["www-authenticate"] == protocol.headers["www-authenticate"]
    assert protocol.headers["content-type"] == "application/json"
    assert models.get("/v2/models/x").json()["error"].startswith("The department tax serves no model x. See ")
    assert models.get("/v2/nothing").json() == {
        "error": "There is nothing under this address. See /openapi.json for the addresses of this service."
    }


def test_the_model_runtime_is_fronted_like_the_others(models: httpx.Client) -> None:
    assert models.get("/healthz", headers={"X-Request-Id": "mine"}).headers["x-request-id"] == "mine"
    assert (models.head("/healthz").status_code, models.head("/healthz").content) == (200, b"")
    assert models.options("/v1/models").headers["allow"]
    assert models.get("/readyz").status_code == 503


def test_a_tensors_error_is_told_as_it_is() -> None:
    from commonweal_runtime.models.app import FAILURES as OF_MODELS

    problem = OF_MODELS.reported(InferenceRequestError("actions: the shape must be [rows, actions]."))
    assert (problem.status, problem.detail, problem.remedy) == (400, "actions: the shape must be [rows, actions].", "")
    assert OF_MODELS.reported(ConnectionRefusedError()).reason == "StoreUnavailable"
    assert json.loads(problem.body())["reason"] == "InvalidRequest"
