"""The client against a real HTTP server: logins, retries, watches that break."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster, Token
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError, ClusterLoginError, ResourceExpiredError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def play(handler: Handler, scenario: Callable[[Api], Awaitable[Any]], token: Token | None = None) -> tuple[Any, list[float]]:
    """Run the scenario against the handler; return its result and the pauses that the client took."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def run() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        api = Api(Cluster(f"http://127.0.0.1:{port}", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), token or Token("t")), 4, "test", pause)
        try:
            return await scenario(api)
        finally:
            await api.close()
            await runner.cleanup()

    return asyncio.run(run()), pauses


def refusal(status: int, reason: str = "", message: str = "", **headers: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status, headers=headers)


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    answers = iter([refusal(429, **{"Retry-After": "3"}), refusal(503), web.json_response({"done": True})])

    async def handler(_: web.Request) -> web.StreamResponse:
        return next(answers)

    result, pauses = play(handler, lambda api: api.call("GET", "/x"))
    assert result == {"done": True}
    assert pauses == [3.0, 0.2]


def test_a_server_that_stays_busy_is_left_to_the_queue_after_three_attempts() -> None:
    asked = []

    async def handler(_: web.Request) -> web.StreamResponse:
        asked.append(1)
        return refusal(429)

    with pytest.raises(ApiError, match="429"):
        play(handler, lambda api: api.call("GET", "/x"))
    assert len(asked) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_other_refusals_are_final_at_once(status: int) -> None:
    asked = []

    async def handler(_: web.Request) -> web.StreamResponse:
        asked.append(1)
        return refusal(status)

    with pytest.raises(ApiError):
        play(handler, lambda api: api.call("GET", "/x"))
    assert asked == [1]


def test_a_terminating_namespace_is_told_from_other_refusals() -> None:
    gone = ApiError(403, {"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}})
    said = ApiError(403, {"message": "unable to create new content in namespace dept-x because it is being terminated"})
    other = ApiError(403, {"reason": "Forbidden", "message": "cannot patch"})
    assert (gone.terminating, said.terminating, other.terminating) == (True, True, False)


def test_a_renewed_token_is_read_again_after_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        file.write_text("new")
        return web.json_response({}) if seen[-1] == "Bearer new" else refusal(401)

    play(handler, lambda api: api.call("GET", "/x"), Token(path=file, clock=lambda: 0.0))
    assert seen == ["Bearer old", "Bearer new"]


def test_a_token_is_read_again_each_minute(tmp_path: Path) -> None:
    file, now = tmp_path / "token", [0.0]
    token = Token(path=file, clock=lambda: now[0])
    file.write_text("one")
    assert token.header() == "Bearer one"
    file.write_text("two")
    now[0] = 59.0
    assert token.header() == "Bearer one"
    now[0] = 60.0
    assert token.header() == "Bearer two"


def test_a_server_that_is_not_there_is_unavailable_and_no_stack_trace() -> None:
    async def run() -> None:
        api = Api(Cluster("http://127.0.0.1:9", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Token("t")), 1, "test")
        try:
            await api.call("GET", "/x")
        finally:
            await api.close()

    with pytest.raises(ApiServerUnavailableError, match="GET /x"):
        asyncio.run(run())


async def _events(api: Api) -> list[dict[str, Any]]:
    return [event async for event in api.watch("/things", "", "5")]


def stream(*lines: dict[str, Any], cut: int | None = None) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        for start in range(0, len(data), 7):  # chunks that know nothing of lines
            await response.write(data[start : start + 7])
        return response

    return handler


def test_a_watch_puts_its_lines_together() -> None:
    sent = [{"type": "ADDED", "object": {"metadata": {"name": str(n)}}} for n in range(5)]
    assert play(stream(*sent), _events)[0] == sent


def test_a_version_too_old_to_watch_from_is_gone_whether_told_by_status_or_in_the_stream() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return refusal(410)

    for server in (handler, stream({"type": "ERROR", "object": {"code": 410, "message": "too old"}})):
        with pytest.raises(ResourceExpiredError):
            play(server, _events)


def test_an_expired_page_token_is_gone() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return refusal(410)

    async def pages(api: Api) -> list[Any]:
        return [page async for page in api.pages("/things")]

    with pytest.raises(ResourceExpiredError):
        play(handler, pages)


def test_where_objects_are_large_a_page_holds_fewer() -> None:
    """Attack of 2026-11-29: a hundred products with a megabyte of labels and field managers each, in one answer, were more than the operator has memory for."""
    asked: list[tuple[int, int]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        limit, begin = int(request.query["limit"]), int(request.query.get("continue") or 0)
        asked.append((limit, begin))
        end = min(begin + limit, 20)
        items = [{"metadata": {"name": str(n), "labels": {"fat": "x" * (1 << 20)}}} for n in range(begin, end)]
        return web.json_response({"metadata": {"resourceVersion": "7", "continue": "" if end == 20 else str(end)}, "items": items})

    async def pages(api: Api) -> list[Any]:
        return [item["metadata"]["name"] async for page in api.pages("/things") for item in page["items"]]

    assert play(handler, pages)[0] == [str(n) for n in range(20)]
    assert [limit for limit, _ in asked[:5]] == [500, 125, 31, 7, 1]
    assert {limit for limit, _ in asked[5:]} == {1}


def test_an_object_that_is_larger_than_a_page_comes_alone() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": [{"fat": "x" * (5 << 20)}]})

    async def pages(api: Api) -> list[Any]:
        return [page async for page in api.pages("/things")]

    assert len(play(handler, pages)[0][0]["items"]) == 1


def test_a_kubeconfig_that_lacks_its_user_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "config"
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}
    file.write_text(yaml.safe_dump({"current-context": "c", "contexts": [context], "clusters": [cluster], "users": []}))
    with pytest.raises(ClusterLoginError, match="users has no entry 'u'"):
        Cluster.from_kubeconfig(file)


def test_a_login_plug_in_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "config"
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}
    user = {"name": "u", "user": {"exec": {"command": "aws"}}}
    file.write_text(yaml.safe_dump({"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [user]}))
    with pytest.raises(ClusterLoginError, match="Give it a token or a client certificate"):
        Cluster.from_kubeconfig(file)


def test_no_login_at_all_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterLoginError, match="Run in a pod, set KUBECONFIG, or give --kubeconfig"):
        Cluster.find()


def test_a_client_certificate_inside_a_kubeconfig_is_loaded(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    data = {"client-certificate-data": made.public_bytes(serialization.Encoding.PEM), "client-key-data": secret}
    user = {"name": "u", "user": {k: base64.b64encode(v).decode() for k, v in data.items()}}
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {
        "name": "k",
        "cluster": {
            "server": "https://127.0.0.1:1",
            "certificate-authority-data": base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode(),
        },
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump({"current-context": "c", "contexts": [context], "clusters": [cluster], "users": [user]}))
    login = Cluster.from_kubeconfig(file)
    assert login.token.header() is None
    assert login.tls.cert_store_stats()["x509"] == 1
