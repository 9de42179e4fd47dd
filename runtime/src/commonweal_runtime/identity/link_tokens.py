"""What a department signs once it has found a person's record: checked before a link is made. Nothing of it is believed before its signature holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from commonweal_api.people_issuer import IDENTITY
from commonweal_api.plan import audience_of
from commonweal_api.signatures import from_base64url, jws_header
from commonweal_runtime.exceptions import ProblemError, SignatureError
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.stored import Once
from commonweal_runtime.identity.vault import digest
from commonweal_runtime.link_token import LINK, SECONDS

SKEW = 30
LONGEST = 8192
LONGEST_ID = 200
_TEXTS = ("iss", "aud", "sub", "for", "sid", "jti")


class LinkToken(NamedTuple):
    """A department's word that a record is that of whoever asked: `asker` and `sid` are what it was told of the asking person and session."""

    department: str
    subject: UUID
    asker: str
    sid: str
    once: Once


def read(text: str, directory: Directory, now: float) -> LinkToken:
    """Return what a department signed, or raise the ProblemError that says what is wrong with it."""
    claims = _signed(text, directory)
    department = claims["iss"].removeprefix(audience_of(""))
    if claims["aud"] != IDENTITY:
        raise refused("aud", f"It is meant for another audience than {IDENTITY}.")
    begins, ends = claims["iat"], claims["exp"]
    if not 0 < ends - begins <= SECONDS:
        raise refused("exp", f"It is good for longer than {SECONDS} seconds, or for no time.")
    if begins > now + SKEW:
        raise refused("iat", "It is not valid yet; the clock of the department is ahead.")
    if now >= ends:
        raise refused("exp", "It has expired.")
    try:
        subject = UUID(claims["sub"])
    except ValueError:
        raise refused("sub", "It is not a department's id of a person.") from None
    once = Once(digest(f"link {department} {claims['jti']}"), float(ends) + SKEW)
    return LinkToken(department, subject, claims["for"], claims["sid"], once)


def _signed(text: str, directory: Directory) -> Mapping[str, Any]:
    """Return the claims if the department that they name made the signature, with a key that the directory has of it."""
    try:
        header = jws_header(text) if len(text) <= LONGEST else None
        if header is None or header.typ != LINK:
            raise refused("typ", f"It is not a signed text of the kind {LINK}.")
        department = _claimed(text)
        if directory.awaits_keys(department):
            raise keys_awaited()
        claims = directory.ring(department).open(LINK, text)
    except SignatureError:
        raise refused(
            "kid", "It is not signed with a key that the directory has of the data API of the department that it names."
        ) from None
    except (ValueError, RecursionError):
        raise refused("linkToken", "It is not a signed text in the form that departments use.") from None
    if not all(isinstance(claims.get(name), str) and 0 < len(claims[name]) <= LONGEST_ID for name in _TEXTS):
        raise refused("claims", f"It lacks one of {', '.join(_TEXTS)}, or one is too long.")
    if not all(isinstance(claims.get(name), int) and not isinstance(claims[name], bool) for name in ("iat", "exp")):
        raise refused("claims", "iat and exp must be whole numbers.")
    return claims


def _claimed(text: str) -> str:
    """Return the department that a text says it comes from. Its key decides whether that is so."""
    found = json.loads(from_base64url(text.split(".")[1]))
    issuer = found.get("iss") if isinstance(found, dict) else None
    department = issuer.removeprefix(audience_of("")) if isinstance(issuer, str) else ""
    if issuer != audience_of(department):
        raise refused("iss", "It does not say which department it comes from.")
    return department


def keys_awaited() -> ProblemError:
    return ProblemError(
        503,
        "DepartmentUnknown",
        "Not known yet",
        "The keys of this department's data API have not reached the issuer yet.",
        "Try again in two minutes.",
        {"Retry-After": "120"},
    )


def refused(place: str, detail: str) -> ProblemError:
    return ProblemError(
        400,
        "LinkTokenInvalid",
        "Link token not accepted",
        f"linkToken: {place}: {detail}",
        "Ask the department for a new one, with the token and in the session in which it is to be used.",
    )
