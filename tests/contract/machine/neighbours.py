"""Asks a neighbour with every kind of client that there is here: `python neighbours.py KUBECTL [--as-it-comes]`; prints what each got, as JSON.

To be run in a network namespace of its own, in which the address of a site belongs to the loopback interface.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aiohttp
import grpc
import kubernetes

from commonweal_cli.audit.sources import text_of
from commonweal_cli.demo.web import Caller
from commonweal_cli.move.cutover import _answers
from commonweal_local import surroundings

SITE = "10.210.0.11"
SAID = b'{"major": "1", "minor": "36"}'


class Neighbour(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(SAID)))
        self.end_headers()
        self.wfile.write(SAID)

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked is seen from the answers."""


def by_kubernetes(address: str) -> bool:
    client = kubernetes.client.ApiClient(kubernetes.client.Configuration(host=address))
    return client.rest_client.request("GET", address, _request_timeout=5).status == 200


def by_aiohttp(address: str) -> bool:
    async def asked() -> bool:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session, session.get(address) as answer:
            return answer.status == 200

    return asyncio.run(asked())


def by_grpc(_: str) -> bool:
    """As Pulumi's programs ask Pulumi's engine."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=3)
            return True
    finally:
        server.stop(None)


def by_kubectl(address: str) -> bool:
    done = subprocess.run([sys.argv[1], f"--server={address}", "get", "--raw", "/version"], capture_output=True, check=False)
    return done.stdout == SAID


CLIENTS: dict[str, Callable[[str], bool]] = {
    "urllib": lambda address: urllib.request.build_opener().open(address, timeout=5).status == 200,
    "the opener of ours": lambda address: surroundings.opener(address).open(address, timeout=5).status == 200,
    "commonweal audit": lambda address: text_of(address) == SAID.decode(),
    "commonweal move": _answers,
    "the journey": lambda address: Caller(address).get("/").status == 200,
    "aiohttp": by_aiohttp,
    "kubernetes": by_kubernetes,
    "kubectl": by_kubectl,
    "grpc": by_grpc,
}


def tried(ask: Callable[[str], bool], address: str) -> str:
    try:
        return "answered" if ask(address) else "not answered"
    except Exception as error:  # noqa: BLE001 - each client has errors of its own
        return f"{type(error).__name__}: {error}"


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", f"{SITE}/24", "dev", "lo"], check=True)
    if "--as-it-comes" not in sys.argv:
        surroundings.ask_neighbours_directly(os.environ)
    server = ThreadingHTTPServer((SITE, 0), Neighbour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://{SITE}:{server.server_address[1]}"
    print(json.dumps({name: tried(ask, address) for name, ask in CLIENTS.items()}))


if __name__ == "__main__":
    main()
