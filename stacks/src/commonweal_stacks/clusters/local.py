"""Sites of this machine: Cluster API makes them through the local provider, which comes with Commonweal and has no machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.clusters import objects
from commonweal_stacks.clusters.contract import Declaration, Difference, Provider
from commonweal_stacks.clusters.local_programs import PROGRAMS
from commonweal_stacks.clusters.managed import ManagedCluster
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site import SiteConfig, home
from commonweal_stacks.site_kinds import Kind

KIND: Kind = "local"
GROUP, VERSION = "local.commonweal.dev", "v1alpha1"
API = f"{GROUP}/{VERSION}"
MOST_NODES = 64
MODES = ("Pods", "ControlPlane", "Shared")

_DIFFERENCES = (
    Difference("Cluster", "spec/topology/controlPlane", "the control plane is a set of processes; it has no machines to count"),
    Difference("Cluster", "spec/topology/workers", "as above: the number of nodes is the class's variable `nodes`"),
    Difference("Cluster", "spec/topology/variables", "`nodes` and `mode`"),
)

DECLARATION = Declaration(
    kind=KIND,
    summary="etcd, the API server and, as root, a node with pods, as processes of this machine",
    evidence="run",
    checked=(
        "real API servers are made, scaled, upgraded, brought to another revision and deleted through it by Cluster API core v1.14.2; "
        "their programs run with the blueprint's flags and files, but for what is listed below"
    ),
    provider=Provider("local", VERSION, contract="v1beta2", api={GROUP: VERSION}),
    infrastructure=("LocalClusterTemplate", "LocalControlPlaneTemplate"),
    differences=_DIFFERENCES,
    programs=PROGRAMS,
    variables=("nodes", "mode"),
    needs=("the local provider, which `commonweal management up` starts",),
)


class LocalAdapter:
    """One class for all local sites of a revision; a site is only a Cluster."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def class_objects(self, blueprint: Blueprint) -> list[Manifest]:
        name, labels = class_name(blueprint), objects.labels_of(KIND, blueprint)
        infrastructure = objects.template(API, "LocalClusterTemplate", name, labels, {})
        plane = objects.template(API, "LocalControlPlaneTemplate", name, labels, {"blueprint": blueprint.revision})
        variables = [
            objects.variable("nodes", required=True, type="integer", minimum=1, maximum=MOST_NODES),
            objects.variable("mode", required=False, type="string", enum=list(MODES)),
        ]
        patches = [objects.patch("nodes", plane, "nodes", always=True), objects.patch("mode", plane, "mode", always=False)]
        parts = [("infrastructure", infrastructure), ("controlPlane", plane)]
        return [infrastructure, plane, objects.cluster_class(name, labels, {"variables": variables, "patches": patches}, parts)]

    def site_objects(self, site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:
        given: list[dict[str, Any]] = [{"name": "nodes", "value": blueprint.sizes[site.size].workers}]
        if site.local and site.local.mode:
            given.append({"name": "mode", "value": site.local.mode})
        return [objects.cluster(site, blueprint, class_name(blueprint), machines=False, variables=given)]

    def secret_objects(self, site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:  # noqa: ARG002 - the provider makes its own
        return []


def class_name(blueprint: Blueprint) -> str:
    """Return the name of the class of all local sites of a revision."""
    return f"{KIND}-{blueprint.revision}"


class LocalCluster:
    """The cluster of a site of this machine: the file that it writes here, else, as for every kind, the Secret on the management cluster.

    The file is there before any management cluster knows the site, and after one is lost; both say the same.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> Path:
        return home() / "sites" / self._name / "kubeconfig"

    def kubeconfig(self) -> str:
        """Return an administrator's kubeconfig. Raises SiteConfigError with the remedy when there is none."""
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError:
            return ManagedCluster(self._name).kubeconfig()
