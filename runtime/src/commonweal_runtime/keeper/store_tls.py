"""Keeps the store's certificate: PostgreSQL itself writes what the keeper makes beside its data, and reads it without ending a connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg

from commonweal_runtime.store.certificate import Certificate, issue
from commonweal_runtime.store.names import literal, literals
from commonweal_runtime.store.postgres import PYTHON

LONGEST_PAUSE = 3600.0
RETRY_SECONDS = 5.0
_PROGRAM = f'"${PYTHON}" -m commonweal_runtime.store.present'

log = logging.getLogger(__name__)
Connect = Callable[[], Awaitable[Any]]


async def place(store: Any, certificate: Certificate) -> None:
    """Have PostgreSQL present a certificate from now on, to whoever connects next. `store` is a superuser's connection."""
    lines = literals([line for line in (certificate.key + certificate.certificate).splitlines() if line])
    await store.execute(f"copy (select unnest({lines})) to program {literal(_PROGRAM)}")
    await store.execute("select pg_reload_conf()")


async def keep(connect: Connect, database_key: bytes, host: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Give the store a certificate for `host` and renew it in time, for ever; while the store is away it keeps the one it has."""
    renew_at = now()
    while True:
        pause = LONGEST_PAUSE
        if now() >= renew_at:
            try:
                renew_at = await _renew(connect, database_key, host, now())
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("the store's certificate is not renewed yet: %s", type(error).__name__)
                pause = RETRY_SECONDS
        await asyncio.sleep(pause)


async def _renew(connect: Connect, database_key: bytes, host: str, now: datetime) -> datetime:
    certificate = issue(database_key, host, now)
    connection = await connect()
    try:
        await place(connection, certificate)
    finally:
        connection.terminate()
    return certificate.renew_at
