"""The controllers of Cluster API: definitions, roles and webhooks, made from upstream's files as its own installer makes them.

Pure but for reading those files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commonweal_stacks import fleet_names as names
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management.upstream import UPSTREAM, Upstream, fetched
from commonweal_stacks.manifests import LABELS, Manifest

GATES = "ClusterTopology=true,MachinePool=false"
AGGREGATE = f"{names.GROUP}/aggregate-to-manager"
RBAC = "rbac.authorization.k8s.io"
# Definitions are megabytes; without the C library they are read ten times slower.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Controller:
    """One controller. `prefix` is upstream's prefix of every name, `provider` its label, `aggregate` the label of roles that it takes over."""

    upstream: Upstream
    prefix: str
    provider: str
    gates: str
    aggregate: str = ""

    @property
    def namespace(self) -> str:
        return f"{self.prefix}-system"

    @property
    def labels(self) -> dict[str, str]:
        return {**LABELS, names.PROVIDER_LABEL: self.provider}


CORE = Controller(UPSTREAM["cluster-api"], "capi", "cluster-api", GATES, AGGREGATE)
KUBEADM = (
    Controller(UPSTREAM["kubeadm-bootstrap"], "capi-kubeadm-bootstrap", "bootstrap-kubeadm", "MachinePool=false"),
    Controller(
        UPSTREAM["kubeadm-control-plane"],
        "capi-kubeadm-control-plane",
        "control-plane-kubeadm",
        GATES,
        "kubeadm.controlplane.cluster.x-k8s.io/aggregate-to-manager",
    ),
)


def definitions(controller: Controller) -> list[Manifest]:
    """Return its CustomResourceDefinitions with v1beta2 as their only version, and the label that says they speak that contract.

    An API server keeps a cache for each version of each kind and converts every write to all of them, also to those that it does not serve.
    """
    return [_pruned(found, controller) for file in _files(controller, "crds") for found in documents(file)]


def roles(controller: Controller) -> list[Manifest]:
    """Return its ClusterRoles. One that takes over the roles that providers bring is filled by the cluster itself."""
    made = []
    for role in documents(fetched(controller.upstream.name) / "role.yaml"):
        labels = {**controller.labels, **({controller.aggregate: "true"} if controller.aggregate else {})}
        name = f"{controller.prefix}-{role['metadata']['name']}"
        made.append({**role, "metadata": {"name": name, "labels": labels}})
    if controller.aggregate:
        rule = {"clusterRoleSelectors": [{"matchLabels": {controller.aggregate: "true"}}]}
        made.append({**_cluster_role(f"{controller.prefix}-aggregated-manager-role", controller), "aggregationRule": rule})
    return made


def binding(controller: Controller, subject: Mapping[str, Any]) -> Manifest:
    """Return the ClusterRoleBinding that lets the controller work as this subject."""
    role = "aggregated-manager-role" if controller.aggregate else "manager-role"
    return role_binding(f"{controller.prefix}-manager-rolebinding", f"{controller.prefix}-{role}", subject, controller.labels)


def role_binding(name: str, role: str, subject: Mapping[str, Any], labels: Mapping[str, str]) -> Manifest:
    """Return a ClusterRoleBinding."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": dict(labels)},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [dict(subject)],
    }


def user(name: str) -> dict[str, str]:
    """Return a subject: who comes with a client certificate of this common name."""
    return {"apiGroup": RBAC, "kind": "User", "name": name}


def webhooks(controller: Controller, client: Callable[[str], Mapping[str, Any]]) -> list[Manifest]:
    """Return its webhook configurations; `client` says how the API server reaches a path of it."""
    return [_redirected(found, controller, client) for found in documents(fetched(controller.upstream.name) / "webhooks.yaml")]


def documents(file: Path) -> Iterator[Manifest]:
    """Return the objects in a file. Raises SiteConfigError when it is not there."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteConfigError(
            f"{file}: {error.strerror}. Fetch the definitions again: delete {file.parent} and run `make tools`."
        ) from error
    return (found for found in yaml.load_all(text, Loader=_Loader) if found)


def _files(controller: Controller, folder: str) -> list[Path]:
    return sorted((fetched(controller.upstream.name) / folder).glob("*.yaml"))


def _pruned(definition: Manifest, controller: Controller) -> Manifest:
    spec = definition["spec"]
    kept = [version for version in spec["versions"] if version["storage"]]
    if [version["name"] for version in kept] != [names.VERSION]:
        raise SiteConfigError(
            f"{definition['metadata']['name']} of {controller.upstream.directory} stores {[version['name'] for version in kept]}, not "
            f"{names.VERSION}. Use the pinned version of Cluster API."
        )
    metadata = {"name": definition["metadata"]["name"], "labels": {**controller.labels, names.CONTRACT_LABEL: names.VERSION}}
    return {
        "apiVersion": definition["apiVersion"],
        "kind": definition["kind"],
        "metadata": metadata,
        "spec": {**{key: value for key, value in spec.items() if key != "conversion"}, "versions": kept},
    }


def _cluster_role(name: str, controller: Controller) -> Manifest:
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": controller.labels}}


def _redirected(configuration: Manifest, controller: Controller, client: Callable[[str], Mapping[str, Any]]) -> Manifest:
    name = f"{controller.prefix}-{configuration['metadata']['name']}"
    hooks = [{**hook, "clientConfig": dict(client(hook["clientConfig"]["service"]["path"]))} for hook in configuration["webhooks"]]
    return {**configuration, "metadata": {"name": name, "labels": controller.labels}, "webhooks": hooks}
