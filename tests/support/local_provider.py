"""Cluster API's real core with our provider of local sites beside it, as processes: Clusters of the real class, with real API servers behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from commonweal_local import sites
from commonweal_local.sites.site import Site
from commonweal_stacks import blueprint, clusters
from commonweal_stacks import fleet_names as names
from support.cluster_api import ClusterApi
from support.control_plane import REPOSITORY
from support.kube_api import Refused, manifests_in
from support.waiting import wait_for

DEFINITIONS = REPOSITORY / "stacks" / "management" / "providers" / "local"
GROUP = "local.commonweal.dev"
OLD, NEW = "v1.36.3", "v1.37.2"


def definitions() -> list[dict[str, Any]]:
    """The provider's own CustomResourceDefinitions, as they are committed."""
    return [found for found in manifests_in(DEFINITIONS) if found["kind"] == "CustomResourceDefinition"]


class LocalFleet(ClusterApi):
    """A management cluster with the classes of local sites, and the provider for the sites of `sites_home` (COMMONWEAL_HOME)."""

    def __init__(self, home: Path, sites_home: Path, *, mode: str | None = None) -> None:
        super().__init__(home, (), definitions())
        self._sites_home, self._mode = sites_home, mode

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            for name in blueprint.REVISIONS:
                self.create(clusters.class_objects("local", blueprint.revision(name)))
            self.start_provider()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_provider(self) -> subprocess.Popen[bytes]:
        """Start the provider (again); it is ended with the rest."""
        log = (self.home / "provider.log").open("ab")
        words = [sys.executable, "-m", "commonweal_local.provider", "--kubeconfig", str(self.kubeconfig())]
        words += ["--mode", self._mode] if self._mode else []
        environment = {**os.environ, "COMMONWEAL_HOME": str(self._sites_home)}
        with log:
            started = subprocess.Popen(words, stdout=log, stderr=log, env=environment, cwd=self.home)
        self.processes["provider"] = started
        return started

    def log(self) -> str:
        """What the provider said."""
        return (self.home / "provider.log").read_text()

    def declare(self, name: str, version: str = OLD, *, revision: str = "r1", **variables: Any) -> None:
        """Create the Cluster, or change it: its class by revision, its variables (`nodes` is 2 unless given), its version."""
        values = [{"name": key, "value": value} for key, value in ({"nodes": 2} | variables).items()]
        topology = {"classRef": {"name": f"local-{revision}", "namespace": names.FLEET}, "version": version, "variables": values}
        body = {**cluster(name), "spec": {"topology": topology}}

        def applied() -> bool | None:
            try:
                self.apply(body)
            except Refused as refused:
                if "successfully reconciled" in refused.message:
                    return None
                raise
            return True

        wait_for(f"Cluster {name} to be taken", applied)

    def object(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object of the fleet: Cluster, Secret, or one of ours by the name of its Cluster, which the class gives it."""
        api = {"Cluster": "cluster.x-k8s.io/v1beta2", "Secret": "v1"}.get(kind, f"{GROUP}/v1alpha1")
        return self.found(api, kind, name)

    def condition(self, kind: str, name: str, of: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty ones while it is not there."""
        found = self.object(kind, name) or {}
        conditions: list[Mapping[str, str]] = found.get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"], c.get("message", "")) for c in conditions if c["type"] == of), ("", "", ""))

    def becomes(self, kind: str, name: str, of: str, reason: str) -> str:
        """Wait until a condition has that reason; its message. TimeoutError says what it was last, and what the provider logged."""
        try:
            return wait_for(
                f"{kind} {name}: {of} {reason}",
                lambda: found[2] if (found := self.condition(kind, name, of))[1] == reason else None,
                every=0.2,
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is {self.condition(kind, name, of)}; the provider said: {self.log()[-1500:]}") from error

    def becomes_true(self, kind: str, name: str, of: str, words: str) -> str:
        """Wait until a condition holds and its message has these words; the message."""

        def holds() -> str | None:
            status, _, message = self.condition(kind, name, of)
            return message if status == "True" and words in message else None

        return wait_for(f"{kind} {name}: {of} with {words!r}; it is {self.condition(kind, name, of)}", holds, every=0.2)

    def available(self, *wanted: str) -> None:
        """Wait until Cluster API itself says that the Clusters are Available."""
        for name in wanted:
            self.becomes("Cluster", name, "Available", "Available")

    def runs(self, name: str, version: str) -> None:
        """Wait until the site says that it runs the version, and nothing rolls any more."""

        def there() -> bool | None:
            status = (self.object("LocalControlPlane", name) or {}).get("status", {})
            settled = self.condition("LocalControlPlane", name, "RollingOut")[1] == "NotRollingOut"
            return (status.get("version") == version and settled) or None

        wait_for(f"{name} to run {version}; {self.log()[-500:]}", there, every=0.2)

    def delete(self, *wanted: str) -> None:
        """Delete Clusters and wait until nothing of them is left on the management cluster."""
        for name in wanted:
            self.api().delete(cluster(name))
        for name in wanted:
            wait_for(f"{name} to be gone; {self.log()[-500:]}", lambda name=name: self.gone(name) or None, every=0.2)  # type: ignore[misc]

    def gone(self, name: str) -> bool:
        """Whether no object of the Cluster is left."""
        kinds = ("Cluster", "LocalCluster", "LocalControlPlane")
        return not any(self.object(kind, name) for kind in kinds) and self.object("Secret", names.kubeconfig_secret(name)) is None

    def versions(self, *wanted: str) -> dict[str, str]:
        """The resourceVersion of each object of these Clusters: it changes with every write."""
        return {key: body["metadata"]["resourceVersion"] for name in wanted for key, body in self.objects_of(name).items()}

    def objects_of(self, name: str) -> dict[str, dict[str, Any]]:
        """Each object of the Cluster, by kind and name."""
        kinds = ("Cluster", "LocalCluster", "LocalControlPlane", "Secret")
        found = {kind: self.object(kind, names.kubeconfig_secret(name) if kind == "Secret" else name) for kind in kinds}
        return {f"{kind} {name}": body for kind, body in found.items() if body}

    def objects_of_ours(self, name: str) -> dict[str, dict[str, Any]]:
        """Those of them that the provider writes; the Cluster is written by Cluster API's core, which has timers of its own."""
        return {key: body for key, body in self.objects_of(name).items() if not key.startswith("Cluster ")}

    def settled(self, name: str) -> dict[str, dict[str, Any]]:
        """The objects of the Cluster that the provider writes, once nobody has written any of them for two seconds."""
        last: list[dict[str, dict[str, Any]]] = []

        def same() -> bool | None:
            last.append(self.objects_of_ours(name))
            return (len(last) > 4 and all(seen == last[-1] for seen in last[-5:-1])) or None

        wait_for(f"the objects of {name} to stay as they are", same, every=0.5)
        return last[-1]


def cluster(name: str) -> dict[str, Any]:
    """The head of a Cluster of the fleet."""
    return {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "metadata": {"name": name, "namespace": names.FLEET}}


def site(name: str) -> Site:
    """The local site behind a Cluster."""
    return sites.find(name)
