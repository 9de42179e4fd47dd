"""The store's certificate: whoever holds the department's database key knows which one is good. Pure.

The authority's key is derived from the database key, as the logins' passwords are, so the data API checks what the keeper makes without being told anything; the model runtime
is given the authority's certificate. Whoever could sign in the store's place holds every login already.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from commonweal_api.store_access import store_authority
from commonweal_runtime.certificates import client_context

LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key as PEM, and when it is to be replaced: after two thirds of its life."""

    certificate: str
    key: str
    renew_at: datetime


def issue(database_key: bytes, host: str, now: datetime) -> Certificate:
    """Return a new certificate of the store that listens at `host`, a DNS name or an address."""
    issued = store_authority(database_key).issue([host], now, now + LIFETIME)
    return Certificate(issued.certificate, issued.key, now + LIFETIME * 2 / 3)


@cache
def trust(authority: str) -> ssl.SSLContext:
    """Return what a client of the store checks its certificate and its name by: `authority` (PEM), and no other, counts."""
    context = client_context(system=False)
    context.load_verify_locations(cadata=authority)
    return context
