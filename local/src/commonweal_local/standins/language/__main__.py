"""Serve the language host: print the port, serve until told to stop, or until the engine (the parent process) is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import language_pb2_grpc

from commonweal_local.standins.language.host import PythonHost

LARGE = 400 * 1024 * 1024  # bytes; what the engine itself allows a message to be
OPTIONS = (("grpc.max_receive_message_length", LARGE), ("grpc.max_send_message_length", LARGE))
WORKERS = 16
PARENT_SECONDS = 2.0


def main() -> None:
    host = PythonHost(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), ""))
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    while not stop.wait(PARENT_SECONDS) and os.getppid() == parent:
        pass
    host.end()
    server.stop(1.0).wait()


if __name__ == "__main__":
    main()
