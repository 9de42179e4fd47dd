"""A client that asks an API server one question at a time and waits for the answer: for commands, and for programs without an event loop.

Refusals are answers, too: what is asked is often whether something is refused.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_kube.protocol import JSON

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
PAGE: Final = 500
DRY: Final[Mapping[str, str]] = {"dryRun": "All"}
Login = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: HTTP status, the object (or a Status), the answer as text, and the server's clock."""

    status: int
    body: Mapping[str, Any]
    text: str = ""
    date: datetime | None = None

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


def near(tls: ssl.SSLContext) -> urllib3.PoolManager:
    """Return a pool for a server next door: through no proxy that the environment names, and nothing is asked twice."""
    return urllib3.PoolManager(ssl_context=tls, retries=False)


class Api:
    """One API server. `login` gives the headers that say who asks; a login by certificate is the pool's.

    Nothing is asked twice unless the pool was told to. Every call raises what `silence` returns when the server does not answer.
    """

    def __init__(self, url: str, pool: urllib3.PoolManager, login: Login = dict, read_seconds: float = READ_SECONDS) -> None:
        self.url, self._pool, self._login, self._seconds = url, pool, login, read_seconds

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        user: str = "",
        group: str = "",
        content: str = JSON,
        seconds: float | None = None,
    ) -> Answer:
        """Ask, as `user` of `group` if one is named (impersonated: the caller needs the right to). `seconds` may pass between two parts of the answer."""
        response = self._send(method, path, body, query=query, user=user, group=group, content=content, seconds=seconds)
        try:
            raw = response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.silence(method, path, error) from error
        finally:
            response.release_conn()
        return _answer(response, raw.decode(errors="replace"))

    def call(self, method: str, path: str, body: Any = None, *, content: str = JSON, seconds: float | None = None) -> Any:
        """Ask, and return the object, or text where it is none. Raises ApiError when the server refuses."""
        return self._accepted(method, path, self.ask(method, path, body, content=content, seconds=seconds))

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the object, or None when there is none. Raises ApiError when the server refuses."""
        answer = self.ask("GET", path)
        return None if answer.status == 404 else dict(self._accepted("GET", path, answer))

    def silence(self, method: str, path: str, cause: Exception) -> Exception:
        """Return what is raised when the server does not answer."""
        return ApiServerUnavailableError(f"{method} {path}: {cause!r}")

    def refusal(self, method: str, path: str, error: ApiError) -> Exception:  # noqa: ARG002 - for those who say more
        """Return what is raised when the server refuses."""
        return error

    def _accepted(self, method: str, path: str, answer: Answer) -> Any:
        if answer.status >= 400:
            raise self.refusal(method, path, ApiError(answer.status, {"message": answer.text[:300], **answer.body}))
        return answer.body or (json.loads(answer.text) if answer.text[:1] in ("{", "[") else answer.text)

    def items(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield a collection's objects, each with its kind, which items of a list lack. Raises ApiError when the server refuses."""
        token = ""
        while True:
            joint = "&" if "?" in path else "?"
            page = self.call("GET", f"{path}{joint}limit={PAGE}" + (f"&continue={token}" if token else ""))
            named = {"apiVersion": page["apiVersion"], "kind": str(page["kind"]).removesuffix("List")}
            yield from (named | item for item in page["items"] or ())
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def follow(self, path: str, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield what the server sends line by line, until it ends the stream or is silent for so long."""
        response = self._send("GET", path, seconds=seconds)
        try:
            if response.status >= 400:
                raise ApiError(response.status, {"message": response.read().decode(errors="replace")[:300]})
            for line in response:
                yield json.loads(line)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.silence("GET", path, error) from error
        finally:
            response.close()

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        user: str = "",
        group: str = "",
        content: str = JSON,
        seconds: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": JSON, **self._login(), **({} if body is None else {"Content-Type": content})}
        if user:
            headers["Impersonate-User"] = user
        if group:
            headers["Impersonate-Group"] = group
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds or self._seconds)
        try:
            return self._pool.request(method, url, body=data, headers=headers, timeout=timeout, preload_content=False, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.silence(method, path, error) from error


def _answer(response: urllib3.BaseHTTPResponse, text: str) -> Answer:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    stamp = response.headers.get("Date")
    return Answer(response.status, parsed if isinstance(parsed, dict) else {}, text, parsedate_to_datetime(stamp) if stamp else None)
