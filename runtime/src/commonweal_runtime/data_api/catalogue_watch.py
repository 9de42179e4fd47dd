"""Keeps the catalogue up to date: read anew whenever the keeper says that something changed, and every few seconds in case that was missed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg

from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.catalogue import Agreement, Catalogue, parse
from commonweal_runtime.data_api.connections import Address
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.store.names import login_of
from commonweal_runtime.store.schema import SERVICES

LOGIN = "api"
CHANNEL = "commonweal_catalogue"
EVERY_SECONDS = 5.0
RETRY_SECONDS = 0.5
_STATEMENT = "select agreement.catalogue()"

log = logging.getLogger(__name__)


class CatalogueWatch:
    """The catalogue as last read. `closing` is told the logins that may stay connected after each reading."""

    def __init__(self, address: Address, closing: Any) -> None:
        self._address, self._closing = address, closing
        self._catalogue: Catalogue | None = None
        self._text: str | None = None
        self._connection: Any = None
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()

    @property
    def known(self) -> bool:
        """Whether a catalogue has ever been read."""
        return self._catalogue is not None

    def catalogue(self) -> Catalogue:
        """Return the catalogue; without one nothing can be judged, so that is a 503."""
        if self._catalogue is None:
            raise problems.store_unavailable()
        return self._catalogue

    async def closed(self, agreement: Agreement) -> ProblemError:
        """Return why the store has just refused this agreement's login."""
        try:
            await self._read()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return problems.store_unavailable()
        if agreement.number in self.catalogue().numbers:
            return problems.store_unavailable()
        return problems.no_agreement("this client")

    async def follow(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever a dying connection raises: without the watch no agreement would open or close here again
                log.warning("catalogue: %s; trying again", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await self._address.open(LOGIN)
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._changed.set())
            self._connection = connection
            while True:
                self._changed.clear()
                await self._read()
                try:
                    async with asyncio.timeout(EVERY_SECONDS):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._connection = None
            connection.terminate()

    async def _read(self) -> None:
        async with self._reading:
            if self._connection is None:
                raise OSError("not connected")
            text: str = await self._connection.fetchval(_STATEMENT)
            if text == self._text:
                return
            self._catalogue, self._text = parse(text), text
            self._closing({*SERVICES, *(login_of(n) for n in self._catalogue.numbers)})
