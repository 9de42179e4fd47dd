"""An HTTP server on loopback that answers GET as it is told, and a client of any server there."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import httpx

from support.waiting import HANG, wait_for

Get = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
# Nothing here speaks TLS, and reading this machine's authorities for each client would take longer than what it asks.
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(url: str, **options: Any) -> httpx.Client:
    """Return a client of a server on loopback; a request that hangs fails."""
    return httpx.Client(base_url=url, verify=TRUSTS_NOBODY, **{"timeout": HANG, **options})


def answers(url: str) -> bool:
    """Whether the server is there and says that all is well."""
    try:
        with urlopen(url, timeout=HANG) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when something listens on the port. A program that ends instead is an error, with what it has written."""

    def listens() -> bool | None:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}: {log.read_text()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0 or None

    wait_for(f"somebody to listen on port {port}", listens)


class Loopback:
    """Serves while the block runs, over TLS if that is given. `get` makes status and body from a path and the headers; subclasses may say it themselves."""

    def __init__(self, get: Get, tls: ssl.SSLContext | None = None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = get(self.path, dict(self.headers.items()))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = self._server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes who waits for the next request
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._server.handle_request()
