"""A department's manifests as they were written: what its namespace holds, without what a site has added. Pure but for `exported`."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from commonweal_api.ending import CONFIRM_DELETE, CONFIRM_UNREACHABLE
from commonweal_api.move import ARRIVING, SPLITTING
from commonweal_cli.move.endpoint import End

Manifest = dict[str, Any]

OUR_KINDS = ("DataProduct", "ConsentPolicy", "ModelService")
# Made by a cluster itself, or a trace of what runs.
_LEFT = frozenset(
    {"events", "endpoints", "endpointslices", "pods", "replicasets", "controllerrevisions", "leases", "podmetrics", "bindings"}
)
_ADDED = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "deletionTimestamp",
    "finalizers",
)
_OURS = ("app.kubernetes.io/managed-by", "commonweal")
_NOT_WRITTEN = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    ARRIVING,
    SPLITTING,
    CONFIRM_DELETE,
    CONFIRM_UNREACHABLE,
)
_CLUSTER_IPS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")


def written(found: Mapping[str, Any]) -> Manifest:
    """Return an object as its author wrote it: without status, identity, and what the API server filled in for the site."""
    made: Manifest = copy.deepcopy({k: v for k, v in found.items() if k != "status"})
    meta = made["metadata"]
    for key in _ADDED:
        meta.pop(key, None)
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in _NOT_WRITTEN}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    if made["kind"] == "Service":
        for key in _CLUSTER_IPS:
            made["spec"].pop(key, None)
    if made["kind"] == "ServiceAccount":
        made.pop("secrets", None)
    return made


def belongs(found: Mapping[str, Any]) -> bool:
    """Whether an object of the namespace is the department's own: neither ours, nor somebody else's child, nor in every namespace."""
    meta = found["metadata"]
    if (meta.get("labels") or {}).get(_OURS[0]) == _OURS[1] or meta.get("ownerReferences"):
        return False
    return (found["kind"], meta["name"]) not in {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


def exported(end: End) -> list[Manifest]:
    """Return the Department and everything of its namespace that `belongs`, in the order in which to apply it."""
    department = end.object()
    if department is None:
        return []
    names = end.cluster.run("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    wanted = sorted(n for n in names if n.partition(".")[0] not in _LEFT)
    items = json.loads(end.cluster.run("get", ",".join(wanted), "-n", end.namespace, "-o", "json"))["items"]
    return ordered([written(department), *(written(item) for item in items if belongs(item))])


def ordered(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return them by what needs what: the Department, Secrets and accounts, then products, agreements, models, and the rest."""
    first = ("Department", "Secret", "ServiceAccount", "ConfigMap", "PersistentVolumeClaim", *OUR_KINDS)
    rank = {kind: place for place, kind in enumerate(first)}
    return sorted(manifests, key=lambda m: (rank.get(m["kind"], len(first)), m["kind"], m["metadata"]["name"]))


def lines(manifests: Iterable[Manifest]) -> list[str]:
    """Return manifests as lines of YAML, in one order, so that two exports can be compared."""
    return "---\n".join(yaml.safe_dump(m, sort_keys=True, allow_unicode=True) for m in ordered(manifests)).splitlines()


def changed_lines(here: Sequence[Manifest], there: Sequence[Manifest]) -> list[str]:
    """Return the lines that differ, each with + or -; none: the manifests are the same."""
    found = difflib.unified_diff(lines(here), lines(there), lineterm="", n=0)
    return [line for line in found if line[:1] in "+-" and not line.startswith(("+++", "---"))]


def identities(here: Iterable[Mapping[str, Any]], there: Iterable[Mapping[str, Any]], kinds: Sequence[str]) -> dict[str, str]:
    """Return the uid that each object has `there`, mapped to the one that it had `here`."""
    known = {(o["kind"], o["metadata"]["name"]): o["metadata"]["uid"] for o in here}
    return {
        o["metadata"]["uid"]: known[o["kind"], o["metadata"]["name"]]
        for o in there
        if o["kind"] in kinds and (o["kind"], o["metadata"]["name"]) in known
    }
