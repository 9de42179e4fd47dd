"""What every child shares: labels, owner, content hash, and the order in which it is applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple

import orjson

from commonweal_api.common import API_VERSION, GROUP, namespace_of, platform_namespace_of

MANAGED_BY = "commonweal"
MANAGED_LABEL = "app.kubernetes.io/managed-by"
PART_LABEL = "app.kubernetes.io/part-of"
COMPONENT_LABEL = "app.kubernetes.io/component"
DEPARTMENT_LABEL = f"{GROUP}/department"
REPORT_LABEL = f"{GROUP}/report"
SCOPE_LABEL = f"{GROUP}/scope"
SOURCE_LABEL = f"{GROUP}/source"
PLAN_DIGEST = f"{GROUP}/plan-digest"
HASH = f"{GROUP}/desired-hash"
_PLACEHOLDER = "0" * 32

Manifest = dict[str, Any]


class Resource(NamedTuple):
    """Where a kind of child lives in the API."""

    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str, name: str = "") -> str:
        """Return the collection's path, or the object's when a name is given."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{space}/{self.plural}" + (f"/{name}" if name else "")


_RBAC = "rbac.authorization.k8s.io/v1"
RESOURCES: Mapping[str, Resource] = {
    "Namespace": Resource("v1", "namespaces", namespaced=False),
    "ResourceQuota": Resource("v1", "resourcequotas"),
    "LimitRange": Resource("v1", "limitranges"),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Secret": Resource("v1", "secrets"),
    "Service": Resource("v1", "services"),
    "Role": Resource(_RBAC, "roles"),
    "RoleBinding": Resource(_RBAC, "rolebindings"),
    "NetworkPolicy": Resource("networking.k8s.io/v1", "networkpolicies"),
    "Deployment": Resource("apps/v1", "deployments"),
    "StatefulSet": Resource("apps/v1", "statefulsets"),
    "Certificate": Resource("cert-manager.io/v1", "certificates"),
}
# Not made by us: a department's own volumes, opened to its store by the label `commonweal.dev/source: "true"`.
VOLUME_CLAIMS = Resource("v1", "persistentvolumeclaims")


class Stage(IntEnum):
    """The order of application: a stage starts when the one before it is done. What takes access away comes before all that runs.

    GRANT is the operator's own right to write in a namespace; one that is missing is made before it, and one that is there is repaired after it.
    """

    GRANT = 0
    NAMESPACE = 1
    CLOSING = 2
    ACCESS = 3
    REST = 4
    BOUNDS = 5


@dataclass(frozen=True, slots=True)
class Child:
    """One object that shall exist: its content hash (32 hexadecimal digits) and the JSON to apply, hash annotation included.

    `shared` children are made by us and filled by somebody else: once they exist with our hash, strangers' fields are none of our business.
    `remembered` ones are read again by us: they hold what is in force, also when the operator is started again.
    """

    kind: str
    namespace: str
    name: str
    digest: str
    body: bytes
    stage: Stage
    shared: bool = False
    remembered: bool = False

    @property
    def collection(self) -> str:
        """The path of all of its kind in its namespace."""
        return RESOURCES[self.kind].path(self.namespace)

    @property
    def path(self) -> str:
        """The object's path in the API."""
        return RESOURCES[self.kind].path(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Owner:
    """What children belong to: a department, or one object (`kind`, `name`) in its namespace; when that goes, the garbage collector takes them.

    Children are made in the department's own namespace; with `platform`, in the platform's for it.
    """

    department: str
    uid: str
    kind: str = "Department"
    name: str = ""
    platform: bool = False

    @property
    def namespace(self) -> str:
        """The namespace that children are made in."""
        return platform_namespace_of(self.department) if self.platform else namespace_of(self.department)

    @property
    def own(self) -> Owner:
        """The same owner, of children in the department's own namespace."""
        return replace(self, platform=False)

    @property
    def ours(self) -> Owner:
        """The same owner, of children in the platform's namespace for the department."""
        return replace(self, platform=True)

    def metadata(self, name: str, component: str | None = None, **labels: str) -> Manifest:
        """Return the metadata of a child of that name; `labels` are added with their keys as given."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(component) | labels,
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": self.kind, "name": self.name or self.department, "uid": self.uid, "controller": True}
            ],
        }

    def labels(self, component: str | None = None) -> dict[str, str]:
        """Return the labels that mark an object as ours."""
        always = {MANAGED_LABEL: MANAGED_BY, "app.kubernetes.io/part-of": "commonweal", DEPARTMENT_LABEL: self.department}
        return always | ({COMPONENT_LABEL: component} if component else {})

    def selector(self, component: str) -> dict[str, str]:
        """Return the labels by which the pods of one component are found."""
        return {COMPONENT_LABEL: component, DEPARTMENT_LABEL: self.department}


def child(
    kind: str, metadata: Manifest, *, stage: Stage = Stage.REST, shared: bool = False, remembered: bool = False, **content: Any
) -> Child:
    """Return the child with that content; keys are sorted, so equal content has equal bytes."""
    resource = RESOURCES[kind]
    metadata = metadata | {"annotations": metadata.get("annotations", {}) | {HASH: _PLACEHOLDER}}
    if not resource.namespaced:
        metadata = {k: v for k, v in metadata.items() if k != "namespace"}
    body = orjson.dumps({"apiVersion": resource.api_version, "kind": kind, "metadata": metadata, **content}, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(body).hexdigest()[:32]
    annotation = f'"{HASH}":"%s"'
    final = body.replace((annotation % _PLACEHOLDER).encode(), (annotation % digest).encode(), 1)
    return Child(kind, metadata.get("namespace", ""), metadata["name"], digest, final, stage, shared, remembered)
