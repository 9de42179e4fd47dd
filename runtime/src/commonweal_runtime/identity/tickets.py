"""Tickets: a sign-in page carries the request that it answers, sealed, so that the issuer keeps nothing for people who never finish."""

from __future__ import annotations

from collections.abc import Callable

from commonweal_runtime.identity.requests import AuthorizationRequest
from commonweal_runtime.identity.sealing import Seal

TICKET_SECONDS = 900


class Tickets:
    """Requests that passed every check, for a quarter of an hour, and with no field changed."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._seal = Seal(key, "ticket", TICKET_SECONDS, clock)

    def seal(self, request: AuthorizationRequest) -> str:
        """Return a ticket."""
        return self._seal.seal(request.model_dump_json())

    def open(self, ticket: str) -> AuthorizationRequest | None:
        """Return the request, or None for a ticket that is old or changed."""
        text = self._seal.open(ticket)
        return None if text is None else AuthorizationRequest.model_validate_json(text)
