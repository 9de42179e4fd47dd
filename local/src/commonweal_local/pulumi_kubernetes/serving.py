"""How a plug-in process lives: it prints its port, serves, and ends with a signal or with the engine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc

LARGE = 400 * 1024 * 1024  # bytes; what the engine itself allows a message to be
OPTIONS = (("grpc.max_receive_message_length", LARGE), ("grpc.max_send_message_length", LARGE))


def serve(add: Callable[[Any], None], *, at_end: Callable[[], None], workers: int = 64) -> None:
    """Serve until SIGINT or SIGTERM, or until the engine (the parent process) is gone. `at_end` stops what still runs."""
    server = grpc.server(futures.ThreadPoolExecutor(workers), options=OPTIONS)
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    while not stop.wait(2.0) and os.getppid() == parent:
        pass
    at_end()
    server.stop(1.0).wait()
