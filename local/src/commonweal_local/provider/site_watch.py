"""Watching the sites themselves, as an informer watches objects: at once when one says something new or dies, and every few seconds whatever they say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from commonweal_local.provider.facts import Site
from commonweal_local.provider.local import Sites
from commonweal_local.provider.notices import Notices
from commonweal_local.sites.state import STATE

MOVING_SECONDS, RESTING_SECONDS = 0.5, 5.0


class SiteWatch:
    """`latest` holds what was last seen of each site; `changed(name)` is called with every difference."""

    def __init__(self, sites: Sites, threads: Executor, names: Callable[[], Iterable[str]], changed: Callable[[str], None]) -> None:
        self._sites, self._threads, self._names, self._changed = sites, threads, names, changed
        self.latest: dict[str, Site | None] = {}
        self._ends: dict[str, tuple[int, int]] = {}
        self._look_now = asyncio.Event()
        self._notices = Notices(self._heard)

    async def run(self) -> None:
        """Look until cancelled."""
        asyncio.get_running_loop().add_reader(self._notices.descriptor, self._notices.take)
        while True:
            self._look_now.clear()
            await asyncio.gather(*(self.look(name) for name in sorted(set(self._names()) | set(self.latest))))
            pause = MOVING_SECONDS if any(_moves(site) for site in self.latest.values()) else RESTING_SECONDS
            try:
                await asyncio.wait_for(self._look_now.wait(), pause)
            except TimeoutError:
                continue

    def close(self) -> None:
        """Stop waiting for the ends of processes."""
        for name in list(self._ends):
            self._forget_end(name)
        asyncio.get_running_loop().remove_reader(self._notices.descriptor)
        self._notices.close()

    async def look(self, name: str) -> Site | None:
        """See the site as it is now, and tell if that is new."""
        loop = asyncio.get_running_loop()
        self._notices.watch(self._sites.root / name)
        seen = await loop.run_in_executor(self._threads, self._sites.observe, name)
        known = name in self.latest
        before = self.latest.get(name)
        self.latest[name] = seen
        if name not in self._names() and seen is None:
            del self.latest[name]
        self._await_end(name, await loop.run_in_executor(self._threads, self._sites.pid, name))
        if not known or seen != before:
            self._changed(name)
        return seen

    def _await_end(self, name: str, pid: int | None) -> None:
        """Have the kernel say when the site's first process ends."""
        if pid == self._ends.get(name, (None, -1))[0]:
            return
        self._forget_end(name)
        if pid is not None:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            self._ends[name] = (pid, descriptor)
            asyncio.get_running_loop().add_reader(descriptor, self._ended, name)

    def _heard(self, file: str) -> None:
        if file == STATE:
            self._look_now.set()

    def _ended(self, name: str) -> None:
        self._forget_end(name)
        self._look_now.set()

    def _forget_end(self, name: str) -> None:
        _, descriptor = self._ends.pop(name, (0, -1))
        if descriptor >= 0:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


def _moves(site: Site | None) -> bool:
    return site is not None and (not site.running or not site.ready or not site.answers or site.changing)
