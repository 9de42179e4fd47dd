"""The provider: watches in, one queue of Clusters, workers that gather, decide, report and take one step, until nothing is left to do.

A start or a change of a site is begun and then watched, never waited for, so that no worker is held by a site.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from commonweal_kube.client import Api
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_kube.informer import Informer
from commonweal_kube.objects import Change
from commonweal_kube.queue import Key, Priority, WorkQueue
from commonweal_local.exceptions import CommandFailedError, LocalError
from commonweal_local.provider.backoff import Attempts
from commonweal_local.provider.cache import KindCache
from commonweal_local.provider.decide import Step, decide, wanted_size, wants_change, wants_size
from commonweal_local.provider.facts import SHARED_SITE, Facts, Mode, Problem, Site
from commonweal_local.provider.fleet import Fleet
from commonweal_local.provider.kinds import SOURCES, Kind
from commonweal_local.provider.local import KNOWN, Sites
from commonweal_local.provider.report import infra_status, plane_status
from commonweal_local.provider.site_watch import SiteWatch
from commonweal_local.provider.writes import Writes
from commonweal_local.sites.api import Unreachable

log = logging.getLogger(__name__)
STEPS_AT_ONCE = 12
AGAIN_SECONDS, FREE_SECONDS = 30.0, 2.0
REASONS = {Step.START: "StartFailed", Step.CHANGE: "ChangeFailed", Step.END: "EndFailed"}
OF_A_SITE = (LocalError, CommandFailedError, TimeoutError, *Unreachable)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Provider:
    """`api` carries requests, `watches` the watches, which hold a connection each."""

    api: Api
    watches: Api
    sites: Sites
    default: Mode
    workers: int = 8
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _now

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.default)
        self.queue = WorkQueue(self.clock, base=0.2)
        self.attempts = Attempts(self.clock)
        self.writes = Writes(self.api, self.fleet.objects, self._took)
        self.threads = ThreadPoolExecutor(12, thread_name_prefix="site")
        self.watch = SiteWatch(self.sites, self.threads, self.fleet.sites, self._site_changed)
        self.informers = [
            Informer(self.watches, source.collection, KindCache(kind, self.fleet.objects, self._changed))
            for kind, source in SOURCES.items()
        ]
        self._shared = asyncio.Lock()
        self._introduced: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Run until cancelled. No worker starts before every kind has been listed: nothing follows from a half-filled cache."""
        try:
            async with asyncio.TaskGroup() as group:
                for informer in self.informers:
                    group.create_task(informer.run())
                for informer in self.informers:
                    await informer.synced.wait()
                log.info("synced: %d objects", len(self.fleet.objects))
                group.create_task(self.queue.run_clock())
                group.create_task(self.watch.run())
                for _ in range(self.workers):
                    group.create_task(self._work())
        finally:
            self.watch.close()
            self.threads.shutdown(wait=False, cancel_futures=True)

    # What changed --------------------------------------------------------------------------------------------------

    def _changed(self, change: Change) -> None:
        asked = frozenset(self.fleet.shared)
        for key in self.fleet.note(change):
            self.queue.add(key, Priority.SPEC)
        if asked != frozenset(self.fleet.shared):
            # What one Cluster of mode Shared asks for may decide about all of them.
            for key in self.fleet.behind(SHARED_SITE):
                self.queue.add(key, Priority.RESYNC)

    def _took(self, body: Mapping[str, Any]) -> None:
        change = self.fleet.objects.put(body)
        if change is not None:
            self._changed(change)

    def _site_changed(self, name: str) -> None:
        for key in self.fleet.behind(name):
            self.queue.add(key, Priority.SPEC)

    # Work ----------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            key, _ = await self.queue.get(Priority.RESYNC)
            try:
                await self.reconcile(key)
            except ApiError as error:
                self._again(key, error if error.status not in (404, 409) else None)
            except (ApiServerUnavailableError, *OF_A_SITE) as error:
                self._again(key, error)
            except Exception:  # a defect must cost one key, not the worker
                log.exception("%s/%s: a defect", key.tenant, key.name)
                self._again(key, None)
            else:
                self.queue.forget(key)
            finally:
                self.queue.done(key)

    def _again(self, key: Key, error: Exception | None) -> None:
        pause = self.queue.retry(key, Priority.RESYNC)
        if error is not None:
            log.warning("%s/%s: %s; again in %.1f s", key.tenant, key.name, error, pause)

    async def reconcile(self, key: Key) -> None:
        """Bring one Cluster to what its objects ask for, and report."""
        for _ in range(STEPS_AT_ONCE):
            facts = await self.gather(key)
            step = decide(facts)
            if step in (Step.NOTHING, Step.START, Step.CHANGE, Step.END):
                await self._report(facts)
            if step is Step.NOTHING:
                break
            if not await self._take(key, facts, step):
                facts = await self.gather(key)
                await self._report(facts)
                self.queue.add_after(key, Priority.RESYNC, max(1.0, facts.wait))
                break
        self._look_again(key, facts)

    def _look_again(self, key: Key, facts: Facts) -> None:
        """Have what can get well by itself looked at again: nothing tells of a disk that has room, or of a pause that is over."""
        if facts.wait > 0:
            self.queue.add_after(key, Priority.RESYNC, facts.wait)
        elif facts.machine is not None and facts.plane is not None:
            self.queue.add_after(key, Priority.RESYNC, FREE_SECONDS if facts.machine.obstacle else AGAIN_SECONDS)

    async def _report(self, facts: Facts) -> None:
        for seen, status in ((facts.infra, infra_status(facts)), (facts.plane, plane_status(facts))):
            if seen is not None:
                await self.writes.status(seen, status, self.now())

    async def gather(self, key: Key) -> Facts:
        """Everything that is known of one Cluster now."""
        mode, name = self.fleet.mode(key), self.fleet.site_of(key)
        members = {kind: self.fleet.member(key, kind) for kind in Kind}
        site = await self._site(name, mode) if name and (members[Kind.INFRA] or members[Kind.PLANE]) else None
        attempt = self.attempts.of(name or key.name, well=site is not None and site.ready and not site.changing and not site.change_error)
        facts = Facts(
            name=key.name,
            namespace=key.tenant,
            cluster=members[Kind.CLUSTER],
            infra=members[Kind.INFRA],
            plane=members[Kind.PLANE],
            secret=members[Kind.SECRET],
            site=site,
            mode=mode,
            wanted_version=self.fleet.wanted_version(key, KNOWN),
            wanted_blueprint=self.fleet.wanted_blueprint(key),
            known=KNOWN,
            others=self.fleet.shared.total(),
            failure=attempt.problem,
            wait=attempt.wait,
            introduced=mode is not Mode.PODS or site is None or (site.name, site.digest) in self._introduced,
        )
        return await self._with_machine(facts, name)

    async def _site(self, name: str, mode: Mode) -> Site | None:
        """A site of one Cluster is looked at each time; the one that hundreds share only by its watch."""
        if mode is Mode.SHARED and name in self.watch.latest:
            return self.watch.latest[name]
        return await self.watch.look(name)

    async def _with_machine(self, facts: Facts, name: str | None) -> Facts:
        site = facts.site
        if name and (site is None or not site.running or site.error):
            return replace(facts, machine=await self._blocking(self.sites.machine, facts, name))
        if site is not None and site.answers and facts.mode is Mode.PODS and wants_size(facts):
            return replace(facts, site=replace(site, requested_mib=await self._blocking(self.sites.requested_mib, site.name)))
        return facts

    async def _blocking(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call, *arguments)

    # Steps ---------------------------------------------------------------------------------------------------------

    async def _take(self, key: Key, facts: Facts, step: Step) -> bool:
        """Take one step; False when it did not work, which is then remembered for the report."""
        name = self.fleet.site_of(key)
        try:
            await self._steps()[step](facts, name)
        except OF_A_SITE as error:
            log.warning("%s/%s: %s: %s", key.tenant, key.name, step, error)
            self.attempts.failed(name or key.name, Problem(REASONS.get(step, "StepFailed"), str(error)))
            return False
        return True

    def _steps(self) -> Mapping[Step, Callable[[Facts, Any], Any]]:
        return {
            Step.HOLD: self._hold,
            Step.START: self._start,
            Step.CHANGE: self._change,
            Step.SECRET: self._secret,
            Step.ENDPOINT: self._endpoint,
            Step.INTRODUCE: self._introduce,
            Step.END: self._end,
            Step.RELEASE: self._release,
        }

    async def _hold(self, facts: Facts, _: str) -> None:
        for seen in (facts.infra, facts.plane):
            if seen is not None and not seen.held:
                await self.writes.hold(seen)

    async def _start(self, facts: Facts, name: str) -> None:
        async with self._shared if facts.mode is Mode.SHARED else asyncio.Lock():
            now = await self.watch.look(name)
            if now is None or not now.running or now.error:
                self.attempts.begun(name)
                await self._blocking(self.sites.start, facts, name)
                await self.watch.look(name)

    async def _change(self, facts: Facts, name: str) -> None:
        async with self._shared if facts.mode is Mode.SHARED else asyncio.Lock():
            now = await self.watch.look(name)
            if now is not None and not now.changing and (wants_change(replace(facts, site=now)) or now.change_error):
                self.attempts.begun(name)
                await self._blocking(self.sites.change, facts, now, wanted_size(facts))
                await self.watch.look(name)

    async def _secret(self, facts: Facts, name: str) -> None:
        if facts.plane is not None:
            await self.writes.secret(facts.plane, await self._blocking(self.sites.kubeconfig, name))

    async def _introduce(self, facts: Facts, name: str) -> None:
        if facts.site is not None:
            self._introduced.add((name, facts.site.digest))
            await self._blocking(self.sites.introduce)

    async def _endpoint(self, facts: Facts, _: str) -> None:
        if facts.infra is not None and facts.site is not None:
            await self.writes.endpoint(facts.infra, facts.site.host, facts.site.port)

    async def _end(self, facts: Facts, name: str | None) -> None:
        """End what is this Cluster's alone; the shared API server goes with the last that uses it."""
        async with self._shared if facts.mode is Mode.SHARED else asyncio.Lock():
            last = facts.mode is not Mode.SHARED or not self.fleet.shared.total()
            mine = facts.site is None or facts.site.cluster == facts.owner
            if name and last and mine:
                await self._blocking(self.sites.end, name)
                await self.watch.look(name)
        if facts.plane is not None:
            await self.writes.release(facts.plane)

    async def _release(self, facts: Facts, _: str | None) -> None:
        if facts.infra is not None:
            await self.writes.release(facts.infra)
