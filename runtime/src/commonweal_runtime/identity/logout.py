"""Telling applications that a session has ended (OpenID Connect Back-Channel Logout), whoever ended it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import aiohttp

from commonweal_runtime.certificates import outside
from commonweal_runtime.identity.clients import Client
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.stored import Member

DEADLINE_SECONDS = 5.0
PAUSES = (1.0, 5.0)  # between attempts; whoever misses all of them learns of it when its token is refused
MOST_AT_ONCE, MOST_WAITING = 16, 1000

log = logging.getLogger(__name__)


class Post(Protocol):
    """What sends a logout token and returns the status of the answer; it raises aiohttp's errors, OSError and TimeoutError."""

    def __call__(self, url: str, token: str, /) -> Awaitable[int]: ...


async def post(url: str, token: str) -> int:
    """Send a logout token. The application is not followed elsewhere."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(url, data={"logout_token": token}, ssl=outside().context, allow_redirects=False) as answer,
    ):
        return answer.status


class Farewells:
    """Sends logout tokens beside the answer that ended the session. Each is tried three times; what fails is logged with the application's id alone."""

    def __init__(
        self,
        issuer: Issuer,
        clients: Mapping[str, Client],
        post: Post = post,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._issuer, self._clients, self._post, self._pause = issuer, clients, post, pause
        self._under_way: set[asyncio.Task[bool]] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    def send(self, members: Iterable[Member], why: str) -> None:
        """Tell these applications, from now on, that a session of theirs has ended."""
        told = list(members)
        log.info("a session has ended: %s; %d applications", why, len(told))
        for member in told:
            client = self._clients.get(member.client)
            if client is None or client.backchannel_logout_uri is None:
                continue
            if len(self._under_way) >= MOST_WAITING:
                log.warning("%s was not told that a session has ended: too many wait", member.client)
                continue
            task = asyncio.create_task(self._delivered(client.backchannel_logout_uri, member))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def settled(self) -> None:
        """Return when nothing is under way any more."""
        await asyncio.gather(*self._under_way)

    async def stop(self) -> None:
        """Give what is under way one more deadline, then give it up."""
        _, late = await asyncio.wait(self._under_way, timeout=DEADLINE_SECONDS) if self._under_way else (set(), set())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _delivered(self, url: str, member: Member) -> bool:
        async with self._places:
            for pause in (*PAUSES, None):
                try:
                    status = await self._post(url, self._issuer.logout_token(member.client, member.sid))
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    why = type(error).__name__
                else:
                    if status in (200, 204):
                        return True
                    why = f"status {status}"
                    if status == 400:  # the application has understood, and refuses: it would again
                        break
                if pause is not None:
                    await self._pause(pause)
            log.warning("%s was not told that a session has ended: %s", member.client, why)
            return False
