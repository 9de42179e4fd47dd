"""Waiting on a cluster: until an object is ready, until it is gone; with the reason when it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from commonweal_local.pulumi_kubernetes.cluster import Cluster, NotServed, Refused, Unreachable
from commonweal_local.pulumi_kubernetes.objects import Object, Reference, annotation, reference
from commonweal_local.pulumi_kubernetes.readiness import JUDGES, Verdict, condition, judge_of

DEFAULT_SECONDS = 600.0
SHORTEST_SECONDS, LONGEST_SECONDS = 0.25, 2.0
SHARE = 0.125
REASON_SECONDS = 5.0


@dataclass
class NotReady(Exception):  # noqa: N818 - it says what happened
    """The object is there, but did not become ready. `live` is its last known form."""

    message: str
    live: Object = field(repr=False)

    def __str__(self) -> str:
        return self.message


@dataclass
class Waiter:
    """Looks again until a deadline: soon at first, less often the longer it takes. `cancelled` ends every wait at once."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic

    def rounds(self, seconds: float) -> Iterator[float]:
        """Yield the seconds waited so far until the time is over or the wait is cancelled; the first time at once."""
        begun = self.clock()
        waited = 0.0
        yield waited
        while waited < seconds and not self.cancelled.wait(pause(waited)):
            waited = self.clock() - begun
            yield waited


def pause(waited: float) -> float:
    """Return the seconds until the next look: an eighth of those waited, so that hundreds of slow ones leave the server free. Pure."""
    return min(max(SHORTEST_SECONDS, SHARE * waited), LONGEST_SECONDS)


def timeout_of(inputs: Mapping[str, Any], requested: float) -> float:
    """Return the seconds to wait: customTimeouts, else the annotation `pulumi.com/timeoutSeconds`, else ten minutes."""
    text = annotation(inputs, "timeoutSeconds")
    return requested or (float(text) if text.isdigit() else DEFAULT_SECONDS)


def until_ready(cluster: Cluster, waiter: Waiter, inputs: Object, live: Object, seconds: float, tell: Callable[[str], None]) -> Object:
    """Return the live object once it is ready. Raises NotReady, naming what it waited for and what its pods say."""
    judge = judge_of(inputs)
    if judge is None:
        return live
    ref, verdict, told, reasons_at = reference(live), Verdict(ready=False, message="not seen yet"), "", REASON_SECONDS
    for waited in waiter.rounds(seconds):
        live = _look(cluster, ref) or live
        verdict = judge(live)
        if verdict.ready:
            return live
        if verdict.failed:
            break
        # The pods' own reasons change slowly and cost a request of their own.
        asked = waited >= reasons_at
        reasons_at = waited + REASON_SECONDS if asked else reasons_at
        line = "; ".join([verdict.message, *(_pod_reasons(cluster, live) if asked else [])])
        if (asked or not told.startswith(verdict.message)) and line != told:
            told = line
            tell(f"{ref}: {told}")
    reasons = "; ".join([verdict.message, *_pod_reasons(cluster, live)])
    ending = "failed" if verdict.failed else ("was cancelled" if waiter.cancelled.is_set() else f"was not ready within {seconds:g} s")
    raise NotReady(f"{ref} {ending}: {reasons}", live)


def until_gone(cluster: Cluster, waiter: Waiter, live: Object, seconds: float) -> None:
    """Return once the object, or its kind, is gone. Raises NotReady, naming the finalizers or contents that hold it."""
    ref, uid = reference(live), (live.get("metadata") or {}).get("uid")
    for _ in waiter.rounds(seconds):
        now = _look(cluster, ref, gone_with_kind=True)
        if now is None or (uid and now["metadata"].get("uid") != uid):
            return
        live = now
    finalizers = [*(live["metadata"].get("finalizers") or ()), *((live.get("spec") or {}).get("finalizers") or ())]
    content = [c.get("message", "") for c in (live.get("status") or {}).get("conditions") or () if c.get("status") == "True"]
    held = "; ".join(part for part in (f"finalizers {', '.join(finalizers)}" if finalizers else "", *content) if part)
    raise NotReady(
        f"{ref} was not gone within {seconds:g} s; held by {held or 'nothing it names'}. Let what holds it finish, or see to it by hand.",
        live,
    )


def _look(cluster: Cluster, ref: Reference, *, gone_with_kind: bool = False) -> Object | None:
    """Return the live object; a server that does not answer just now counts as nothing new."""
    try:
        return cluster.get(ref)
    except NotServed:
        return None
    except Unreachable:
        if gone_with_kind:
            raise
        return None


def _pod_reasons(cluster: Cluster, live: Mapping[str, Any]) -> list[str]:
    """Return what the pods of a workload say about why they do not run; nothing for other kinds."""
    if (live.get("apiVersion", "").partition("/")[0], live.get("kind")) not in JUDGES or live.get("kind") == "CustomResourceDefinition":
        return []
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if not labels:
        return []
    try:
        pods = cluster.list("v1", "Pod", reference(live).namespace, labels)
    except (Refused, Unreachable, NotServed):
        return []
    reasons = [text for pod in pods for text in pod_reasons(pod)]
    return reasons or ([] if pods else ["no pod of it exists: see the events of its ReplicaSet or quota"])


def pod_reasons(pod: Mapping[str, Any]) -> list[str]:
    """Return one line per reason why this pod is not ready; none for a ready one. Pure."""
    name, status = reference(pod).name, pod.get("status") or {}
    if condition(pod, "Ready").get("status") == "True" or status.get("phase") == "Succeeded":
        return []
    lines = []
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        lines.append(f"pod {name}: {scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}")
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        lines += _container_reasons(name, container)
    return lines or [f"pod {name}: {status.get('reason') or status.get('phase', 'Pending')}: {status.get('message', 'not ready')}"]


def _container_reasons(pod: str, container: Mapping[str, Any]) -> list[str]:
    state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated")
    where = f"pod {pod}, container {container.get('name')}"
    ended = state.get("terminated") or last
    lines = []
    if (waiting := state.get("waiting")) and waiting.get("reason") not in {"PodInitializing", "ContainerCreating"}:
        lines.append(f"{where}: {waiting.get('reason')}: {waiting.get('message', '')}")
    if ended and ended.get("exitCode"):
        lines.append(f"{where}: ended with code {ended['exitCode']} ({ended.get('reason', 'Error')}) {ended.get('message', '')}".rstrip())
    if not lines and not container.get("ready") and "running" in state:
        lines.append(f"{where}: runs, but is not ready")
    return lines
