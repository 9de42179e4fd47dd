"""Mistakes in an HTTP API as a product's source."""

from __future__ import annotations

from typing import Any

from support.manifests import HTTP, VOLUME, Change, data_product, drop, put
from support.refusals import ONE_OF, PATTERN, REQUIRED, TOO_LOW, Bad, Words, bad


def _source(what: str, field: str, remedy: Words | str, source: Any, *changes: Change) -> Bad:
    return bad(f"DataProduct: {what}", data_product(put("spec.source", source), *changes), f"spec.source{field}", remedy)


_API, _PAGING, _SIGNED = "spec.source.http", "spec.source.http.paging", "spec.source.http.auth"
_BY_LINK = {"by": "LinkHeader"}
APIS = [
    _source("API and files", "", "set exactly one of postgres, mysql, parquet, csv, excel and http", HTTP | VOLUME),
    _source("API in the clear", ".http.url", PATTERN, HTTP, put(f"{_API}.url", "http://a.example/people")),
    _source("API with a key in its address", ".http.url", PATTERN, HTTP, put(f"{_API}.url", "https://a.example/people?key=1")),
    _source("API with a login in its address", ".http.url", PATTERN, HTTP, put(f"{_API}.url", "https://me:pw@a.example/people")),
    _source("API with nowhere to read", ".http.url", REQUIRED, HTTP, drop(f"{_API}.url")),
    _source("pages of a kind that does not exist", ".http.paging.by", ONE_OF, HTTP, put(f"{_PAGING}.by", "Guess")),
    _source("a cursor from nowhere", ".http.paging.member", "name what holds the next page", HTTP, drop(f"{_PAGING}.member")),
    _source("a cursor to nowhere", ".http.paging.parameter", "name the query parameter", HTTP, drop(f"{_PAGING}.parameter")),
    _source("a header with a member", ".http.paging.member", "leave it out otherwise", HTTP, put(_PAGING, {**_BY_LINK, "member": "next"})),
    _source(
        "a header with a parameter", ".http.paging.parameter", "leave it out otherwise", HTTP, put(_PAGING, {**_BY_LINK, "parameter": "p"})
    ),
    _source("a header with a first page", ".http.paging.first", "only pages are counted", HTTP, put(_PAGING, {**_BY_LINK, "first": 0})),
    _source(
        "a size without its parameter", ".http.paging.size", "set size and sizeParameter together", HTTP, drop(f"{_PAGING}.sizeParameter")
    ),
    _source("pages of nothing", ".http.paging.size", TOO_LOW, HTTP, put(f"{_PAGING}.size", 0)),
    _source("a token from nowhere", ".http.auth.tokenUrl", "name where tokens are given", HTTP, drop(f"{_SIGNED}.tokenUrl")),
    _source(
        "a scope for a password", ".http.auth.scope", "only ClientCredentials has one", HTTP, put(_SIGNED, {"by": "Basic", "scope": "x"})
    ),
    _source("a key in no header", ".http.auth.header", "name the header that carries the key", HTTP, put(_SIGNED, {"by": "Header"})),
    _source(
        "a sign-in without a Secret", ".http.credentials", "name the Secret that auth signs in with", HTTP, drop(f"{_API}.credentials")
    ),
    _source(
        "a password in a header",
        ".http.headers[].name",
        "sign in by auth",
        HTTP,
        put(f"{_API}.headers", [{"name": "AUTHORIZATION", "value": "Basic eA=="}]),
    ),
    _source(
        "two lines in a header", ".http.headers[0].value", PATTERN, HTTP, put(f"{_API}.headers", [{"name": "A", "value": "a\r\nb: c"}])
    ),
    _source("a column over two lines", ".http.records", PATTERN, HTTP, put(f"{_API}.records", "a\nb")),
]
