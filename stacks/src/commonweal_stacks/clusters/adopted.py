"""A cluster that somebody else made: nothing is made, and all that is asked of it is a kubeconfig."""

from __future__ import annotations

from typing import Any

from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.clusters.contract import Declaration
from commonweal_stacks.platform.manifests import Manifest
from commonweal_stacks.site import SITE_KEY, SiteConfig, SiteConfigError, stack_file

DECLARATION = Declaration(
    kind="adopted",
    summary="any cluster that you have an administrator's kubeconfig for",
    evidence="given",
    checked="the platform layer is put on such clusters in the test runs; of the blueprint only that layer holds there",
    needs=(),
)


class AdoptedAdapter:
    """Renders no cluster; the site's kubeconfig Secret is `kubeconfig_secret` of `commonweal_stacks.clusters`."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def class_objects(self, blueprint: Blueprint) -> list[Manifest]:  # noqa: ARG002 - none, whatever the blueprint
        return []

    def site_objects(self, site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:  # noqa: ARG002 - as above
        return []

    def secret_objects(self, site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:  # noqa: ARG002 - as above
        return []


class AdoptedCluster:
    """The cluster behind `commonweal:site.kubeconfig`."""

    def __init__(self, site: SiteConfig) -> None:
        self._site = site

    @property
    def name(self) -> str:
        return self._site.name

    def kubeconfig(self) -> str:
        """Return the file's contents; a relative path starts at the directory `pulumi` runs in."""
        path = self._site.kubeconfig
        where = f"{SITE_KEY}.kubeconfig in {stack_file(self.name)}"
        if path is None:
            raise SiteConfigError(f"{where}: is not set. Give the path of the cluster's kubeconfig file.")
        try:
            return path.expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise SiteConfigError(
                f"{where}: cannot read {path}: {error.strerror}. Give the path of the cluster's kubeconfig file."
            ) from error
