"""Kinds of site: an adapter renders what makes a cluster, and a cluster answers where it is. Nothing else may tell sites apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from commonweal_stacks.blueprint import Blueprint, refusal_of
from commonweal_stacks.clusters import aws, azure, edge_k3s, gcp, metal3, vsphere
from commonweal_stacks.clusters.adopted import AdoptedAdapter, AdoptedCluster, credentials_program
from commonweal_stacks.clusters.contract import ALLOWED_DIFFERENCES, Adapter, Cluster, Declaration, Difference, Provider
from commonweal_stacks.clusters.local import LocalAdapter, LocalCluster
from commonweal_stacks.clusters.managed import ManagedCluster, kubeconfig_secret, running_version
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site import SITE_KEY, SiteConfig, stack_file
from commonweal_stacks.site_kinds import Kind

__all__ = [
    "ADAPTERS",
    "ALLOWED_DIFFERENCES",
    "Adapter",
    "AdoptedCluster",
    "Cluster",
    "Declaration",
    "Difference",
    "LocalCluster",
    "ManagedCluster",
    "Provider",
    "adapter_of",
    "class_objects",
    "cluster_of",
    "credentials_program",
    "kubeconfig_secret",
    "refuse_change",
    "running_version",
    "secret_objects",
    "site_objects",
]

_MACHINES = (aws, azure, gcp, vsphere, metal3, edge_k3s)
_ALL: tuple[Adapter, ...] = (*(each.ADAPTER for each in _MACHINES), AdoptedAdapter(), LocalAdapter())
ADAPTERS: Mapping[Kind, Adapter] = MappingProxyType({made.declaration.kind: made for made in _ALL})
"""Every kind's adapter."""


def adapter_of(kind: Kind) -> Adapter:
    """Return the adapter of a kind."""
    return ADAPTERS[kind]


def class_objects(kind: Kind, blueprint: Blueprint) -> list[Manifest]:
    """Return the class that all sites of a kind share, templates first; none where each site has its own."""
    return adapter_of(kind).class_objects(blueprint)


def site_objects(site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:
    """Return the objects of one site on the management cluster, its Cluster last; none for an adopted one."""
    return adapter_of(site.kind).site_objects(site, blueprint)


def secret_objects(site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:
    """Return the Secrets that must be there before the Cluster. `text` is what `blueprint.files.encryption` returns, or a Pulumi output of it."""
    return adapter_of(site.kind).secret_objects(site, blueprint, text)


def refuse_change(site: SiteConfig, blueprint: Blueprint, running: str | None) -> None:
    """Refuse a revision that the site's cluster cannot be brought to. `running` is as in `running_version`. Raises SiteConfigError."""
    reason = refusal_of(running, blueprint)
    if reason:
        raise SiteConfigError(f"{SITE_KEY}.blueprint in {stack_file(site.name)}: {reason}")


def cluster_of(site: SiteConfig) -> Cluster:
    """Return where the cluster of a site is."""
    if site.kind == "adopted":
        return AdoptedCluster(site)
    return LocalCluster(site.name) if site.kind == "local" else ManagedCluster(site.name)
