"""Asks an HTTP API for one answer: over TLS that is checked, within a time and a size, again where the API says later, and nowhere but at its own origin."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from commonweal_api.http_source import HttpSource
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import PageTooLargeError, SourceReadError, TooSoonError
from commonweal_runtime.store.sources import http_guard, trust
from commonweal_runtime.store.sources.contract import Credentials
from commonweal_runtime.store.sources.http_login import Login
from commonweal_runtime.store.sources.http_pages import bare, same_origin

REQUEST_SECONDS = 60.0  # for one answer, from the connection to its last byte
CONNECT_SECONDS = 5.0
TRIES = 5
LONGEST_WAIT = 60.0  # a load waits no longer for an API; the next one begins after that
MOST_BYTES = 8 << 20  # of an answer, unpacked
_TOKEN_BYTES = 1 << 16
_CHUNK = 1 << 16
_REDIRECTS, _MOST_REDIRECTS = frozenset({301, 302, 303, 307, 308}), 5
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: its URL after redirects, the headers that matter, and the body; `unchanged` where it said that nothing is new."""

    url: str
    body: bytes
    etag: str
    modified: str
    links: tuple[str, ...]
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class _Again:
    """An answer that another try can better; `wait` is what the API asks for, in seconds."""

    why: str
    wait: float | None = None


@asynccontextmanager
async def open_client(source: HttpSource, credentials: Credentials | None, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Client]:
    """Open what asks the API; nothing is asked yet. No proxy of the environment is taken, no cookie kept."""
    try:
        context = ssl.create_default_context(cadata=(credentials.authority if credentials else "") or None)
    except (ssl.SSLError, ValueError):
        raise SourceReadError(Reason.SOURCE_UNPROVEN, "The key ca.crt of the source's Secret holds no certificate.") from None
    login = Login(source, credentials)
    connector = aiohttp.TCPConnector(ssl=context, resolver=http_guard.GuardedResolver(), limit=2)
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    ) as session:
        yield Client(session, source, login, sleep)


class Client:
    """Asks one API."""

    def __init__(self, session: aiohttp.ClientSession, source: HttpSource, login: Login, sleep: Sleep) -> None:
        self._session, self._source, self._login, self._sleep = session, source, login, sleep

    async def get(self, url: str, page: int, conditions: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET. Whatever else comes of it is a SourceReadError that names URL and page, and says what to do."""
        where = f"{bare(url)}, page {page}"
        why = ""
        for attempt in range(TRIES):
            got = await self._tried(url, where, conditions or {})
            if isinstance(got, Answer):
                return got
            wait = got.wait if got.wait is not None else 2.0**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - spreads tries, no secret
            if wait > LONGEST_WAIT:
                detail = f"{where}: {got.why}, and wants to be asked again in {wait:.0f} s."
                raise TooSoonError(Reason.SOURCE_UNREACHABLE, detail, wait)
            why = got.why
            if attempt + 1 < TRIES:
                await self._sleep(wait)
        raise SourceReadError(Reason.SOURCE_UNREACHABLE, f"{where}: {why}, {TRIES} times in a row.")

    async def _tried(self, url: str, where: str, conditions: Mapping[str, str]) -> Answer | _Again:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._followed(url, where, conditions)
        except TimeoutError:
            return _Again(f"the API does not answer within {REQUEST_SECONDS:.0f} s")
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            raise _unproven(where, error) from None
        except aiohttp.ClientPayloadError:
            return _Again("the answer breaks off")
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL, ValueError):
            raise SourceReadError(Reason.ANSWER_REFUSED, f"{where}: the answer is no HTTP; see whether the port is the API's.") from None
        except (aiohttp.ClientError, OSError):
            return _Again("the API does not answer")

    async def _followed(self, url: str, where: str, conditions: Mapping[str, str]) -> Answer | _Again:
        headers = {h.name: h.value for h in self._source.headers}
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "commonweal", **headers, **conditions}
        headers |= await self._login.headers(self._token)
        for _ in range(_MOST_REDIRECTS + 1):
            http_guard.check_host(urlsplit(url).hostname or "")
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._judged(response, url, where)
                target = response.headers.get("Location", "")
                moved = same_origin(self._source.url, url, target)
            if moved is None:
                detail = (
                    f"{where}: the API sends to another place, {bare(target)}, and is not followed; write that URL if it is the right one."
                )
                raise SourceReadError(Reason.ADDRESS_REFUSED, detail)
            url = moved
        raise SourceReadError(
            Reason.ANSWER_REFUSED, f"{where}: the API sends on more than {_MOST_REDIRECTS} times; have its redirects corrected."
        )

    async def _judged(self, response: aiohttp.ClientResponse, url: str, where: str) -> Answer | _Again:
        status, later = response.status, response.headers.get("Retry-After", "")
        if status == 401 and self._login.renew():
            return _Again("the API refuses a token that it has given itself (401)", 0.0)
        if status in _LATER or (status == 403 and later):
            return _Again(f"the API answers {status}", waiting(later, datetime.now(UTC)))
        if status in {401, 403}:
            what = "who asks" if status == 401 else "what is asked for to who asks"
            raise SourceReadError(Reason.CREDENTIALS_REFUSED, f"{where}: the API refuses {what} ({status}).")
        unchanged = status == 304 and "If-None-Match" in response.request_info.headers
        if status != 200 and not unchanged:
            raise SourceReadError(Reason.ANSWER_REFUSED, f"{where}: the API answers {status} instead of 200{_remedy(status)}.")
        body = b"" if unchanged else await _body(response, where)
        named = [response.headers.get(name, "") for name in ("ETag", "Last-Modified")]
        return Answer(url, body, named[0], named[1], tuple(response.headers.getall("Link", ())), unchanged)

    async def _token(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Post a form for a token. A redirect is not followed: the client's secret goes to no other place."""
        http_guard.check_host(urlsplit(url).hostname or "")
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "commonweal", **headers}
        async with self._session.post(url, data=dict(form), headers=sent, allow_redirects=False) as response:
            if response.status in {400, 401, 403}:
                raise SourceReadError(Reason.CREDENTIALS_REFUSED, f"{url}: no token is given to this client ({response.status}).")
            if response.status in _LATER:
                raise SourceReadError(Reason.SOURCE_UNREACHABLE, f"{url}: no token is given now ({response.status}).")
            if response.status != 200:
                raise SourceReadError(
                    Reason.ANSWER_REFUSED, f"{url}: the answer is {response.status} instead of a token; correct auth.tokenUrl."
                )
            try:
                return json.loads(await first_of(response.content, _TOKEN_BYTES))
            except ValueError:
                raise SourceReadError(Reason.ANSWER_REFUSED, f"{url}: the answer is no JSON; correct auth.tokenUrl.") from None


async def first_of(content: aiohttp.StreamReader, most: int) -> bytes:
    """Return the first bytes of a body, in however many pieces it comes."""
    body = bytearray()
    while len(body) < most and (piece := await content.read(most - len(body))):
        body += piece
    return bytes(body)


def waiting(header: str, now: datetime) -> float | None:
    """Return how many seconds a header Retry-After asks for; None where it says nothing."""
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _remedy(status: int) -> str:
    if status in {404, 410}:
        return "; see whether url is right, and whether paging asks for a page after the last one"
    if status == 400:
        return "; see whether query and paging are what the API takes"
    return ""


def _unproven(where: str, error: aiohttp.ClientError) -> SourceReadError:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return trust.unproven(where, cause if isinstance(cause, ssl.SSLError) else ssl.SSLError())


async def _body(response: aiohttp.ClientResponse, where: str) -> bytes:
    """Return an answer's body, unpacked; SourceReadError where it is packed in a way that was not asked for, in another encoding, or too large."""
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in {"identity", "gzip", "x-gzip"}:
        raise SourceReadError(
            Reason.ANSWER_REFUSED, f"{where}: the answer is packed as {packed[:30]}; have the API send gzip, or plain JSON."
        )
    charset = (response.charset or "utf-8").lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise SourceReadError(
            Reason.ANSWER_REFUSED, f"{where}: the answer is in {charset[:30]}; JSON is UTF-8 (RFC 8259), have the API send that."
        )
    try:
        return await (_plain(response) if packed == "identity" else _unpacked(response))
    except PageTooLargeError:
        detail = f"{where}: the answer has more than {MOST_BYTES >> 20} MiB; ask for smaller pages by paging.size."
        raise SourceReadError(Reason.ANSWER_REFUSED, detail) from None
    except zlib.error:
        detail = f"{where}: the answer says that it is gzip, and is not, or is cut off; have the API's Content-Encoding corrected."
        raise SourceReadError(Reason.ANSWER_REFUSED, detail) from None


async def _plain(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MOST_BYTES:
            raise PageTooLargeError
    return bytes(body)


async def _unpacked(response: aiohttp.ClientResponse) -> bytes:
    """Unpack while it comes, and never more than may be in memory, however little it is packed."""
    body, unpacker = bytearray(), zlib.decompressobj(wbits=31)
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += unpacker.decompress(chunk, MOST_BYTES + 1 - len(body))
        if len(body) > MOST_BYTES or unpacker.unconsumed_tail:
            raise PageTooLargeError
    if not unpacker.eof:
        raise zlib.error
    return bytes(body)
