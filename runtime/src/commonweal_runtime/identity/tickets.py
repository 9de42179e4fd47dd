"""Tickets: a sign-in page carries the request that it answers, sealed, so that the issuer keeps nothing and needs no cookie."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable

from pydantic import BaseModel

from commonweal_runtime.identity.requests import AuthorizationRequest

TICKET_SECONDS = 900


class _Sealed(BaseModel):
    until: float
    request: AuthorizationRequest


class Tickets:
    """Seals requests with a key of this process, so that nothing is stored for people who never finish, and no field can be changed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._key = clock, secrets.token_bytes(32)

    def seal(self, request: AuthorizationRequest) -> str:
        """Return a ticket that is good for a quarter of an hour."""
        data = _Sealed(until=self._clock() + TICKET_SECONDS, request=request).model_dump_json().encode()
        return f"{base64.urlsafe_b64encode(data).decode()}.{self._mac(data)}"

    def open(self, ticket: str) -> AuthorizationRequest | None:
        """Return the request, or None for a ticket that is old or changed."""
        encoded, _, mac = ticket.partition(".")
        try:
            data = base64.urlsafe_b64decode(encoded.encode())
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(mac.encode(), self._mac(data).encode()):
            return None
        sealed = _Sealed.model_validate_json(data)
        return sealed.request if sealed.until > self._clock() else None

    def _mac(self, data: bytes) -> str:
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()
