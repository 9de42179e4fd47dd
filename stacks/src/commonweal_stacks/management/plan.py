"""Everything that a management cluster gets, in the order in which it must come up. Pure but for reading definitions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_stacks import blueprint, clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management import controllers, deployments
from commonweal_stacks.management.certificates import Pair
from commonweal_stacks.management.config import ManagementConfig
from commonweal_stacks.management.controllers import CORE, KUBEADM, Controller
from commonweal_stacks.manifests import Manifest, manifest

INVENTORY = "inventory"


@dataclass(frozen=True)
class Plan:
    """Four stages, each of which waits for the one before; before `webhooks` the controllers must answer."""

    definitions: tuple[Manifest, ...]
    workloads: tuple[Manifest, ...]
    webhooks: tuple[Manifest, ...]
    classes: tuple[Manifest, ...]


@dataclass(frozen=True)
class Processes:
    """Controllers that run beside the API server: where their webhooks are, whose certificate they show, as whom each comes."""

    webhooks: str
    ca: str
    ready: str
    users: Mapping[str, str]

    @classmethod
    def read(cls, data: Mapping[str, Any], file: Path) -> Processes:
        """Return what `commonweal management up` wrote. Raises SiteConfigError."""
        try:
            return cls(str(data["webhooks"]), str(data["ca"]), str(data["ready"]), dict(data["users"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SiteConfigError(
                f"{file} does not say where the controllers answer. Write it again with `commonweal management up`."
            ) from error

    def client(self, path: str) -> dict[str, str]:
        """Return how the API server reaches a path of the webhooks."""
        return {"url": f"{self.webhooks}{path}", "caBundle": base64.b64encode(self.ca.encode()).decode()}


def for_processes(config: ManagementConfig, run: Processes, providers: Path) -> Plan:
    """Return the plan for controllers that run as processes."""
    own = [found for kind in config.kinds if kind != "adopted" for found in provided(providers / kind)]
    roles = [found for found in own if found["kind"] == "ClusterRole"]
    bound = [
        controllers.role_binding(f"{role['metadata']['name']}-{user}", role["metadata"]["name"], controllers.user(user), CORE.labels)
        for kind, user in run.users.items()
        if kind in config.kinds
        for role in roles
    ]
    rights = [*controllers.roles(CORE), controllers.binding(CORE, controllers.user(run.users[CORE.upstream.name])), *bound]
    return Plan(
        definitions=(*_foundation(providers), *controllers.definitions(CORE), *own, *rights),
        workloads=(),
        webhooks=tuple(controllers.webhooks(CORE, run.client)),
        classes=_classes(config),
    )


def for_deployments(
    config: ManagementConfig, pair_of: Callable[[Controller], Pair], providers: Path, *, hidden: Callable[[str], Any]
) -> Plan:
    """Return the plan for controllers that run as pods; `hidden` marks a text as secret."""
    wanted = (CORE, *KUBEADM) if config.has_machines else (CORE,)
    pairs = {controller: pair_of(controller) for controller in wanted}
    rights = [
        made
        for controller in wanted
        for made in (*controllers.roles(controller), controllers.binding(controller, deployments.account(controller)))
    ]
    return Plan(
        definitions=(
            *_foundation(providers),
            *(deployments.namespace(controller) for controller in wanted),
            *(found for controller in wanted for found in controllers.definitions(controller)),
            *rights,
        ),
        workloads=tuple(made for controller, pair in pairs.items() for made in deployments.objects(controller, pair, key=hidden(pair.key))),
        webhooks=tuple(
            made for controller, pair in pairs.items() for made in controllers.webhooks(controller, deployments.client(controller, pair))
        ),
        classes=_classes(config),
    )


def provided(folder: Path) -> list[Manifest]:
    """Return what a provider of ours brings: every object in its folder. Raises SiteConfigError when there is none."""
    found = [item for file in sorted(folder.glob("*.yaml")) for item in controllers.documents(file)]
    if not found:
        raise SiteConfigError(
            f"There is no provider in {folder}. Take its kind out of `commonweal:management.kinds`, or use a whole checkout."
        )
    return found


def _foundation(providers: Path) -> list[Manifest]:
    """Return the fleet's namespace, and the kind by which other fleets' programs find our clusters."""
    return [manifest("v1", "Namespace", names.FLEET, namespace=""), *provided(providers / INVENTORY)]


def _classes(config: ManagementConfig) -> tuple[Manifest, ...]:
    """Return the classes that all sites of a kind share, for every revision of the blueprint: sites move from one to the next."""
    revisions = [blueprint.revision(name) for name in blueprint.REVISIONS]
    return tuple(made for kind in config.kinds for revision in revisions for made in clusters.class_objects(kind, revision))
