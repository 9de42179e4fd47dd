"""People with browsers, as the load on the portal: each signs in at the issuer, keeps cookies and connections, and comes from an address of their own."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from types import TracebackType
from typing import Self

import aiohttp
from portal_site import PASSWORD, Site, person
from progress import Progress

from commonweal_api.pairwise import pairwise
from commonweal_api.people_issuer import PORTAL_WEB
from commonweal_api.plan import audience_of
from commonweal_runtime.portal.issuer import ACCESS_TOKEN, EXCHANGE
from commonweal_runtime.portal.visits import Cookies
from support.data_api import SECTOR_KEY

_TICKET, _TOKEN = re.compile(r'name="ticket" value="([^"]+)"'), re.compile(r'name="form_token" value="([0-9a-f]+)"')
AGREEMENT, CONSUMER = "yes", "health"


class BusyError(RuntimeError):
    """A page was refused because too many are under way: what the portal, the issuer or a body says beyond what it can carry."""


class Person:
    """One person with a browser."""

    def __init__(self, site: Site, number: int) -> None:
        self.site, self.number, self.subject = site, number, pairwise(SECTOR_KEY, person(number)[1])
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.1.{number}", 0))
        self.http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def get(self, path: str) -> str:
        """Return a page of the portal; RuntimeError for anything but a page."""
        async with self.http.get(self.site.portal + path, allow_redirects=False) as answer:
            text = await answer.text()
        if answer.status != 200:
            kind = BusyError if answer.status == 503 else RuntimeError
            raise kind(f"{path}: {answer.status} {text[:500]}")
        return text

    async def sign_in(self) -> None:
        """Sign in as people do: from the portal to the issuer's form, and back."""
        async with self.http.get(f"{self.site.portal}/sign-in") as answer:
            ticket = _TICKET.search(await answer.text())
        if ticket is None:
            raise RuntimeError(f"no form to sign in: {answer.status}")
        form = {"ticket": unescape(ticket[1]), "username": person(self.number)[0], "password": PASSWORD}
        async with self.http.post(f"{self.site.issuer}/authorize", data=form) as answer:
            if answer.status != 200:
                raise RuntimeError(f"not signed in: {answer.status} {await answer.text()}")

    async def timed(self, path: str) -> float:
        """Return the seconds until a page was there."""
        begun = time.perf_counter()
        await self.get(path)
        return time.perf_counter() - begun

    async def token(self, body: str) -> str:
        """Return this session's token for a body, as the portal gets it."""
        cookies = Cookies(self.site.key, time.time, secure=False)
        session = cookies.open(next(c.value for c in self.http.cookie_jar if c.key == cookies.name)).session
        if session is None:
            raise RuntimeError("the portal's cookie holds no session")
        form = {
            "grant_type": EXCHANGE,
            "client_id": PORTAL_WEB,
            "subject_token": session.token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": audience_of(body),
        }
        async with self.http.post(f"{self.site.issuer}/token", data=form) as answer:
            return str((await answer.json())["access_token"])

    async def form_token(self, path: str) -> str:
        """Return the token that a page's form carries."""
        found = _TOKEN.search(await self.get(path))
        if found is None:
            raise RuntimeError(f"{path}: no form")
        return found[1]


class People:
    """So many people, all signed in."""

    def __init__(self, site: Site, count: int) -> None:
        self._site, self._count = site, count
        self.all: list[Person] = []

    async def __aenter__(self) -> Self:
        self.all = [Person(self._site, n + 1) for n in range(self._count)]
        progress = Progress(f"{self._count} people sign in", self._count)
        for n, one in enumerate(self.all):
            await one.sign_in()
            progress.at(n + 1)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for one in self.all:
            await one.http.close()


@dataclass(frozen=True)
class Load:
    """What one stretch of load found: seconds by page, pages a second, and the portal's own processor time for a page, in seconds."""

    times: dict[str, list[float]]
    rate: float
    processor: float
    refused: int

    @property
    def all(self) -> list[float]:
        """The seconds of all pages."""
        return [time for times in self.times.values() for time in times]


async def load(people: Sequence[Person], pages: Sequence[str], seconds: float, think: float) -> Load:
    """Have people open the pages in turn for `seconds`; each reads for `think` seconds on average, from half of it to half as much again."""
    times: dict[str, list[float]] = {page: [] for page in pages}
    refused: list[str] = []
    site, end = people[0].site, time.perf_counter() + seconds

    async def visit(one: Person) -> None:
        await asyncio.sleep(random.uniform(0, think))
        at = random.randrange(len(pages))
        while time.perf_counter() < end:
            at += 1
            page = pages[at % len(pages)]
            try:
                times[page].append(await one.timed(page))
            except BusyError:
                if think:
                    raise
                refused.append(page)
                await asyncio.sleep(1)  # as one who is told to try again
            await asyncio.sleep(random.uniform(0.5, 1.5) * think)

    begun, before = time.perf_counter(), site.spent()
    await asyncio.gather(*(visit(one) for one in people))
    count = sum(map(len, times.values()))
    return Load(times, count / (time.perf_counter() - begun), (site.spent() - before) / count, len(refused))


@dataclass(frozen=True)
class Denials:
    """Seconds from the click to the refusal of the consumer's next read: through the portal's form, and through the bare API. `stale` reads were answered."""

    portal: list[float]
    bare: list[float]
    stale: int


class Withdrawals:
    """Withdrawals at one body, and its consumer that reads."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._body, self._api = next(iter(site.bodies.items()))
        self._consumer = site.tokens.client(CONSUMER, "app", aud=audience_of(self._body))

    async def round(self, people: Sequence[Person], progress: Progress) -> Denials:
        """Have each person withdraw once in either way, in an order drawn anew."""
        found, stale = Denials([], [], 0), 0
        for n, one in enumerate(people):
            token = await one.token(self._body)
            for way in random.sample(["portal", "bare"], 2):
                await self._say(one, token, "Given")
                if await self._read(one) != 200:
                    raise RuntimeError("consented, and not read")
                ready = await one.form_token(self._check("?say=Withdrawn")) if way == "portal" else ""
                begun = time.perf_counter()
                await (self._click(one, ready) if way == "portal" else self._say(one, token, "Withdrawn"))
                stale += await self._read(one) == 200
                getattr(found, way).append(time.perf_counter() - begun)
            progress.at(n + 1)
        return Denials(found.portal, found.bare, stale)

    def _check(self, query: str = "") -> str:
        return f"/agreements/{self._body}/{AGREEMENT}/check{query}"

    async def _click(self, one: Person, form_token: str) -> None:
        form, headers = {"say": "Withdrawn", "form_token": form_token}, {"Origin": self._site.portal}
        async with one.http.post(self._site.portal + self._check(), data=form, headers=headers, allow_redirects=False) as answer:
            if answer.status != 303:
                raise RuntimeError(f"{answer.status} {await answer.text()}")

    async def _say(self, one: Person, token: str, what: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with one.http.put(f"{self._api}/me/consents/{AGREEMENT}", headers=headers, json={"state": what}) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {await answer.text()}")

    async def _read(self, one: Person) -> int:
        headers = {"Authorization": f"Bearer {self._consumer}", "Purpose": f"{CONSUMER}/serve"}
        async with one.http.get(f"{self._api}/v1/people/subjects/{one.subject}", headers=headers) as answer:
            await answer.read()
        return answer.status
