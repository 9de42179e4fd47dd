"""The sites of this machine as the provider sees and changes them. Every function blocks; the provider calls them in threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_local import machine, sites
from commonweal_local.exceptions import LocalError
from commonweal_local.images import builder
from commonweal_local.images.archives import archive_of
from commonweal_local.progress import Silent
from commonweal_local.provider.facts import GIB_PER_NODE, Facts, Machine, Mode, Site
from commonweal_local.sites import host, places, ports, processes
from commonweal_local.sites import site as config
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.state import SERVING, recorded
from commonweal_local.sites.supervisor import WITH_BLUEPRINT
from commonweal_local.toolchain.catalogue import KUBERNETES_VERSIONS
from commonweal_stacks.blueprint import REVISIONS

KNOWN = tuple(KUBERNETES_VERSIONS)
_MODES = {config.Mode.PODS: Mode.PODS, config.Mode.CONTROL_PLANE: Mode.CONTROL_PLANE}
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3}


@dataclass(frozen=True)
class Sites:
    """The sites under one root."""

    root: Path

    def observe(self, name: str) -> Site | None:
        """The site as it is now, or None when there is none of that name."""
        try:
            found = config.Site.load(self.root, name)
        except LocalError:
            return None
        running = processes.first_process(found) is not None
        state = recorded(found)
        serving = running and SERVING in state["marks"]
        version, nodes = _asked(found) if serving else ("", None)
        silent = serving and not version and found.mode is config.Mode.CONTROL_PLANE
        change = state["change"]
        pods = found.mode is config.Mode.PODS
        return Site(
            name=name,
            cluster=found.cluster,
            mode=_MODES[found.mode],
            running=running,
            serving=serving,
            ready=running and "ready" in state["marks"],
            answers=bool(version),
            version=version,
            nodes=nodes,
            size=found.memory_gib // GIB_PER_NODE if pods else found.fake_nodes,
            kubernetes=found.kubernetes,
            revision=found.revision,
            reached=int(change["revision"]) if running else found.revision,
            step=str(change["step"]),
            stage=_stage(found, state["marks"]),
            error=str(state["error"]),
            change_error=str(change["error"]),
            host=found.address,
            port=found.ports.api,
            pods=found.network.pods,
            services=found.network.services,
            digest=self._digest(found),
            blueprint=found.blueprint,
            takes_blueprint=int(state["format"]) >= WITH_BLUEPRINT,
            stranger=ports.stranger(found, processes.members(found)) if silent else "",
        )

    def pid(self, name: str) -> int | None:
        """The site's first process."""
        try:
            return processes.first_process(config.Site.load(self.root, name))
        except LocalError:
            return None

    def kubeconfig(self, name: str) -> bytes:
        """The administrator's, as it is now."""
        return config.Site.load(self.root, name).kubeconfig.read_bytes()

    def requested_mib(self, name: str) -> int:
        """How much memory the pods that run ask for together."""
        pods = Api(config.Site.load(self.root, name)).call("GET", "/api/v1/pods")["items"]
        containers = [c for pod in pods if pod.get("status", {}).get("phase") in ("Pending", "Running") for c in pod["spec"]["containers"]]
        return int(sum(mib(c.get("resources", {}).get("requests", {}).get("memory", "0")) for c in containers))

    def machine(self, facts: Facts, name: str) -> Machine:
        """What the machine could still carry, and what is in the way of a site of that name that does not run."""
        mode = _mode(facts.mode)
        return Machine(
            root=os.geteuid() == 0,
            free_gib=machine.free_gib(self.root),
            available_mib=machine.memory_mib("MemAvailable"),
            memory_mib=machine.memory_mib(),
            free_places=host.free_places(self.root, name, mode),
            obstacle=self._obstacle(facts, name, mode),
        )

    def start(self, facts: Facts, name: str) -> None:
        """Start the site with the images of `images.json`, and return at once. Raises LocalError."""
        mode = _mode(facts.mode)
        size = {"memory_gib": (facts.nodes or 0) * GIB_PER_NODE} if mode is config.Mode.PODS else {"fake_nodes": facts.nodes}
        wanted = host.Wanted(
            name,
            mode,
            sites.programs(mode, facts.wanted_version, Silent()),
            _images() if mode is config.Mode.PODS else (),
            kubernetes=facts.wanted_version,
            cluster=facts.owner,
            blueprint=facts.wanted_blueprint,
            index=_index(facts, mode),
            **size,
        )
        host.launch(self.root, [wanted])

    def change(self, facts: Facts, site: Site, size: int) -> None:
        """Have the running site brought to the version and size, and return at once."""
        found = config.Site.load(self.root, site.name)
        fields: dict[str, Any] = {"memory_gib": size * GIB_PER_NODE} if site.mode is Mode.PODS else {"fake_nodes": size}
        if facts.wanted_blueprint in REVISIONS:
            fields["blueprint"] = facts.wanted_blueprint
        if site.version != facts.wanted_version and facts.wanted_version in KNOWN:
            fields |= {"kubernetes": facts.wanted_version, "programs": sites.programs(found.mode, facts.wanted_version, Silent())}
        host.change(self.root, site.name, **fields)

    def end(self, name: str) -> None:
        """End the site and everything it left. Raises LocalError when something would not go."""
        left = host.stop(self.root, [name])
        if left:
            raise LocalError(f"Left behind: {', '.join(left)}", "Look with `ps` and `mount` who still uses it; it is tried again.")

    def introduce(self) -> None:
        """Tell the sites of each other's names. Raises LocalError."""
        host.introduce(self.root)

    def _obstacle(self, facts: Facts, name: str, mode: config.Mode) -> str:
        """Who has the address of a site that is there, or that the Cluster names."""
        try:
            found = config.Site.load(self.root, name)
        except LocalError:
            index = _index(facts, mode)
            if index is None:
                return ""
            found = config.Site(name, index, mode, self.root, {})
        return "" if processes.first_process(found) else places.obstacle(found)

    def _digest(self, found: config.Site) -> str:
        try:
            return hashlib.sha256(found.kubeconfig.read_bytes()).hexdigest()
        except OSError:
            return ""


def mib(quantity: str) -> float:
    """A quantity of Kubernetes in MiB."""
    unit = next((unit for unit in _UNITS if quantity.endswith(unit)), "")
    return float(quantity.removesuffix(unit)) * _UNITS.get(unit, 1) / 2**20


def _asked(found: config.Site) -> tuple[str, int | None]:
    """What the site itself says: its version and how many nodes it has; nothing while it does not answer."""
    api = Api(found)
    try:
        version = str(api.call("GET", "/version", seconds=3)["gitVersion"])
        return version, len(api.call("GET", "/api/v1/nodes?resourceVersion=0", seconds=3)["items"])
    except (*Unreachable, KeyError):
        return "", None


def _stage(found: config.Site, marks: Mapping[str, float]) -> str:
    """What a starting site waits for now."""
    if found.mode is config.Mode.CONTROL_PLANE:
        return "its nodes" if marks else "the API server"
    return host.STAGES.get(list(marks)[-1] if marks else "", "the last step")


def _mode(mode: Mode) -> config.Mode:
    return config.Mode.PODS if mode is Mode.PODS else config.Mode.CONTROL_PLANE


def _images() -> list[Path]:
    """Those that were built, or none: a site is of use without them."""
    try:
        built: Mapping[str, str] = builder.built()
    except LocalError:
        return []
    return [archive_of(reference) for reference in built.values()]


def _index(facts: Facts, mode: config.Mode) -> int | None:
    """The index that the endpoint speaks of, so that a site whose files were lost comes back under its address; None when there is none yet."""
    endpoint = (facts.infra.spec.get("controlPlaneEndpoint") or {}) if facts.infra else {}
    candidates = (config.Site("any", index, mode, Path("/"), {}) for index in range(config.MOST_SITES[mode]))
    return next((c.index for c in candidates if (c.address, c.ports.api) == (endpoint.get("host"), endpoint.get("port"))), None)
