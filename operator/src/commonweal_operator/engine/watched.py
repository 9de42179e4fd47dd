"""What is listed and watched of children: each name that we make, over all namespaces, and nothing else of its kind.

By name and not by kind alone, for access rules know names and not labels: so the operator may see what departments are made of, and no other ConfigMap of the
cluster. Names that departments choose, of contracts and agreements, are listed in each department's namespace instead.

One kind is watched that we do not make: volume claims that their owners have opened to their store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.common import AUTHORITY
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, STORE_PLAN, STORE_REPORT
from commonweal_kube.informer import Collection
from commonweal_operator.desired.access import OPERATOR_ACCESS, SOURCES, STEWARD_SIGNING, STEWARDS
from commonweal_operator.desired.manifest import DEPARTMENT_LABEL, MANAGED_BY, MANAGED_LABEL, RESOURCES, SOURCE_LABEL, VOLUME_CLAIMS
from commonweal_operator.desired.quota import NAME as QUOTA
from commonweal_operator.desired.store import COMPONENT as STORE
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES
from commonweal_operator.desired.web import DATA_API, MODELS
from commonweal_operator.engine.observed import address, counted, plan, report, there, workload

# Label selectors, escaped for a URL. What the platform layer makes carries the first label too, but belongs to no department.
OURS = quote(f"{MANAGED_LABEL}={MANAGED_BY},{DEPARTMENT_LABEL}")
OPENED = quote(f"{SOURCE_LABEL}=true")
_KINDS = {**RESOURCES, "PersistentVolumeClaim": VOLUME_CLAIMS}
NAMES: Mapping[str, tuple[str, ...]] = {
    "ConfigMap": (STORE_CLOSINGS, STORE_PLAN, MODEL_PLAN, STORE_REPORT, MODEL_REPORT, AUTHORITY),
    "ResourceQuota": (QUOTA,),
    "LimitRange": (QUOTA,),
    "ServiceAccount": (STORE, DATA_API, MODELS, VOLUMES),
    "Service": (STORE, DATA_API, MODELS, VOLUMES),
    "Deployment": (DATA_API, MODELS, VOLUMES),
    "StatefulSet": (STORE,),
    "NetworkPolicy": ("default-deny", "dns", STORE, DATA_API, MODELS, VOLUMES, "workloads"),
    "Role": (STEWARD_SIGNING, STORE, MODELS, SOURCES),
    "RoleBinding": (OPERATOR_ACCESS, STEWARDS, STEWARD_SIGNING, STORE, MODELS, SOURCES),
}
Read = Callable[[Mapping[str, Any]], Any]
_READ: Mapping[str, Read] = {"Deployment": workload, "StatefulSet": workload, "Service": address, "ResourceQuota": counted}
_READ_BY_NAME: Mapping[str, Read] = {STORE_PLAN: plan, STORE_REPORT: report, MODEL_REPORT: report}


@dataclass(frozen=True, slots=True)
class ListWatch:
    """One list and watch, of one name if there is one. Without `read` only metadata is asked for."""

    kind: str
    name: str = ""
    labels: str = OURS
    read: Read | None = None

    @property
    def collection(self) -> Collection:
        """Where it is listed and watched."""
        named = f"&fieldSelector={quote(f'metadata.name={self.name}')}" if self.name else ""
        return Collection(self.kind, _KINDS[self.kind].path(""), self.labels + named, metadata_only=self.read is None)

    def has(self, kind: str, name: str) -> bool:
        """Return whether an object of that kind and name is among what it lists."""
        return kind == self.kind and self.name in ("", name)


def is_watched(kind: str, name: str) -> bool:
    """Return whether a watch tells of children of that kind and name; what departments give names to are ConfigMaps."""
    return kind != DOCUMENTS.kind or name in NAMES[kind]


LIST_WATCHES = (
    ListWatch("Namespace"),
    *(ListWatch(kind, name, read=_READ_BY_NAME.get(name, _READ.get(kind))) for kind, names in NAMES.items() for name in names),
    ListWatch("PersistentVolumeClaim", labels=OPENED, read=there),
)
# What departments give names to: never watched, but listed in one namespace at a time.
DOCUMENTS = ListWatch("ConfigMap")
