"""Tickets: a sign-in page carries the request that it answers, sealed, and bound to the browser that asked for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from commonweal_runtime.identity.requests import AuthorizationRequest

TICKET_SECONDS = 900
_COOKIE = re.compile(r"^[A-Za-z0-9_-]{43}$")


class _Sealed(BaseModel):
    until: float
    request: AuthorizationRequest


class Tickets:
    """Seals requests with a key of this process, so that nothing is stored for people who never finish, and no field can be changed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._key = clock, secrets.token_bytes(32)

    def cookie(self, given: str | None) -> str:
        """Return the browser's cookie, or a new one; one cookie serves several open pages."""
        return given if given and _COOKIE.match(given) else secrets.token_urlsafe(32)

    def seal(self, request: AuthorizationRequest, cookie: str) -> str:
        """Return a ticket that only this browser can use, for a quarter of an hour."""
        data = _Sealed(until=self._clock() + TICKET_SECONDS, request=request).model_dump_json().encode()
        return f"{base64.urlsafe_b64encode(data).decode()}.{self._mac(data, cookie)}"

    def open(self, ticket: str, cookie: str | None) -> AuthorizationRequest | None:
        """Return the request, or None for a ticket that is old, changed, or another browser's."""
        encoded, _, mac = ticket.partition(".")
        try:
            data = base64.urlsafe_b64decode(encoded.encode())
        except (binascii.Error, ValueError):
            return None
        if not cookie or not hmac.compare_digest(mac.encode(), self._mac(data, cookie).encode()):
            return None
        try:
            sealed = _Sealed.model_validate_json(data)
        except ValidationError:
            return None
        return sealed.request if sealed.until > self._clock() else None

    def _mac(self, data: bytes, cookie: str) -> str:
        return hmac.new(self._key, data + b"." + cookie.encode(), hashlib.sha256).hexdigest()
