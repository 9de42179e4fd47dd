"""The portal put together, as far as it knows no HTTP framework: its settings, what it reaches, and how it draws."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commonweal_runtime.certificates import outside
from commonweal_runtime.portal.assets import Assets
from commonweal_runtime.portal.connection import Connection
from commonweal_runtime.portal.departments import Departments
from commonweal_runtime.portal.issuer import Issuer, Tokens
from commonweal_runtime.portal.limits import PAGES, SAYINGS, Allowance
from commonweal_runtime.portal.paper import set_faces
from commonweal_runtime.portal.rendering import Renderer
from commonweal_runtime.portal.settings import Settings
from commonweal_runtime.portal.visitor import Reached
from commonweal_runtime.portal.visits import Cookies
from commonweal_runtime.turns import Turns


@dataclass(frozen=True, slots=True)
class Portal:
    """Everything that a page needs."""

    settings: Settings
    assets: Assets
    renderer: Renderer
    cookies: Cookies
    connection: Connection
    reached: Reached
    turns: Turns
    pages: Allowance
    sayings: Allowance

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float] = time.time) -> Portal:
        """Return a portal with nothing under way."""
        connection = Connection(lambda: outside().context)
        issuer = Issuer(connection, url=settings.issuer, inner=settings.issuer_inner, portal=settings.url, clock=clock)
        tokens = Tokens(issuer, clock)
        assets = Assets(settings.assets)
        set_faces(assets.content("DejaVuSans.ttf"), assets.content("DejaVuSans-Bold.ttf"))
        reached = Reached(issuer, tokens, Departments(connection, issuer, tokens, deadline=settings.deadline, clock=clock))
        return cls(
            settings=settings,
            assets=assets,
            renderer=Renderer(),
            cookies=Cookies(settings.key, clock, secure=settings.secure),
            connection=connection,
            reached=reached,
            turns=Turns(at_once=4, waiting=12),
            pages=Allowance(PAGES, clock),
            sayings=Allowance(SAYINGS, clock),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be able to ask others while the block runs."""
        await self.connection.open()
        try:
            yield
        finally:
            await self.connection.close()
