"""The level-triggered core: somebody calls `observe`, it brings the cluster to what the rules want.

Nothing is concluded from one event, and nothing from a half-filled cache: workers start when every list has been read, and what a list lacks is
asked for once more before it counts as deleted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import orjson

from commonweal_api.common import API_VERSION
from commonweal_api.ending import ENDING
from commonweal_kube.client import FIELD_MANAGER, Api
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError, ResourceExpiredError
from commonweal_kube.objects import Change, ObjectCache
from commonweal_kube.protocol import MERGE
from commonweal_kube.queue import Key, Priority, WorkQueue
from commonweal_kube.status import same, stamped
from commonweal_operator.desired.manifest import Child
from commonweal_operator.engine.apply import Applied, Applier, Problem
from commonweal_operator.engine.children import ChildCache
from commonweal_operator.engine.keys import KeysWanted
from commonweal_operator.engine.metrics import Counters

log = logging.getLogger(__name__)
Inputs = TypeVar("Inputs")
PASS_SECONDS, LONGEST_SLEEP = 30.0, 3600.0
PAGE = 100  # objects in one answer: what a tenant may write is large, and a page is decoded in one go
Enqueues = Iterable[tuple[Key, Priority]]


class Rules(Protocol[Inputs]):
    """What the kinds mean. `Inputs` is what a pass over one object decides from: one value, gathered from the caches; all that takes it is pure."""

    def collections(self) -> Mapping[str, str]:
        """Return the collection path of each kind, over all namespaces."""

    def path(self, key: Key) -> str:
        """Return the object's path."""

    def changed(self, change: Change) -> Enqueues:
        """Return what a change of one of our objects asks for."""

    def child_changed(self, kind: str, namespace: str, name: str) -> Enqueues:
        """Return what a change of a child asks for."""

    def gather(self, key: Key, now: datetime) -> Inputs | None:
        """Return all that a pass decides from, or None when there is nothing to do."""

    def children(self, inputs: Inputs) -> Sequence[Child]:
        """Return what the object shall own."""

    def complete(self, inputs: Inputs) -> bool:
        """Return whether `children` names everything already, or only once the keys are there."""

    def keys_of(self, inputs: Inputs) -> KeysWanted | None:
        """Return whose keys shall be there: they are made once and never rewritten."""

    def hold(self, inputs: Inputs) -> bool | None:
        """Return whether the object is to be held by our finalizer, or let go, from now on; None when it is as it should be."""

    def status(self, inputs: Inputs, problems: Sequence[Problem]) -> Mapping[str, Any]:
        """Return the status without its times."""

    def wake_at(self, inputs: Inputs) -> datetime | None:
        """Return when time alone will change the answer."""


class Keys(Protocol):
    """What makes keys."""

    def invalidate(self) -> None:
        """Forget which keys are there: no watch tells of them."""

    async def ensure(self, wanted: KeysWanted, api: Api) -> Problem | None:
        """Make the keys that are missing; return what stands in the way."""

    async def certify(self, wanted: KeysWanted, api: Api) -> Problem | None:
        """Make and renew the certificates alone; return what stands in the way."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Engine(Generic[Inputs]):
    """`bulk` carries ordinary writes; `urgent` is a second pool, so that a revocation never waits for a free connection."""

    bulk: Api
    urgent: Api
    objects: ObjectCache
    rules: Rules[Inputs]
    keys: Keys
    children: ChildCache = field(init=False)
    workers: int = 16
    reserved: int = 4
    resync_seconds: float = 600.0
    now: Callable[[], datetime] = _utc_now
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.queue = WorkQueue(time.monotonic)
        self.children = ChildCache(self.bulk, self._child_changed)
        self.applier = Applier(self.children, self.counters)
        self.ready = asyncio.Event()
        self._relisted = asyncio.Event()

    # Observe ------------------------------------------------------------------------------------------------------

    def observe(self, event: str | None, body: Mapping[str, Any], key: Key) -> None:
        """Take one watch event. Cheap, cannot fail, may come late or twice. An event without a type for a known object is a relist: resync."""
        meta = body["metadata"]
        if event == "DELETED":
            self._enqueue(self.objects.drop(key, meta["uid"], int(meta["resourceVersion"])))
            return
        if event is None and self.objects.get(key) is not None:
            self._relisted.set()
        self._enqueue(self.objects.put(body))

    def _enqueue(self, change: Change | None) -> None:
        for key, priority in self.rules.changed(change) if change is not None else ():
            self.queue.add(key, priority)

    def _child_changed(self, kind: str, namespace: str, name: str) -> None:
        for key, priority in self.rules.child_changed(kind, namespace, name):
            self.queue.add(key, priority)

    async def resync(self) -> None:
        """LIST is the truth: missing keys come in, and keys that it lacks become deletions after one live GET each."""
        self._relisted.clear()
        self.keys.invalidate()
        self.children.invalidate()
        for kind, path in self.rules.collections().items():
            present: set[Key] = set()
            listed = 0
            async for page in self.bulk.pages(path, size=PAGE):
                listed = int(page["metadata"]["resourceVersion"])
                for item in page["items"]:
                    # Items of a list carry neither apiVersion nor kind.
                    body = {"apiVersion": page["apiVersion"], "kind": kind} | item
                    key = self.objects.key_of(body)
                    self._enqueue(self.objects.put(body))
                    present.add(key)
                    self.queue.add(key, Priority.RESYNC)
                    await asyncio.sleep(0)  # objects are parsed one at a time, with everything else in between
            await self._confirm_absent(kind, present, listed)
            self.objects.forget_deletions(listed)
        self.counters.resyncs += 1

    async def _confirm_absent(self, kind: str, present: set[Key], listed: int) -> None:
        for record in self.objects:
            if record.key.kind != kind or record.key in present or record.version > listed:
                continue
            try:
                body = await self.bulk.call("GET", self.rules.path(record.key))
            except ApiError as error:
                if error.status != 404:
                    raise
                self._enqueue(self.objects.drop(record.key, record.uid, listed))
            else:
                self._enqueue(self.objects.put(body))

    # Reconcile ----------------------------------------------------------------------------------------------------

    async def reconcile(self, key: Key, priority: Priority) -> None:
        """Bring one object to what the rules want, and report. The same pass for every cause.

        What is reported is of what was decided from; only if the pass has written something is it gathered again, for then it has brought about news.
        """
        record, inputs = self.objects.get(key), self.rules.gather(key, self.now())
        self.counters.reconciles += 1
        if record is None or inputs is None:
            return
        api = self.urgent if priority is Priority.REVOCATION else self.bulk
        applied = await self._bring_about(api, key, record.uid, inputs)
        for problem in applied.problems:
            log.warning("%s %s/%s: %s: %s", key.kind, key.tenant, key.name, problem.reason, problem.message)
        news = self.rules.gather(key, self.now()) if applied.written else inputs
        if news is not None:
            await self._report(api, key, self.rules.status(news, applied.problems))
            self._wake(key, news)
            await self._hold(api, key, record.uid, self.rules.hold(news))
        if applied.failure is not None:
            raise applied.failure

    def _wake(self, key: Key, inputs: Inputs) -> None:
        wake, now = self.rules.wake_at(inputs), self.now()
        if wake is not None:
            # At least hourly: the timer counts on while the machine's clock may be set.
            self.queue.add_after(key, Priority.REVOCATION, min(max(0.0, (wake - now).total_seconds()), LONGEST_SLEEP))

    async def _bring_about(self, api: Api, key: Key, uid: str, inputs: Inputs) -> Applied:
        children, wanted = self.rules.children(inputs), self.rules.keys_of(inputs)
        if not children:
            return Applied()
        applied = await self.applier.all(api, uid, children)
        if wanted is None or any(problem.kind == "Namespace" for problem in applied.problems):
            return applied
        hindered = bool(applied.problems) or applied.failure is not None
        try:
            # Certificates end, whatever else stands in the way: what serves goes on serving.
            problem = await (self.keys.certify(wanted, api) if hindered else self.keys.ensure(wanted, api))
        except (ApiError, ApiServerUnavailableError) as error:
            applied.failure = applied.failure or error
            return applied
        applied.problems += [problem] if problem else []
        if problem is None and not hindered and not self.rules.complete(inputs):
            again = self.rules.gather(key, self.now())
            applied = await self.applier.all(api, uid, self.rules.children(again) if again is not None else ())
        return applied

    async def _hold(self, api: Api, key: Key, uid: str, hold: bool | None) -> None:
        """Put our finalizer on, or take it off, whoever else may claim it: a copy that was put back from a backup is held by its name, too."""
        if hold is None:
            return
        path = self.rules.path(key)
        if hold:
            metadata = {"name": key.name, "uid": uid, "finalizers": [ENDING]}
            await api.apply(path, orjson.dumps({"apiVersion": API_VERSION, "kind": key.kind, "metadata": metadata}))
        else:
            meta = (await api.call("GET", path))["metadata"]
            left = [name for name in meta.get("finalizers") or () if name != ENDING]
            change = {"uid": uid, "resourceVersion": meta["resourceVersion"], "finalizers": left}
            await api.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", orjson.dumps({"metadata": change}), content=MERGE)
        self.counters.applies += 1

    async def _report(self, api: Api, key: Key, status: Mapping[str, Any]) -> None:
        record, now = self.objects.get(key), self.now()
        if record is None or (record.deleting and not record.held) or same(record.status, status):
            return
        # The uid is a precondition: another object of the same name must not get this status.
        body = orjson.dumps({"metadata": {"uid": record.uid}, "status": stamped(record.status, status, now)})
        reply = await api.call("PATCH", f"{self.rules.path(key)}/status?fieldManager={FIELD_MANAGER}", body, content=MERGE)
        self.counters.statuses += 1
        # The reply may carry a spec newer than the one just applied, and then the watch event for it will look old: take it as a change.
        if self.objects.get(key) is not None:
            self._enqueue(self.objects.put(reply))

    # Run ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled. No worker starts before every cache is full."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.children.run(), name="children")
            await asyncio.gather(self.children.synced(), self._first_resync())
            self.ready.set()
            log.info("synced: %d objects, %d children", len(self.objects), len(self.children))
            group.create_task(self.queue.run_clock(), name="clock")
            group.create_task(self._resync_forever(), name="resync")
            for i in range(self.workers):
                group.create_task(self._work(Priority.RESYNC), name=f"worker-{i}")
            for i in range(self.reserved):
                group.create_task(self._work(Priority.REVOCATION), name=f"revoker-{i}")

    async def _first_resync(self) -> None:
        while not await self._try_resync():  # noqa: ASYNC110 - there is no event to wait for: it is asked again
            await asyncio.sleep(1.0)

    async def _resync_forever(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._relisted.wait(), self.resync_seconds)
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(1.0)  # a relist comes as many events: one resync answers them all
            await self._try_resync()

    async def _try_resync(self) -> bool:
        try:
            await self.resync()
        except (ApiError, ApiServerUnavailableError, ResourceExpiredError) as error:
            log.warning("resync failed: %r", error)
            return False
        return True

    async def _work(self, worst: Priority) -> None:
        while True:
            key, priority = await self.queue.get(worst)
            try:
                async with asyncio.timeout(PASS_SECONDS):
                    await self.reconcile(key, priority)
            except ApiError as error:
                self._after_error(key, priority, error)
            except (ApiServerUnavailableError, TimeoutError) as error:
                self._again(key, priority, repr(error))
            except Exception:  # a defect must cost one key, not the worker
                log.exception("%s/%s: a defect", key.tenant, key.name)
                self._again(key, priority, "defect")
            else:
                self.queue.forget(key)
            finally:
                self.queue.done(key)

    def _after_error(self, key: Key, priority: Priority, error: ApiError) -> None:
        if error.terminating or error.status == 404:
            self.queue.forget(key)  # final: the namespace or the object goes away, and its events will tell
        else:
            self._again(key, priority, str(error))

    def _again(self, key: Key, priority: Priority, why: str) -> None:
        self.counters.errors += 1
        log.warning("%s %s/%s: %s; again in %.2f s", key.kind, key.tenant, key.name, why, self.queue.retry(key, priority))
