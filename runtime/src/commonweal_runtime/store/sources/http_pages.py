"""How the pages of an HTTP API follow each other. Pure: a page comes in, the URL of the next one goes out, and what never ends is found out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urldefrag, urlencode, urljoin, urlsplit, urlunsplit

from commonweal_api.http_source import HttpPaging, HttpSource, PagingBy
from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources.json_text import ABSENT, Number, at, path_of

MOST_PAGES = 100_000
_LONGEST_URL = 8000
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[!#$%&\'*+.^_`|~\w-]+\s*(?:=\s*(?:"[^"]*"|[^",;\s]*))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its number, counted from 1, where it came from, what it says, its records, and its headers Link."""

    number: int
    url: str
    document: Any
    records: Sequence[Any]
    links: Sequence[str]
    digest: bytes


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL; ValueError if it has none."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def bare(url: str) -> str:
    """Return a URL as a message may show it: without its query, which can hold a key or a person's data."""
    return url.partition("?")[0].partition("#")[0][:300]


def same_origin(base: str, current: str, link: str) -> str | None:
    """Return the URL that a link of an answer means, if it is of the source's own host and port; None otherwise.

    An API behind a proxy often writes http: where it is asked over https:; it is asked over https.
    """
    try:
        found = urlsplit(urldefrag(urljoin(current, link.strip()))[0])
        if found.scheme == "http" and found.port in {None, 80}:
            found = found._replace(
                scheme="https", netloc=urlsplit(base).netloc if found.hostname == urlsplit(base).hostname else found.netloc
            )
        url = urlunsplit(found)
        if found.username is not None or found.password is not None or origin(url) != origin(base) or len(url) > _LONGEST_URL:
            return None
    except ValueError:
        return None
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


class Paging:
    """The walk through the pages of one load."""

    def __init__(self, source: HttpSource) -> None:
        self._source, self._paging = source, source.paging
        self._seen: set[bytes] = set()
        self.read = 0

    def first(self) -> str:
        """Return the URL of the first page."""
        paging = self._paging
        begin = {PagingBy.PAGE: str(_first(paging)), PagingBy.OFFSET: "0"}.get(paging.by) if paging is not None else None
        return self._asking(begin)

    def after(self, page: Page) -> str | None:
        """Return the URL of the page after one, None after the last. SourceReadError where the pages go round or lead away."""
        self.read += len(page.records)
        url = self._next(page)
        if url is None:
            return None
        if page.number >= MOST_PAGES:
            raise _refused(page, f"there are more than {MOST_PAGES} pages; ask for larger ones by paging.size")
        marks = [hashlib.sha256(url.encode()).digest()]
        if self._paging is not None and self._paging.by in {PagingBy.PAGE, PagingBy.OFFSET}:
            marks.append(page.digest)
        if page.number == 1:
            self._seen.add(hashlib.sha256(page.url.encode()).digest())
        if any(mark in self._seen for mark in marks):
            raise _refused(page, self._round())
        self._seen.update(marks)
        return url

    def _round(self) -> str:
        by = self._paging.by if self._paging is not None else None
        if by is PagingBy.CURSOR:
            return (
                "the cursor is one that was given before, so the pages never end; see whether paging.member and paging.parameter are right"
            )
        if by in {PagingBy.PAGE, PagingBy.OFFSET}:
            return "the same answer came before, so the API does not take paging.parameter, and the pages never end; correct it"
        return "the next page is one that was read before, so the pages never end; have the API corrected"

    def _next(self, page: Page) -> str | None:
        paging = self._paging
        if paging is None:
            return None
        if paging.by is PagingBy.LINK_HEADER:
            return self._followed(page, next_link(page.links))
        if paging.by in {PagingBy.PAGE, PagingBy.OFFSET}:
            return self._counted(page, paging)
        found = at(page.document, path_of(paging.member or ""))
        if found in (None, ABSENT, "", False):
            return None
        if isinstance(found, bool) or not isinstance(found, str):
            raise _refused(page, f"paging.member «{paging.member}» is neither a text nor a number")
        return self._asking(str(found)) if paging.by is PagingBy.CURSOR else self._followed(page, found)

    def _counted(self, page: Page, paging: HttpPaging) -> str | None:
        total = self.total(page)
        if not page.records or (total is not None and self.read >= total):
            return None
        return self._asking(str(_first(paging) + page.number if paging.by is PagingBy.PAGE else self.read))

    def _followed(self, page: Page, link: str | None) -> str | None:
        if not link:
            return None
        url = same_origin(self._source.url, page.url, link)
        if url is None:
            detail = f"{bare(self._source.url)}, page {page.number}: the next page lies elsewhere, at {bare(link)}, and is not asked for."
            raise SourceReadError(Reason.ADDRESS_REFUSED, detail)
        return url

    def total(self, page: Page) -> int | None:
        """Return the number of all records that a page tells; None where none is declared."""
        if self._paging is None or self._paging.total is None:
            return None
        found = at(page.document, path_of(self._paging.total))
        if not isinstance(found, Number) or not found.isdecimal() or len(found) > 18:
            raise _refused(page, f"paging.total «{self._paging.total}» is no whole number; correct it, or leave it out")
        return int(found)

    def _asking(self, value: str | None) -> str:
        query = [(p.name, p.value) for p in self._source.query]
        if self._paging is not None and self._paging.size_parameter is not None:
            query.append((self._paging.size_parameter, str(self._paging.size)))
        if value is not None and self._paging is not None and self._paging.parameter is not None:
            query.append((self._paging.parameter, value))
        return self._source.url + (f"?{urlencode(query, errors='replace')}" if query else "")


def next_link(headers: Sequence[str]) -> str | None:
    """Return the target with the relation `next` of headers Link (RFC 8288)."""
    for header in headers:
        for target, parameters in _LINK.findall(header):
            relation = _REL.search(parameters)
            if relation and "next" in (relation[1] or relation[2]).lower().split():
                return str(target)
    return None


def _first(paging: HttpPaging) -> int:
    return 1 if paging.first is None else paging.first


def _refused(page: Page, why: str) -> SourceReadError:
    return SourceReadError(Reason.ANSWER_REFUSED, f"{bare(page.url)}, page {page.number}: {why}.")
