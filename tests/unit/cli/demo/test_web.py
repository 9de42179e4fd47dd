"""What calls a site's services keeps its connection, and opens another when that has died."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from commonweal_cli.demo import web
from commonweal_cli.demo.web import Caller
from support.certificates import SITE, in_place, trusting
from support.waiting import HANG

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


@contextmanager
def hanging_up(folder: Path, told: threading.Event, hung_up: threading.Event) -> Iterator[str]:
    """Answer one request of each of two connections over TLS, and hang up the first without a word once that is `told`, as a machine does that is lost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for reset in (1, 0):
                accepted, _peer = listening.accept()
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))  # it is reset when it is closed
                with context.wrap_socket(accepted, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(ANSWER)
                    told.wait(HANG)
                hung_up.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_a_kept_tls_connection_that_died_is_opened_anew(tmp_path: Path) -> None:
    told, hung_up = threading.Event(), threading.Event()
    with hanging_up(in_place(tmp_path, by=SITE), told, hung_up) as url:
        caller = Caller(url, trust=trusting())
        assert caller.get("/").status == 200
        told.set()
        assert hung_up.wait(HANG)
        assert caller.get("/").status == 200
        caller.close()


def test_a_connection_that_is_not_taken_in_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_TAKEN_SECONDS", 0.2)
    tries, opened, room = list[str](), web._connection, threading.Event()

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as full:
        port = listening.getsockname()[1]
        while (waiting := _taken(port)) is not None:  # until the queue is full and a connection is not even refused
            full.enter_context(waiting)

        def opening(base: str, trust: ssl.SSLContext | None) -> http.client.HTTPConnection:
            tries.append(base)
            if len(tries) == 2:
                threading.Thread(target=_answer_all, args=(listening, room), daemon=True).start()
                room.wait(HANG)
            return opened(base, trust)

        monkeypatch.setattr(web, "_connection", opening)
        caller = Caller(f"http://127.0.0.1:{port}")
        assert caller.get("/").status == 200
        assert len(tries) == 2
        caller.close()
        listening.shutdown(socket.SHUT_RDWR)  # ends the thread that takes connections


def _taken(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=0.2)
    except TimeoutError:
        return None


def _answer_all(listening: socket.socket, room: threading.Event) -> None:
    """Take every connection, say that there is room in the queue, and answer the one that asks."""
    with suppress(OSError):
        while True:
            accepted, _peer = listening.accept()
            room.set()
            threading.Thread(target=_answer, args=(accepted,), daemon=True).start()


def _answer(accepted: socket.socket) -> None:
    with accepted:
        if accepted.recv(65536):
            accepted.sendall(ANSWER)
