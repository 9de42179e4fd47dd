"""The objects that the provider reads, reduced to what it decides by, and where they are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from commonweal_kube.informer import Collection
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key
from commonweal_stacks.fleet_names import CLUSTER_NAME_LABEL
from commonweal_stacks.fleet_names import GROUP as CLUSTER_API
from commonweal_stacks.fleet_names import VERSION as CONTRACT

GROUP, VERSION = "local.commonweal.dev", "v1alpha1"
PAUSED = f"{CLUSTER_API}/paused"
FINALIZER = f"{GROUP}/site"
# What the kubeconfig in a Secret is: its SHA-256, so that no private key need be read back to compare.
DIGEST = f"{GROUP}/kubeconfig-sha256"


class Kind(StrEnum):
    """The four kinds that are watched."""

    CLUSTER = "Cluster"
    INFRA = "LocalCluster"
    PLANE = "LocalControlPlane"
    SECRET = "Secret"


@dataclass(frozen=True)
class Source:
    """Where a kind is listed and watched: the API's root and the plural, which labels, and whether metadata is enough."""

    kind: Kind
    root: str
    plural: str
    selector: str = ""
    metadata_only: bool = False

    @property
    def collection(self) -> Collection:
        """All of them, over all namespaces."""
        return Collection(self.plural, f"{self.root}/{self.plural}", self.selector, self.metadata_only)


SOURCES = {
    Kind.CLUSTER: Source(Kind.CLUSTER, f"/apis/{CLUSTER_API}/{CONTRACT}", "clusters"),
    Kind.INFRA: Source(Kind.INFRA, f"/apis/{GROUP}/{VERSION}", "localclusters"),
    Kind.PLANE: Source(Kind.PLANE, f"/apis/{GROUP}/{VERSION}", "localcontrolplanes"),
    Kind.SECRET: Source(Kind.SECRET, "/api/v1", "secrets", CLUSTER_NAME_LABEL, metadata_only=True),
}


@dataclass(frozen=True)
class Seen:
    """One object as it was last seen. `cluster` is the Cluster it belongs to, "" while Cluster API has not claimed it."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    cluster: str
    deleting: bool
    paused: bool
    finalizers: tuple[str, ...]
    digest: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def held(self) -> bool:
        """Whether our finalizer is on it."""
        return FINALIZER in self.finalizers

    @property
    def path(self) -> str:
        return path_of(self.kind, self.namespace, self.name)


def path_of(kind: Kind, namespace: str, name: str) -> str:
    """The object's path."""
    return f"{SOURCES[kind].root}/namespaces/{namespace}/{SOURCES[kind].plural}/{name}"


def key_of(body: Mapping[str, Any]) -> Key:
    return Key(body["metadata"]["namespace"], body["kind"], body["metadata"]["name"])


def read(body: Mapping[str, Any], _: Record | None = None) -> Record:
    """Reduce an object; never raises, since the schema holds the form."""
    meta, kind = body["metadata"], Kind(body["kind"])
    annotations = meta.get("annotations") or {}
    seen = Seen(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=int(meta.get("generation", 0)),
        cluster=_cluster(kind, meta),
        deleting="deletionTimestamp" in meta,
        paused=PAUSED in annotations or (kind is Kind.CLUSTER and bool(body["spec"].get("paused"))),
        finalizers=tuple(meta.get("finalizers") or ()),
        digest=annotations.get(DIGEST, ""),
        spec={} if kind is Kind.CLUSTER else body.get("spec") or {},
        status={} if kind is Kind.CLUSTER else body.get("status") or {},
    )
    version = int(meta["resourceVersion"])
    return Record(key_of(body), seen.uid, version, seen.generation, seen.deleting, seen, "", seen.status)


def _cluster(kind: Kind, meta: Mapping[str, Any]) -> str:
    """By label for the Secret; by owner for ours: what Cluster API has not claimed yet is not to be touched."""
    if kind is Kind.CLUSTER:
        return str(meta["name"])
    if kind is Kind.SECRET:
        return str((meta.get("labels") or {}).get(CLUSTER_NAME_LABEL, ""))
    owners = meta.get("ownerReferences") or ()
    return next((str(o["name"]) for o in owners if o["kind"] == "Cluster" and o["apiVersion"].startswith(CLUSTER_API)), "")
