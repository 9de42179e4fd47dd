"""What the operator remembers of one child: a few words instead of the whole object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from commonweal_api.plan import PLAN_KEY
from commonweal_kube.client import FIELD_MANAGER
from commonweal_operator.desired.manifest import HASH, PLAN_DIGEST

# Controllers of Kubernetes write these into what is ours; they change nothing that we asked for.
_NOT_OURS = ("deployment.kubernetes.io/revision",)


@dataclass(frozen=True, slots=True)
class Workload:
    """How far a Deployment or StatefulSet has come."""

    observed_generation: int
    wanted: int
    ready: int
    message: str = ""


class ServiceAddress(NamedTuple):
    """The load balancer's address or host name of a Service, empty while it has none, and since when there is the Service."""

    text: str
    made: datetime


@dataclass(frozen=True, slots=True)
class ObservedChild:
    """The last known version of one child.

    `mark` changes whenever anything but status changes. `verified` says that this very content is what our own apply answered with. `claims` are the
    fields that are ours (`fieldsV1`), kept for a child that was there before us and that nobody else has written to, until they have been compared
    with what is desired. `observed` is what the operator reads of its status or data.
    """

    version: int
    hash: str
    uid: str
    owner: str
    generation: int
    deleting: bool
    mark: int
    verified: bool = False
    claims: Mapping[str, Any] | None = None
    observed: Any = None


def observed_child(obj: Mapping[str, Any], observed: Any = None) -> ObservedChild:
    """Return what is remembered of an object, or of its metadata alone."""
    meta = obj["metadata"]
    annotations = meta.get("annotations") or {}
    owners = [o["uid"] for o in meta.get("ownerReferences") or () if o.get("controller")]
    spec_writers = [m for m in meta.get("managedFields") or () if m.get("subresource") != "status"]
    return ObservedChild(
        version=int(meta["resourceVersion"]),
        hash=annotations.get(HASH, ""),
        uid=meta["uid"],
        owner=owners[0] if owners else "",
        generation=int(meta.get("generation", 0)),
        deleting="deletionTimestamp" in meta,
        mark=_mark(meta, annotations, spec_writers),
        claims=spec_writers[0].get("fieldsV1") if [m.get("manager") for m in spec_writers] == [FIELD_MANAGER] else None,
        observed=observed,
    )


def covers(claims: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether every field that we would apply is still ours.

    Who only takes a field out leaves no entry in managedFields; but the field is then missing among ours.
    """
    metadata = {k: v for k, v in body["metadata"].items() if k in ("annotations", "labels", "ownerReferences")}
    content = {k: v for k, v in body.items() if k not in ("apiVersion", "kind", "metadata")}
    return _covers(claims, content | {"metadata": metadata})


def _covers(claims: Mapping[str, Any], value: Any) -> bool:
    if not claims:
        return True  # a leaf, or a map or list that is owned as a whole
    if isinstance(value, dict):
        return all(f"f:{key}" in claims and _covers(claims[f"f:{key}"], inner) for key, inner in value.items())
    if isinstance(value, list):
        return sum(name.startswith(("k:", "v:")) for name in claims) >= len(value)
    return True


def _mark(meta: Mapping[str, Any], annotations: Mapping[str, str], writers: list[dict[str, Any]]) -> int:
    # managedFields lists whose every field is: a value changed, added or removed by anybody changes it, or its time.
    kept = {k: v for k, v in annotations.items() if k not in _NOT_OURS}
    parts = [meta.get("generation"), meta.get("labels"), kept, meta.get("ownerReferences"), meta.get("deletionTimestamp"), writers]
    return hash(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


def workload(obj: Mapping[str, Any]) -> Workload:
    """Return how far a Deployment or StatefulSet has come. While pods of before are left none counts as ready: which of them are is not said."""
    status, spec = obj.get("status") or {}, obj["spec"]
    failing = [c for c in status.get("conditions") or () if c["type"] in ("ReplicaFailure", "Progressing", "Available")]
    bad = [c for c in failing if (c["type"] == "ReplicaFailure") == (c["status"] == "True")]
    message = "; ".join(f"{c.get('reason', '')}: {c.get('message', '')}" for c in bad)
    updated = int(status.get("updatedReplicas", 0))
    ready = min(int(status.get("readyReplicas", 0)), updated) if int(status.get("replicas", 0)) <= updated else 0
    return Workload(int(status.get("observedGeneration", 0)), int(spec.get("replicas", 1)), ready, message[:500])


def address(obj: Mapping[str, Any]) -> ServiceAddress:
    """Return where a Service is reached from outside."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    text = str(ingress[0].get("ip") or ingress[0].get("hostname") or "")
    return ServiceAddress(text, datetime.fromisoformat(obj["metadata"]["creationTimestamp"]))


def plan(obj: Mapping[str, Any]) -> tuple[str, str]:
    """Return digest and text of a store's plan; both empty where there is none."""
    digest = (obj["metadata"].get("annotations") or {}).get(PLAN_DIGEST, "")
    return digest, str((obj.get("data") or {}).get(PLAN_KEY, ""))


def counted(obj: Mapping[str, Any]) -> bool:
    """Return whether everything that a quota limits is counted by now; until then what it counts is refused, or not held to it."""
    return (obj["spec"].get("hard") or {}).keys() <= ((obj.get("status") or {}).get("hard") or {}).keys()


def there(obj: Mapping[str, Any]) -> bool:
    """Return whether an object is there to stay."""
    return "deletionTimestamp" not in obj["metadata"]


def report(obj: Mapping[str, Any]) -> str:
    """Return the text of a report ConfigMap, or an empty string."""
    return str((obj.get("data") or {}).get("report.json", ""))
