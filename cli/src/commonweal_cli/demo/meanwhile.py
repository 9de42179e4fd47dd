"""What begins on a site while `pulumi up` still works on it: the people in front of their issuer, the departments in front of the operator.

Pulumi tells of each object that is there. The people's Secret is written as soon as its namespace is: the issuer's first pod finds it, and none has to be
started again. What is applied to the site comes as soon as all that guards it is: the operator finds it when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from commonweal_cli.kubectl import Kubectl
from commonweal_stacks.manifests import NAMESPACE

NAMESPACE_MADE = f"created Namespace/{NAMESPACE}"
# Of the last stage of the platform layer, which begins when admission policies, quota and network policies are in place.
GUARDED = f"created ServiceAccount/{NAMESPACE}/"


class Meanwhile:
    """Hears what Pulumi made on each site; `finish` does what has not begun by then, and returns once all of it is done.

    `cluster_of` gives a site by its name, once it is there; `enrol` writes the people down; `files` are applied.
    """

    def __init__(self, cluster_of: Callable[[str], Kubectl], enrol: Callable[[Kubectl], None], files: Sequence[Path], sites: int) -> None:
        self._cluster_of, self._enrol, self._files = cluster_of, enrol, files
        self._pool = ThreadPoolExecutor(2 * sites, thread_name_prefix="meanwhile")
        self._begun: dict[tuple[str, str], Future[None]] = {}

    def hear(self, site: str, line: str) -> None:
        """Take one line of what was done on a site; called by one thread for each site."""
        if line == NAMESPACE_MADE:
            self._begin(site, "people", self._enrol)
        elif line.startswith(GUARDED):
            self._begin(site, "files", self._apply)

    def finish(self, sites: Sequence[str]) -> None:
        """Do what has not begun, for nothing had to be made, and raise what went wrong."""
        for site in sites:
            self._begin(site, "people", self._enrol)
            self._begin(site, "files", self._apply)
        try:
            for future in self._begun.values():
                future.result()
        finally:
            self._pool.shutdown()

    def _begin(self, site: str, what: str, act: Callable[[Kubectl], None]) -> None:
        if (site, what) not in self._begun:
            self._begun[site, what] = self._pool.submit(lambda: act(self._cluster_of(site)))

    def _apply(self, cluster: Kubectl) -> None:
        if self._files:
            cluster.apply(*self._files)
