"""The blocking client against a real HTTP server: what is an answer, what is a refusal, and what is silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from commonweal_kube.blocking import Api, near
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from support.loopback import TRUSTS_NOBODY, Loopback

FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": "no"}
PAGES = {
    "/pods?limit=500": {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "t"}},
    "/pods?limit=500&continue=t": {"items": None, "metadata": {}},
    "/pods?labelSelector=x&limit=500": {"items": [{"metadata": {"name": "b"}}], "metadata": {}},
}


@contextmanager
def serving(headers: list[Mapping[str, str]] | None = None) -> Iterator[Api]:
    """A server that knows pods, and refuses whatever is called secret."""

    def get(path: str, asked: Mapping[str, str]) -> tuple[int, bytes]:
        if headers is not None:
            headers.append(asked)
        if path in PAGES:
            return 200, json.dumps({"apiVersion": "v1", "kind": "PodList", **PAGES[path]}).encode()
        if "secret" in path:
            return 403, json.dumps(FORBIDDEN).encode()
        said: dict[str, tuple[int, bytes]] = {
            "/readyz": (200, b"ok"),
            "/list": (200, b"[1]"),
            "/watch": (200, b'{"n": 1}\n{"n": 2}\n'),
        }
        return said.get(path, (404, b"page not found"))

    with Loopback(get) as server:
        yield Api(server.url, near(TRUSTS_NOBODY), lambda: {"Authorization": "Bearer t", "Connection": "close"})


def test_a_refusal_is_an_answer_to_who_asks_and_an_error_to_who_calls() -> None:
    with serving() as api:
        answer = api.ask("GET", "/secrets")
        assert (answer.status, answer.ok, answer.message, answer.date is not None) == (403, False, "no", True)
        with pytest.raises(ApiError, match="403 Forbidden: no") as refused:
            api.call("GET", "/secrets")
        assert (refused.value.status, refused.value.reason) == (403, "Forbidden")


def test_what_is_not_an_object_is_returned_as_it_is() -> None:
    with serving() as api:
        assert (api.call("GET", "/readyz"), api.call("GET", "/list")) == ("ok", [1])


def test_an_object_that_is_not_there_is_none_and_one_that_may_not_be_seen_is_not() -> None:
    with serving() as api:
        assert api.find("/pods/none") is None
        with pytest.raises(ApiError, match="Forbidden"):
            api.find("/secrets/one")


def test_a_collection_comes_in_pages_and_each_object_says_of_which_kind_it_is() -> None:
    with serving() as api:
        assert list(api.items("/pods")) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]
        assert [item["metadata"]["name"] for item in api.items("/pods?labelSelector=x")] == ["b"]


def test_a_stream_is_followed_to_its_end_and_a_refused_one_is_an_error() -> None:
    with serving() as api:
        assert [event["n"] for event in api.follow("/watch", 5)] == [1, 2]
        with pytest.raises(ApiError, match="403"), closing(api.follow("/secrets", 5)) as events:
            next(events)


def test_each_request_says_who_asks_and_on_whose_behalf() -> None:
    headers: list[Mapping[str, str]] = []
    with serving(headers) as api:
        api.ask("GET", "/readyz")
        api.ask("GET", "/readyz", user="somebody")
    assert [(h["Authorization"], h.get("Impersonate-User")) for h in headers] == [("Bearer t", None), ("Bearer t", "somebody")]


@pytest.mark.parametrize("question", ["ask", "call", "follow"])
def test_silence_is_told_from_refusal(question: str) -> None:
    api = Api("http://127.0.0.1:9", near(TRUSTS_NOBODY))
    asked: dict[str, Any] = {
        "ask": lambda: api.ask("GET", "/x"),
        "call": lambda: api.call("GET", "/x"),
        "follow": lambda: list(api.follow("/x", 1)),
    }
    with pytest.raises(ApiServerUnavailableError, match="GET /x"):
        asked[question]()


def test_a_server_next_door_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving() as api:
        assert api.call("GET", "/readyz") == "ok"
