"""Sites that Cluster API makes of machines: one class per site, of a control plane and one set of workers. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from commonweal_api.signatures import canonical
from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import Blueprint, files
from commonweal_stacks.clusters import objects
from commonweal_stacks.clusters.contract import Declaration
from commonweal_stacks.manifests import Manifest, manifest
from commonweal_stacks.site import SiteConfig

Block = TypeVar("Block")
DIGEST = 8
WORKER_NAME = "{{ .cluster.name }}-{{ .machineDeployment.topologyName }}"


class Fleet:
    """Makes the objects of one site, with its labels and with names that follow from what is in them.

    A template's spec cannot be changed once it is there, so another spec has another name; Pulumi makes the new one before it takes the old
    one away, and the class, whose name stays, goes from one to the other.
    """

    def __init__(self, site: SiteConfig, blueprint: Blueprint) -> None:
        self.site, self.blueprint = site, blueprint
        self.size = blueprint.sizes[site.size]
        self._labels = objects.labels_of(site.kind, blueprint, site.name)

    @property
    def class_name(self) -> str:
        return f"{self.site.name}-{self.blueprint.revision}"

    def template(self, api_version: str, kind: str, part: str, spec: Mapping[str, Any]) -> Manifest:
        """Return a template that a class refers to; `part` says in its name what it is for."""
        return objects.template(api_version, kind, self._name(part, spec), self._labels, spec)

    def object(self, api_version: str, kind: str, part: str, spec: Mapping[str, Any]) -> Manifest:
        """Return another object whose spec cannot be changed, to which a template refers by name."""
        return objects.fleet_object(api_version, kind, self._name(part, spec), self._labels, spec)

    def _name(self, part: str, spec: Mapping[str, Any]) -> str:
        return f"{self.class_name}-{part}-{hashlib.sha256(canonical(spec)).hexdigest()[:DIGEST]}"

    def cluster_class(self, parts: Parts, patches: Sequence[Mapping[str, Any]] = ()) -> Manifest:
        """Return the site's class."""
        infrastructure = {"machineInfrastructure": objects.reference(parts.plane_machine)}
        workers = {
            "class": objects.WORKERS,
            "naming": {"template": WORKER_NAME},
            "bootstrap": objects.reference(parts.worker),
            "infrastructure": objects.reference(parts.worker_machine),
        }
        spec: dict[str, Any] = {"workers": {"machineDeployments": [workers]}, **({"patches": list(patches)} if patches else {})}
        both = [("infrastructure", parts.cluster), ("controlPlane", parts.plane)]
        made = objects.cluster_class(self.class_name, self._labels, spec, both)
        made["spec"]["controlPlane"] |= infrastructure
        return made

    def objects(self, parts: Parts, *, patches: Sequence[Mapping[str, Any]] = (), version: str = "") -> list[Manifest]:
        """Return all of the site's objects, in the order in which they can be made. `version`: where it is not the blueprint's, word for word."""
        cluster = objects.cluster(self.site, self.blueprint, self.class_name)
        if version:
            cluster["spec"]["topology"]["version"] = version
        return [*parts.all, self.cluster_class(parts, patches), cluster]


@dataclass(frozen=True)
class Parts:
    """The templates of a site: what the network, the machines and their set-up are made from; `more` is what templates refer to by name."""

    cluster: Manifest
    plane: Manifest
    plane_machine: Manifest
    worker: Manifest
    worker_machine: Manifest
    more: tuple[Manifest, ...] = ()

    @property
    def all(self) -> tuple[Manifest, ...]:
        return (*self.more, self.cluster, self.plane, self.plane_machine, self.worker, self.worker_machine)


def encryption_name(site: SiteConfig) -> str:
    """Return the name of the Secret that holds the file of a site's encryption at rest."""
    return f"{site.name}-encryption"


def encryption_secret(site: SiteConfig, blueprint: Blueprint, text: Any) -> Manifest:
    """Return that Secret. `text` is what `blueprint.files.encryption` returns, and may be a Pulumi output of it."""
    name = encryption_name(site)
    made = manifest("v1", "Secret", name, namespace=names.FLEET, type="Opaque", stringData={files.ENCRYPTION_KEY: text})
    made["metadata"]["labels"] |= {**objects.labels_of(site.kind, blueprint, site.name), names.CLUSTER_NAME_LABEL: site.name}
    return made


@dataclass(frozen=True)
class MachineAdapter:
    """An adapter for machines: what it says of itself, and how it renders a site."""

    declaration: Declaration
    render: Callable[[Fleet], list[Manifest]]

    def class_objects(self, blueprint: Blueprint) -> list[Manifest]:  # noqa: ARG002 - each site has a class of its own
        return []

    def site_objects(self, site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:
        return self.render(Fleet(site, blueprint))

    def secret_objects(self, site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:
        return [encryption_secret(site, blueprint, text)]


def block_of(given: Block | None) -> Block:
    """Return a site's block of addresses. Raises TypeError for a site of another kind: its configuration was not checked."""
    if given is None:
        raise TypeError("the site is of another kind than the adapter")
    return given
