"""What a refused request is told: RFC 9457 problem details with a stable `reason` and a `remedy`.

A reason once published keeps its meaning. A detail names fields of the request or of the agreement, never a person's data, and never
the text of a database error, which can hold data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://commonweal.dev/problems/"
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - it is what RFC 9457 calls it
    """One refusal: raise it, and the application answers with it."""

    status: int
    reason: str
    title: str
    detail: str
    remedy: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)

    @property
    def type_(self) -> str:
        """The URI of the problem's description."""
        return TYPE_BASE + _WORD.sub("-", self.reason).lower()

    def document(self) -> dict[str, str | int]:
        """Return the members of the problem document."""
        return {
            "type": self.type_,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
            "remedy": self.remedy,
        }

    def body(self) -> bytes:
        """Return the problem document as JSON, for `MEDIA_TYPE`."""
        return orjson.dumps(self.document())

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.detail} {self.remedy}"


_BEARER = MappingProxyType({"WWW-Authenticate": 'Bearer realm="commonweal"'})
_BEARER_INVALID = MappingProxyType({"WWW-Authenticate": 'Bearer realm="commonweal", error="invalid_token"'})
_RETRY = MappingProxyType({"Retry-After": "2"})


def token_missing() -> Problem:
    return Problem(
        401,
        "TokenMissing",
        "No token",
        "The request carries no bearer token.",
        "Send `Authorization: Bearer <token>` with a token whose audience is this department.",
        _BEARER,
    )


def token_invalid(detail: str, remedy: str) -> Problem:
    return Problem(401, "TokenInvalid", "Token not accepted", detail, remedy, _BEARER_INVALID)


def keys_unavailable(issuer: str) -> Problem:
    return Problem(
        503,
        "IssuerUnavailable",
        "Tokens cannot be checked",
        f"The keys of the issuer {issuer} cannot be fetched, so no token of it is accepted.",
        "Try again in a few seconds; if it stays so, the platform team looks at the issuer.",
        _RETRY,
    )


def issuer_not_set() -> Problem:
    return Problem(
        503,
        "IssuerUnavailable",
        "Tokens cannot be checked",
        "This site names no issuer of people's tokens, so no person can sign in.",
        "The platform team sets the site's value identity.issuer to the issuer of its people, or identity.enabled to run the small one for trials.",
    )


def invalid_request(detail: str, remedy: str) -> Problem:
    return Problem(400, "InvalidRequest", "Request not understood", detail, remedy)


def no_such_page(detail: str = "There is nothing under this address.") -> Problem:
    return Problem(404, "NotFound", "Not found", detail, "See /openapi.json for the addresses of this service.")
