"""A cluster that somebody else made: all that is asked of it is a kubeconfig."""

from __future__ import annotations

from commonweal_stacks.site import SITE_KEY, SiteConfig, SiteConfigError, stack_file


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
