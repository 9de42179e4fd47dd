"""How the portal asks others: one client for all, answers of bounded size, in bounded time, from addresses that are secured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from ssl import SSLContext
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from commonweal_runtime.certificates import is_secured
from commonweal_runtime.exceptions import DepartmentAnswerError, DepartmentSilentError

LONGEST_ANSWER = 16 * 2**20
SECONDS = 10.0
MOVED = 421


class Answer(NamedTuple):
    """What was answered: status, headers by their lower-case names, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, name: str) -> Any:
        """Return the JSON; DepartmentSilentError of `name` for what is none."""
        try:
            return orjson.loads(self.body) if self.body else None
        except orjson.JSONDecodeError:
            raise DepartmentSilentError(name) from None


class Connection:
    """Asks over HTTP. `trust` says which authorities to believe at the moment."""

    def __init__(self, trust: Callable[[], SSLContext]) -> None:
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready to ask; called when the application starts."""
        # No cookies: what one body sets must reach no other. Many bodies at once, few connections to each.
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=1000, limit_per_host=100),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            auto_decompress=True,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, name: str, method: str, url: str, **more: Any) -> Answer:
        """Return the answer of an address; DepartmentSilentError of `name` when there is none, or none that is safe to take."""
        if self._session is None or not is_secured(url):
            raise DepartmentSilentError(name)
        try:
            async with self._session.request(method, url, ssl=self._trust(), allow_redirects=False, **more) as answer:
                body = b"".join([part async for part in _bounded(answer)])
                headers = {key.lower(): value for key, value in answer.headers.items()}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise DepartmentSilentError(name) from None
        return Answer(answer.status, headers, body)


async def _bounded(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    length = 0
    async for part in answer.content.iter_chunked(2**16):
        length += len(part)
        if length > LONGEST_ANSWER:
            raise ValueError("the answer is too long")
        yield part


def moved_to(answer: Answer, path: str) -> str | None:
    """Return the address of `path` at the new site if an answer says that the body has moved, and names a secured one."""
    base = answer.headers.get("location", "")
    return f"{base.rstrip('/')}{path}" if answer.status == MOVED and is_secured(base) else None


def refusal(name: str, answer: Answer) -> DepartmentAnswerError:
    """Return the error of an answer that is no success; without a problem document its reason is that of the status."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        found = None
    problem = found if isinstance(found, dict) else {}
    reason = problem.get("reason") or problem.get("error") or f"Status{answer.status}"
    retry = answer.headers.get("retry-after", "0")
    return DepartmentAnswerError(name, answer.status, str(reason), int(retry) if retry.isdecimal() else 0)


def at(base: str, address: str, inner: str) -> str:
    """Return an address of a service as it is reached from here: with `inner` in place of its public `base`."""
    parts, place = urlsplit(address), urlsplit(inner)
    if not address.startswith(base):
        return address
    return urlunsplit(parts._replace(scheme=place.scheme, netloc=place.netloc, path=place.path + parts.path[len(urlsplit(base).path) :]))
