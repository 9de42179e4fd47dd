"""The objects of Cluster API that all adapters render alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.manifests import Manifest, manifest
from commonweal_stacks.site import SiteConfig

CORE = f"{names.GROUP}/{names.VERSION}"
KIND_LABEL, BLUEPRINT_LABEL, SITE_LABEL = "commonweal.dev/kind", "commonweal.dev/blueprint", "commonweal.dev/site"
WORKERS = "workers"
"""The one class of worker machines, and the name of each cluster's one set of them."""


def fleet_object(api_version: str, kind: str, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]) -> Manifest:
    """Return an object in the fleet's namespace, with our labels and these."""
    made = manifest(api_version, kind, name, namespace=names.FLEET, spec=dict(spec))
    made["metadata"]["labels"] |= labels
    return made


def template(api_version: str, kind: str, name: str, labels: Mapping[str, str], spec: Mapping[str, Any]) -> Manifest:
    """Return a template of a provider's: what it is a template of stands in `spec.template.spec`."""
    return fleet_object(api_version, kind, name, labels, {"template": {"spec": dict(spec)}})


def reference(made: Manifest) -> dict[str, Any]:
    """Return how a class names one of its templates."""
    return {"templateRef": {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": made["metadata"]["name"]}}


def labels_of(kind: str, blueprint: Blueprint, site: str = "") -> dict[str, str]:
    """Return the labels by which a platform team's add-ons select clusters, and by which a person finds what belongs to a site."""
    return {KIND_LABEL: kind, BLUEPRINT_LABEL: blueprint.revision, **({SITE_LABEL: site} if site else {})}


def cluster(
    site: SiteConfig,
    blueprint: Blueprint,
    class_name: str,
    *,
    machines: bool = True,
    variables: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """Return the site's Cluster, named as the site, with the blueprint's networks. `machines`: with as many of them as the site's size asks for."""
    size = blueprint.sizes[site.size]
    topology: dict[str, Any] = {"classRef": {"name": class_name}, "version": blueprint.kubernetes}
    if machines:
        topology["controlPlane"] = {"replicas": size.planes}
        topology["workers"] = {"machineDeployments": [{"class": WORKERS, "name": WORKERS, "replicas": size.workers}]}
    if variables:
        topology["variables"] = [dict(variable) for variable in variables]
    spec = {"clusterNetwork": cluster_network(blueprint), "topology": topology}
    return fleet_object(CORE, "Cluster", site.name, labels_of(site.kind, blueprint, site.name), spec)


def cluster_network(blueprint: Blueprint) -> dict[str, Any]:
    """Return the networks inside the cluster as `spec.clusterNetwork` names them."""
    network = blueprint.network
    blocks = {"pods": {"cidrBlocks": [network.pods]}, "services": {"cidrBlocks": [network.services]}}
    return {**blocks, "serviceDomain": network.domain}


def variable(name: str, *, required: bool, **schema: Any) -> dict[str, Any]:
    """Return a variable of a class."""
    return {"name": name, "required": required, "schema": {"openAPIV3Schema": schema}}


def patch(name: str, target: Manifest, field: str, *, always: bool) -> dict[str, Any]:
    """Return the patch that writes the variable `name` into a control plane template's field; unless `always`, only when it is given."""
    selector = {"apiVersion": target["apiVersion"], "kind": target["kind"], "matchResources": {"controlPlane": True}}
    change = {"op": "add", "path": f"/spec/template/spec/{field}", "valueFrom": {"variable": name}}
    when = {} if always else {"enabledIf": f"{{{{ if .{name} }}}}true{{{{ end }}}}"}
    return {"name": name, **when, "definitions": [{"selector": selector, "jsonPatches": [change]}]}


def cluster_class(name: str, labels: Mapping[str, str], spec: Mapping[str, Any], parts: Iterable[tuple[str, Manifest]]) -> Manifest:
    """Return a class. `parts` are (`infrastructure` or `controlPlane`, its template); what they make is named as the Cluster."""
    naming = {"naming": {"template": "{{ .cluster.name }}"}}
    made = {part: {**reference(given), **naming} for part, given in parts}
    return fleet_object(CORE, "ClusterClass", name, labels, {**made, **spec})
