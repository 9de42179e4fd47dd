"""Requests that mean no good: too slow, too large, no HTTP at all. Each is bounded, and none is in another's way."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from commonweal_runtime.listening.limits import Limits
from commonweal_runtime.serving import BODY_SECONDS
from support.data_api import subject
from support.department import PERSON, Department

SLACK = 20.0
HEADERS_SECONDS, LONGEST_HEAD = Limits.head_seconds, Limits.longest_head


def address(department: Department) -> tuple[str, int]:
    return "127.0.0.1", department.api.port


async def talk(department: Department, *sent: bytes, patience: float = SLACK) -> bytes:
    """Return what the service says to raw bytes until it closes or has answered; TimeoutError if it does neither.

    An answer of which it says that it closes after it is read to the end.
    """
    reader, writer = await asyncio.open_connection(*address(department))
    try:
        with contextlib.suppress(ConnectionError):  # it may hang up in the middle of what it refuses
            for part in sent:
                writer.write(part)
                await writer.drain()
        async with asyncio.timeout(patience):
            try:
                said = await reader.read(65536)
                return said + await reader.read() if b"onnection: close" in said else said
            except ConnectionError:
                return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def healthy(department: Department) -> bool:
    return department.ask(f"/v1/people/subjects/{PERSON}").status_code == 200


GARBAGE = {
    "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "no version": b"GET /me/uses\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no such method": b"\x00\x01 / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a line feed in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\nc\r\n\r\n",
    "two lengths": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "a length that is none": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a length that is a list": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "another coding and a length": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks said twice": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a chunk of 2^65": b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    "a folded line": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a bare carriage return": b"GET /healthz HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
    "a NUL": b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "a tunnel": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "the front's own word for no method": b"NONE /me/uses HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address of all bytes": b"GET /v1/\xff\xfe%zz%00/subjects HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_is_no_request_is_refused_or_hung_up_on(department: Department, case: str) -> None:
    said = asyncio.run(talk(department, GARBAGE[case], patience=HEADERS_SECONDS + SLACK))
    assert not said or int(said.split(b" ")[1]) in range(400, 500)
    assert healthy(department)


HEALTHY = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
MORE = {
    "h2c": (HEALTHY + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200),
    "a web socket": (
        HEALTHY + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        200,
    ),
    "another host": (b"GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "two hosts": (HEALTHY + b"Host: y\r\n\r\n", 200),
    "an echo": (b"TRACE /me/uses HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n", 405),
    "another method": (b"POST /healthz HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n", 405),
    "leave to send": (b"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 401),
}


@pytest.mark.parametrize("case", MORE)
def test_what_asks_for_more_than_http_gets_the_plain_answer(department: Department, case: str) -> None:
    sent, status = MORE[case]
    said = asyncio.run(talk(department, sent))
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert b"elsewhere" not in said
    assert b"a=b" not in said
    assert b"pgrade:" not in said


SPELLINGS = (
    "//me/uses",
    "/me/uses/",
    "/me//uses",
    "/me%2fuses",
    "/%6de/uses",
    "/v1/../me/uses",
    "/me/uses;a=b",
    "/me/uses%00",
    "/me/%2e%2e/me/uses",
    "/ME/USES",
)


@pytest.mark.parametrize("path", SPELLINGS)
def test_an_address_in_another_spelling_needs_the_same_token(department: Department, path: str) -> None:
    said = asyncio.run(talk(department, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert int(said.split(b" ")[1]) in (401, 404)


@pytest.mark.parametrize("form", ["{{{}}}", "urn:uuid:{}", "{}%0a", "{}%20", "%20{}", "{}%00"])
def test_an_id_has_one_form(department: Department, form: str) -> None:
    for who in (
        form.format(PERSON),
        str(PERSON).replace("-", ""),
        str(PERSON).replace("0", "\N{FULLWIDTH DIGIT ZERO}").replace("1", "\N{FULLWIDTH DIGIT ONE}"),
    ):
        assert department.ask(f"/v1/people/subjects/{who}").status_code == 400


def test_headers_without_end_are_refused(department: Department) -> None:
    flood = [b"GET /me/uses HTTP/1.1\r\nHost: x\r\n", *(b"X-%d: " % n + b"a" * 1000 + b"\r\n" for n in range(LONGEST_HEAD // 500))]
    said = asyncio.run(talk(department, *flood))
    assert not said or b" 431 " in said[:20] or b" 400 " in said[:20]
    assert healthy(department)


def test_an_address_without_end_is_refused(department: Department) -> None:
    said = asyncio.run(talk(department, b"GET /v1/" + b"a" * 2 * LONGEST_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert not said or int(said.split(b" ")[1]) in range(400, 500)
    assert healthy(department)


def test_a_body_without_end_is_refused_while_it_comes(department: Department) -> None:
    head = f"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {department.person(subject('P190'))}\r\n".encode()
    chunks = [b"400\r\n" + b"x" * 1024 + b"\r\n"] * 64
    said = asyncio.run(talk(department, head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks))
    assert not said or b" 413 " in said[:20]
    announced = asyncio.run(talk(department, head + b"Content-Length: 99999999\r\n\r\n"))
    assert b" 413 " in announced[:20]


def test_a_request_that_never_ends_is_given_up_and_in_nobodys_way(department: Department) -> None:
    """Slow loris: a hundred connections that send a head but never its end, and some that never send their body."""
    body = (
        f"PUT /me/consents/yes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {department.person(subject('P191'))}\r\nContent-Length: 20\r\n\r\n{{"
    ).encode()

    async def script() -> tuple[list[bytes], float]:
        begun = time.monotonic()
        slow = [
            asyncio.create_task(talk(department, b"GET /me/uses HTTP/1.1\r\nHost: x\r\nX-Slow: ", patience=HEADERS_SECONDS + SLACK))
            for _ in range(100)
        ]
        slow += [asyncio.create_task(talk(department, body, patience=BODY_SECONDS + SLACK)) for _ in range(20)]
        for _ in range(20):
            assert await asyncio.to_thread(healthy, department)
        served = time.monotonic() - begun
        return await asyncio.gather(*slow), served

    answers, served = asyncio.run(script())
    assert served < SLACK
    assert all(not said or b" 408 " in said[:20] or b" 400 " in said[:20] for said in answers[:100])
    assert all(b" 408 " in said[:20] and b"BodyTooSlow" in said for said in answers[100:])
    assert healthy(department)


def test_many_who_hang_up_at_once_leave_nothing_behind(department: Department) -> None:
    token = department.client("tax", "app")
    asked = f"GET /v1/people/subjects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nPurpose: tax/serve\r\n\r\n".encode()

    async def leave() -> None:
        _, writer = await asyncio.open_connection(*address(department))
        writer.write(asked)
        await writer.drain()
        writer.transport.abort()

    async def script() -> None:
        await asyncio.gather(*(leave() for _ in range(100)))

    asyncio.run(script())
    assert healthy(department)
    assert "Traceback" not in department.api.log
