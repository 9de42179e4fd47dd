"""A site of this machine, started with `commonweal local up`."""

from __future__ import annotations

from pathlib import Path

from commonweal_stacks.site import SiteConfigError, home


class LocalCluster:
    """The cluster whose kubeconfig lies in `$COMMONWEAL_HOME/sites/<name>/`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> Path:
        return home() / "sites" / self._name / "kubeconfig"

    def kubeconfig(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise SiteConfigError(
                f"The local site {self._name} is not there: {self.path}: {error.strerror}. Start it with `commonweal local up {self._name}`."
            ) from error
