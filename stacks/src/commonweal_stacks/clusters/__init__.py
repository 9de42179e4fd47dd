"""Kinds of site: each answers where its cluster is, and nothing else may tell them apart."""

from __future__ import annotations

from commonweal_stacks.clusters.adopted import AdoptedCluster
from commonweal_stacks.clusters.contract import ALLOWED_DIFFERENCES, Cluster, Difference
from commonweal_stacks.clusters.local import LocalCluster
from commonweal_stacks.site import SiteConfig

__all__ = ["ALLOWED_DIFFERENCES", "AdoptedCluster", "Cluster", "Difference", "LocalCluster", "cluster_of"]


def cluster_of(site: SiteConfig) -> Cluster:
    """Return the adapter of a site."""
    return LocalCluster(site.name) if site.kind == "local" else AdoptedCluster(site)
