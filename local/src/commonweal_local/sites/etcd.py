"""A site's etcd, spoken to directly with the API server's client certificate: its HTTP gateway, through the site's own network.

Reads come back as etcd holds them, so what is encrypted at rest is encrypted here, too.
"""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from commonweal_local.exceptions import LocalError
from commonweal_local.sites import processes
from commonweal_local.sites.site import Site

LOOPBACK = "127.0.0.1"
CLONE_NEWNET = 0x40000000
SECONDS = 30.0
PAGE = 500
REGISTRY = "/registry/"
# What a request can raise while etcd is starting, stopping or gone.
Unreachable = (OSError, http.client.HTTPException, ValueError)
_libc = ctypes.CDLL(None, use_errno=True)


class Etcd:
    """Requests to one site's etcd. Raises one of `Unreachable`, or LocalError when the site does not run. `inside`: asked by the site itself."""

    def __init__(self, site: Site, *, inside: bool = False) -> None:
        self._site, self._here = site, inside
        self._context = ssl.create_default_context(cafile=str(site.pki / "etcd-ca.crt"))
        self._context.load_cert_chain(site.pki / "etcd-client.crt", site.pki / "etcd-client.key")

    def healthy(self) -> bool:
        """Whether it answers and has a leader, which of one member is itself."""
        return bool(self.call("/v3/maintenance/status", {}).get("leader", "0") != "0")

    def status(self) -> Mapping[str, Any]:
        """Its version, the size of its database in bytes (`dbSize`) and its `header.revision`."""
        return dict(self.call("/v3/maintenance/status", {}))

    def call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a request to the gateway; the answer as an object."""
        with self._answer(path, body) as response:
            return json.loads(response.read())

    def values(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """Every key below a prefix with its value, in the order of the keys; of one moment for each 500 of them."""
        key, end = prefix.encode(), _end_of(prefix)
        more = True
        while more:
            reply = self.call("/v3/kv/range", {"key": _text(key), "range_end": _text(end), "limit": PAGE})
            found = [(base64.b64decode(one["key"]), base64.b64decode(one.get("value", ""))) for one in reply.get("kvs", [])]
            yield from ((name.decode(), value) for name, value in found)
            more = bool(reply.get("more"))
            key = found[-1][0] + b"\0" if found else end

    def count(self, prefix: str) -> int:
        """How many keys there are below a prefix."""
        body = {"key": _text(prefix.encode()), "range_end": _text(_end_of(prefix)), "count_only": True}
        return int(self.call("/v3/kv/range", body).get("count", 0))

    def snapshot(self, to: BinaryIO) -> int:
        """Write a consistent snapshot of the whole database, with etcd's own digest at its end; the number of bytes."""
        written, remaining = 0, 1
        with self._answer("/v3/maintenance/snapshot", {}) as response:
            for line in response:
                part = json.loads(line)
                if "error" in part:
                    raise OSError(f"etcd broke the snapshot off: {part['error'].get('message', part['error'])}")
                remaining = int(part["result"].get("remaining_bytes", 0))
                written += to.write(base64.b64decode(part["result"].get("blob", "")))
        if remaining:
            raise OSError(f"etcd's snapshot ended {remaining} bytes early")
        return written

    @contextmanager
    def _answer(self, path: str, body: Mapping[str, Any]) -> Iterator[http.client.HTTPResponse]:
        connection = _Inside(self._site, self._context, here=self._here)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                raise OSError(f"etcd of site {self._site.name} answered {response.status}: {response.read(300).decode(errors='replace')}")
            yield response
        finally:
            connection.close()


class _Inside(http.client.HTTPSConnection):
    """A connection that is opened in the site's network: etcd listens on the loopback there, and nowhere else."""

    def __init__(self, site: Site, context: ssl.SSLContext, *, here: bool) -> None:
        super().__init__(LOOPBACK, site.ports.etcd, timeout=SECONDS)
        self._site, self._tls, self._here = site, context, here

    def connect(self) -> None:
        plain = socket.create_connection((LOOPBACK, self.port), timeout=SECONDS) if self._here else dial(self._site, self.port)
        self.sock = self._tls.wrap_socket(plain, server_hostname=LOOPBACK)


def dial(site: Site, port: int) -> socket.socket:
    """A connection to a port on the site's loopback. A socket stays in the network that it was made in, so a thread goes there to make it."""
    first = processes.first_process(site)
    if first is None:
        raise LocalError(f"Site {site.name!r} does not run", f"`commonweal local up {site.name}` starts it.")
    if not site.runs_pods:
        return socket.create_connection((LOOPBACK, port), timeout=SECONDS)

    def inside() -> socket.socket:
        with Path(f"/proc/{first}/ns/net").open("rb") as network:
            if _libc.setns(network.fileno(), CLONE_NEWNET):
                code = ctypes.get_errno()
                raise OSError(code, f"cannot enter the network of site {site.name}: {os.strerror(code)}")
        return socket.create_connection((LOOPBACK, port), timeout=SECONDS)

    with ThreadPoolExecutor(1) as there:
        return there.submit(inside).result()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _end_of(prefix: str) -> bytes:
    """The key after the last one with this prefix."""
    raw = prefix.encode()
    return raw[:-1] + bytes([raw[-1] + 1])
