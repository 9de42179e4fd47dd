"""How an answer goes out: with a strong ETag over its bytes, and as 304 to whoever has these bytes already."""

from __future__ import annotations

import hashlib
from typing import Any

from litestar import Request, Response

from commonweal_runtime.serving import JSON

# Nothing personal is left in a cache on the way; an application that may keep a record keeps its ETag beside it.
PERSONAL = "no-store"
PUBLIC = "public, no-cache"
VERSION = "Product-Version"


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a body: the same bytes have the same tag at every replica and every site."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def answer(
    request: Request[Any, Any, Any], body: bytes, *, cache: str = PERSONAL, version: str | None = None, media_type: str = JSON
) -> Response[bytes]:
    """Return the answer to a GET. What was read is recorded by then, so a 304 has been recorded as well."""
    tag = etag_of(body)
    headers = {"Cache-Control": cache, "ETag": tag} | ({VERSION: version} if version else {})
    if _has(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(body, media_type=media_type, headers=headers)


def _has(asked: str | None, tag: str) -> bool:
    """Return whether an If-None-Match header names the tag; RFC 9110 compares weakly here."""
    if asked is None:
        return False
    return asked.strip() == "*" or any(part.strip().removeprefix("W/") == tag for part in asked.split(","))
