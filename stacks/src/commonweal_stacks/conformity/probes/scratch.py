"""The place where probes try things: two departments that exist for some seconds, made by the operator as any other, and nothing after that.

They do not come to life: they are marked as arriving from another site, so that their keys are awaited for ever, and no pod of ours starts without
them. A server that does not know of the quota yet lets pods in all the same; those are taken away before anything is tried, or the probe would find
its own department full. Everything carries `LABEL` and is swept at the start of each run, too: a run that was killed leaves nothing for longer than
until the next. A Lease keeps two runs from sweeping each other.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.move import ARRIVING
from commonweal_kube.blocking import Answer
from commonweal_kube.protocol import MERGE
from commonweal_stacks.api import Api
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.manifests import NAMESPACE
from commonweal_stacks.waiting import within

LABEL: Final = "commonweal.dev/probe"
OURS: Final[dict[str, str]] = {"labelSelector": f"{LABEL}=true"}
A, B = "commonweal-probe-a", "commonweal-probe-b"
OPEN: Final = "/api/v1/namespaces/commonweal-probe"  # no department's: no policy holds there
REGISTRAR: Final = "registrar"
CLAIM: Final = "1Gi"  # the least that every provisioner gives
DEPARTMENTS: Final = "/apis/commonweal.dev/v1alpha1/departments"
LEASES: Final = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
LEASE: Final = "commonweal-probe"
LEASE_SECONDS, RENEWED_SECONDS = 300, 60.0
# A site at rest needs some seconds of each; only what hangs needs all of it.
READY_SECONDS, GONE_SECONDS = 180.0, 180.0

Say = Callable[[str], None]
_never = threading.Event()


def space(department: str) -> str:
    """Return the path of a scratch department's own namespace."""
    return f"/api/v1/namespaces/{namespace_of(department)}"


def platform_space(department: str) -> str:
    """Return the path of the platform's namespace for a scratch department."""
    return f"/api/v1/namespaces/{platform_namespace_of(department)}"


def meta(name: str) -> dict[str, Any]:
    """Return the metadata of an object that the next sweep takes away."""
    return {"name": name, "labels": {LABEL: "true"}}


def department(name: str) -> dict[str, Any]:
    """Return a department whose quota lets one probe's pod and volume in, and whose store never starts."""
    spec = {
        "displayName": "Conformity probe",
        "contact": "mailto:conformity@commonweal.invalid",
        "quota": {"cpu": "1", "memory": "128Mi", "storage": CLAIM, "objects": 9},
        "registrars": [REGISTRAR],
        "store": {"size": CLAIM},
    }
    metadata = meta(name) | {"annotations": {ARRIVING: "probe"}}
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "metadata": metadata, "spec": spec}


@contextmanager
def held(api: Api, say: Say) -> Iterator[None]:
    """Be the one run that probes the site, for the length of the block; sweeps before and after. Raises SiteConfigError."""
    lease, over = _take(api, say), threading.Event()
    renewing = threading.Thread(target=_renew, args=(api, over), daemon=True)
    renewing.start()
    try:
        sweep(api, say)
        try:
            yield
        finally:
            sweep(api, say)
    finally:
        over.set()
        renewing.join()
        api.ask("DELETE", f"{LEASES}/{LEASE}", {"preconditions": {"uid": lease}})


def _renew(api: Api, over: threading.Event) -> None:
    """Say from time to time that the run goes on, so that a slow one is not taken for one that is gone."""
    while not over.wait(RENEWED_SECONDS):
        with suppress(SiteConfigError):  # the run itself says that the site does not answer
            api.ask("PATCH", f"{LEASES}/{LEASE}", {"spec": {"renewTime": _stamp(datetime.now(UTC))}}, content=MERGE)


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def make(api: Api, say: Say) -> str:
    """Make both departments and wait until the operator has furnished them; return why not, or nothing."""
    say("two departments are made for some seconds")
    for name in (A, B):
        made = api.ask("POST", DEPARTMENTS, department(name))
        if not made.ok:
            return f"{made.status}: {made.message[:300]}"
    seen: dict[str, Answer] = {}

    def ready() -> bool:
        seen.update({name: api.ask("GET", f"{DEPARTMENTS}/{name}") for name in (A, B)})
        return all(_furnished(answer) for answer in seen.values())

    if within(READY_SECONDS, ready, every=0.2):
        return ""
    waiting = next(name for name, answer in seen.items() if not _furnished(answer))
    return f"department {waiting} has no namespace after {READY_SECONDS:.0f} s; see whether the operator runs in {NAMESPACE}"


def _furnished(answer: Answer) -> bool:
    # All else is there once nothing but the keys is missing.
    conditions = (answer.body.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "NamespaceReady" and "Secret commonweal-keys: is awaited" in c.get("message", "") for c in conditions)


def sweep(api: Api, say: Say) -> None:
    """Take away all that a probe made, whoever made it; return when it is gone. Raises SiteConfigError when it would not go."""
    for kind in ("pods", "secrets"):
        _delete_all(api, f"/api/v1/namespaces/{NAMESPACE}/{kind}")
    found = [item["metadata"]["name"] for item in _items(api, DEPARTMENTS)]
    for name in found:
        _delete_all(api, f"{space(name)}/pods")
        api.ask("PATCH", f"{DEPARTMENTS}/{name}", {"metadata": {"annotations": {"commonweal.dev/confirm-delete": name}}}, content=MERGE)
        api.ask("DELETE", f"{DEPARTMENTS}/{name}")
    if api.ask("GET", OPEN).ok:
        _delete_all(api, f"{OPEN}/pods")
        api.ask("DELETE", OPEN)
    if found:
        say("the two departments are taken away again")
    if not within(GONE_SECONDS, lambda: not left(api), every=0.2):
        raise SiteConfigError(
            f"Site {api.site}: what was made for probing is not gone after {GONE_SECONDS:.0f} s: {', '.join(left(api))}. "
            "See with `kubectl describe` what holds it; the next run takes it away."
        )


def left(api: Api) -> list[str]:
    """Return what of a probe's there is on a site."""
    names = [f"department {item['metadata']['name']}" for item in _items(api, DEPARTMENTS)]
    spaces = {f"namespace {path.rpartition('/')[2]}": path for path in (space(A), space(B), platform_space(A), platform_space(B), OPEN)}
    names += [name for name, path in spaces.items() if api.ask("GET", path).status != 404]
    for kind in ("pods", "secrets"):
        names += [f"{kind} {item['metadata']['name']}" for item in _items(api, f"/api/v1/namespaces/{NAMESPACE}/{kind}")]
    return names


def _items(api: Api, path: str) -> list[dict[str, Any]]:
    return list(api.ask("GET", path, query=OURS).body.get("items") or ())


def _delete_all(api: Api, path: str) -> None:
    api.ask("DELETE", path, {"gracePeriodSeconds": 0}, query=OURS)


def _take(api: Api, say: Say) -> str:
    """Take the Lease and return its uid; waits for another run that holds it, and takes over from one that is gone."""
    told = False
    while True:
        now = datetime.now(UTC)
        spec = {
            "holderIdentity": f"{socket.gethostname()}/{os.getpid()}",
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": _stamp(now),
        }
        made = api.ask("POST", LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta(LEASE), "spec": spec})
        if made.ok:
            return str(made.body["metadata"]["uid"])
        other = api.ask("GET", f"{LEASES}/{LEASE}")
        if made.status != 409 or other.status not in (200, 404):
            raise SiteConfigError(
                f"Site {api.site}: the Lease {NAMESPACE}/{LEASE} cannot be taken: {made.status}: {made.message}. "
                f"Run `commonweal site up {api.site}` first, and use an administrator's kubeconfig."
            )
        if other.ok and not abandoned(other.body["spec"], now, socket.gethostname(), lambda pid: Path("/proc", pid).exists()):
            if not told:
                say(f"another run probes the site ({other.body['spec']['holderIdentity']}); waiting for it")
                told = True
            _never.wait(0.5)
        elif other.ok:
            api.ask("DELETE", f"{LEASES}/{LEASE}", {"preconditions": {"uid": other.body["metadata"]["uid"]}})


def abandoned(spec: dict[str, Any], now: datetime, host: str, alive: Callable[[str], bool]) -> bool:
    """Return whether a Lease's holder is gone: it was a process of this machine that is no more, or of another and its time is over. Pure."""
    holder, _, pid = str(spec.get("holderIdentity", "")).rpartition("/")
    if holder == host:
        return not alive(pid)
    renewed = datetime.fromisoformat(str(spec.get("renewTime") or spec["acquireTime"]))
    return now - renewed > timedelta(seconds=int(spec.get("leaseDurationSeconds", LEASE_SECONDS)))
