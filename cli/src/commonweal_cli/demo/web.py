"""Calls to a site's services, timed. One connection per base URL is kept open, as a real client does."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commonweal_cli.kubectl import Cluster
from commonweal_local.surroundings import believing
from commonweal_stacks.manifests import NAMESPACE

_TAKEN_SECONDS, _ANSWER_SECONDS = 10, 60


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is the parsed JSON object, or the text under the key `text`."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    milliseconds: float

    @property
    def reason(self) -> str:
        """The stable reason of a refusal, or an empty string."""
        return str(self.body.get("reason", ""))

    def brief(self) -> str:
        """Say in a few words what was answered."""
        return f"{self.status} {self.reason}".strip() if self.status >= 400 else f"{self.status}"


@dataclass
class Caller:
    """A client that holds a token; `trust` is what a server's certificate is checked by. Not for several threads at once."""

    base: str
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask with GET."""
        return self.call("GET", path, None, **headers)

    def call(self, method: str, path: str, body: object | None, **headers: str) -> Answer:
        """Send `body` as JSON (a string as a form) and return the answer; a kept connection that died is opened anew once."""
        sent = {"Accept": "application/json", **self.headers, **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded" if isinstance(body, str) else "application/json"
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        started = time.perf_counter()
        try:
            return self._exchange(method, path, data, sent, started)
        except (http.client.HTTPException, ConnectionError, ssl.SSLEOFError):
            self.close()
            return self._exchange(method, path, data, sent, started)

    def _exchange(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], started: float) -> Answer:
        if self._connection is None:
            self._connection = _connected(self.base, self.trust)
        prefix = urllib.parse.urlsplit(self.base).path.rstrip("/")
        self._connection.request(method, prefix + path, data, dict(headers))
        response = self._connection.getresponse()
        text = response.read().decode()
        took = (time.perf_counter() - started) * 1e3
        parsed = json.loads(text) if text.lstrip().startswith("{") else {"text": text}
        return Answer(response.status, parsed, {k.lower(): v for k, v in response.getheaders()}, took)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        """A caller that is forgotten leaves no connection open."""
        self.close()


def trust_of(cluster: Cluster) -> ssl.SSLContext:
    """Return what the certificates of a site's services are checked by."""
    return believing(cluster.authority(NAMESPACE))


def _connected(base: str, trust: ssl.SSLContext | None, tries: int = 2) -> http.client.HTTPConnection:
    """Return an open connection. One that is not taken in time is tried again: nothing was sent, and the next may be led to a pod that has not just gone."""
    connection = _connection(base, trust)
    try:
        connection.connect()
    except TimeoutError:
        connection.close()
        if tries == 1:
            raise
        return _connected(base, trust, tries - 1)
    connection.sock.settimeout(_ANSWER_SECONDS)
    return connection


def _connection(base: str, trust: ssl.SSLContext | None) -> http.client.HTTPConnection:
    where = urllib.parse.urlsplit(base)
    if where.scheme == "https":
        return http.client.HTTPSConnection(where.hostname or "", where.port, timeout=_TAKEN_SECONDS, context=trust)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=_TAKEN_SECONDS)
