"""Devices on which a person has signed in. Such a device is told apart from strangers when somebody guesses that person's password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from pydantic import BaseModel

from commonweal_runtime.identity.sealing import Seal

DEVICE_SECONDS = 180 * 86400
COOKIE = "commonweal-device"


class _Device(BaseModel):
    person: str
    id: str


class Devices:
    """Cookies that say: somebody signed in here as this person. They let nobody in; they only decide whose limit an attempt counts towards."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._seal = Seal(key, "device", DEVICE_SECONDS, clock)

    def cookie(self, username: str) -> str:
        """Return the value of the cookie for a device on which this person has just signed in."""
        return self._seal.seal(_Device(person=_hidden(username), id=secrets.token_urlsafe(12)).model_dump_json())

    def of(self, cookie: str, username: str) -> str | None:
        """Return the id of the device if this person has signed in on it, else None."""
        text = self._seal.open(cookie)
        if text is None:
            return None
        device = _Device.model_validate_json(text)
        return device.id if hmac.compare_digest(device.person, _hidden(username)) else None


def _hidden(username: str) -> str:
    return hashlib.sha256(username.encode()).hexdigest()
