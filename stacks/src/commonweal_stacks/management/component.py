"""The management cluster as a Pulumi component: every object a resource of its own, in an order that Cluster API's controllers can follow."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes

from commonweal_stacks import fleet_names as names
from commonweal_stacks.management.plan import Plan
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.resources import KubernetesObject

PATIENCE = pulumi.CustomTimeouts(create="5m", update="5m", delete="5m")
READY_SECONDS, LOOK_AGAIN_SECONDS, ANSWER_SECONDS = 180.0, 0.25, 2.0
# With these every Cluster would go, and with each Cluster its site.
PROTECTED = (("CustomResourceDefinition", f"clusters.{names.GROUP}"), ("Namespace", names.FLEET))


@dataclass(frozen=True, kw_only=True)
class ManagementClusterArgs:
    """What is put on the cluster, and which one it is. `kubeconfig` is the path of the file: no key of it lies in the state.

    `ready`, if given, is an address that answers once controllers outside the cluster can be asked.
    """

    plan: Plan
    kubeconfig: Path
    cluster_identifier: pulumi.Input[str]
    ready: str = ""


class ManagementCluster(pulumi.ComponentResource):
    """Cluster API on one cluster."""

    namespace: pulumi.Output[str]
    """The namespace of every Cluster, its templates and its kubeconfig Secret."""

    def __init__(self, name: str, args: ManagementClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("commonweal:management:ManagementCluster", name, opts=opts)
        plan = args.plan
        self._provider = pulumi_kubernetes.Provider(
            name, kubeconfig=str(args.kubeconfig), cluster_identifier=args.cluster_identifier, opts=pulumi.ResourceOptions(parent=self)
        )
        defined = self._register(plan.definitions, [])
        running = self._register(plan.workloads, defined)
        if args.ready:
            hooked = [self._hook(obj, [*defined, *running], args.ready) for obj in plan.webhooks]
        else:
            hooked = self._register(plan.webhooks, [*defined, *running])
        templates = [obj for obj in plan.classes if obj["kind"] != "ClusterClass"]
        made = self._register(templates, hooked)
        self._register([obj for obj in plan.classes if obj["kind"] == "ClusterClass"], made or hooked)
        self.namespace = pulumi.Output.from_input(names.FLEET)
        self.register_outputs({"namespace": self.namespace})

    def _register(self, objects: Iterable[Manifest], earlier: list[KubernetesObject]) -> list[KubernetesObject]:
        return [KubernetesObject(obj, self._options(obj, earlier)) for obj in objects]

    def _options(self, obj: Manifest, earlier: list[KubernetesObject]) -> pulumi.ResourceOptions:
        protect = (obj["kind"], obj["metadata"]["name"]) in PROTECTED
        return pulumi.ResourceOptions(
            parent=self, provider=self._provider, depends_on=[*earlier], custom_timeouts=PATIENCE, protect=protect or None
        )

    def _hook(self, obj: Manifest, earlier: list[KubernetesObject], ready: str) -> KubernetesObject:
        """Register a webhook configuration once the controller answers: before that it would refuse every write, its own first ones, too.

        The controller starts when its kinds are served, so the wait begins when those are made; in a preview nothing is awaited.
        """
        made = pulumi.Output.all(*(one.id for one in earlier))
        hooks = pulumi.Output.all(made, obj["webhooks"]).apply(lambda found: _once_ready(ready, found[1]))
        return KubernetesObject({**obj, "webhooks": hooks}, self._options(obj, earlier))


async def _once_ready(address: str, value: Any) -> Any:
    """Return the value once the address answers 200. Raises RunError with the remedy."""
    deadline = time.monotonic() + READY_SECONDS
    while not pulumi.runtime.is_dry_run() and not await asyncio.to_thread(_answers, address):
        if time.monotonic() > deadline:
            raise pulumi.RunError(
                f"Cluster API's controller does not answer at {address} after {READY_SECONDS:g} s. `commonweal management status` says whether it "
                f"runs; its log is logs/cluster-api.log beside the kubeconfig."
            )
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return value


def _answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
