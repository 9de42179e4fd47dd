"""What a refused request is told: RFC 9457 problem details with a stable `reason` and a `remedy`.

A reason once published keeps its meaning. A detail names fields of the request or of the agreement, never a person's data, and never
the text of a database error, which can hold data.
"""

from __future__ import annotations

from types import MappingProxyType

from commonweal_runtime.exceptions import ProblemError

MEDIA_TYPE = "application/problem+json"


_BEARER = MappingProxyType({"WWW-Authenticate": 'Bearer realm="commonweal"'})
_BEARER_INVALID = MappingProxyType({"WWW-Authenticate": 'Bearer realm="commonweal", error="invalid_token"'})
_RETRY = MappingProxyType({"Retry-After": "2"})


def token_missing() -> ProblemError:
    return ProblemError(
        401,
        "TokenMissing",
        "No token",
        "The request carries no bearer token.",
        "Send `Authorization: Bearer <token>` with a token whose audience is this department.",
        _BEARER,
    )


def token_invalid(detail: str, remedy: str) -> ProblemError:
    return ProblemError(401, "TokenInvalid", "Token not accepted", detail, remedy, _BEARER_INVALID)


def keys_unavailable(issuer: str) -> ProblemError:
    return ProblemError(
        503,
        "IssuerUnavailable",
        "Tokens cannot be checked",
        f"The keys of the issuer {issuer} cannot be fetched, so no token of it is accepted.",
        "Try again in a few seconds; if it stays so, the platform team looks at the issuer.",
        _RETRY,
    )


def issuer_not_set() -> ProblemError:
    return ProblemError(
        503,
        "IssuerUnavailable",
        "Tokens cannot be checked",
        "This site names no issuer of people's tokens, so no person can sign in.",
        "The platform team sets the site's value identity.issuer to the issuer of its people, or identity.enabled to run the small one for trials.",
    )


def invalid_request(detail: str, remedy: str) -> ProblemError:
    return ProblemError(400, "InvalidRequest", "Request not understood", detail, remedy)


def no_such_page(detail: str = "There is nothing under this address.") -> ProblemError:
    return ProblemError(404, "NotFound", "Not found", detail, "See /openapi.json for the addresses of this service.")
