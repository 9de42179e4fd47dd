"""A site's cluster as a Pulumi component: declared on the management cluster, waited for, and known by the kubeconfig that comes of it."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes

from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.clusters.managed import kubeconfig_secret
from commonweal_stacks.management import names
from commonweal_stacks.platform.component import KubernetesObject
from commonweal_stacks.platform.manifests import Manifest, manifest
from commonweal_stacks.site import SiteConfigError

CLUSTER_MANAGER = "commonweal"
WAIT_FOR = "pulumi.com/waitFor"
# When an object of these kinds is as it should be. Every condition must speak of the newest generation, and all must hold at once: a Cluster is
# still Available in the moment in which an upgrade begins.
AWAITED: Mapping[str, Sequence[str]] = {
    "ClusterClass": ("condition=VariablesReady",),
    "Cluster": ("condition=TopologyReconciled", "condition=RollingOut=False", "condition=Available"),
}
# A Cluster that did not change is not waited for, though after a restart of its machines it may still be coming up.
ANSWER_SECONDS, LOOK_AGAIN_SECONDS = 120.0, 1.0
# Machines of a cloud take minutes each; a delete waits until the provider has removed the last of them.
PATIENCE = pulumi.CustomTimeouts(create="30m", update="60m", delete="30m")


def awaited(obj: Manifest) -> Manifest:
    """Return the object with the word on what `pulumi up` waits for. Pure."""
    wanted = AWAITED.get(obj["kind"]) if str(obj["apiVersion"]).startswith(f"{names.GROUP}/") else None
    if not wanted:
        return obj
    metadata = obj["metadata"]
    text = wanted[0] if len(wanted) == 1 else json.dumps(list(wanted))
    return {**obj, "metadata": {**metadata, "annotations": {WAIT_FOR: text, **(metadata.get("annotations") or {})}}}


def classed(obj: Manifest, made: Mapping[str, pulumi.CustomResource]) -> Manifest:
    """Return a Cluster whose class's name is known once the class, if it is one of those made with it, is there.

    In a preview the API server is asked what would become of a Cluster, and refuses one of a class that is not there yet.
    """
    topology = obj.get("spec", {}).get("topology", {}) if obj["kind"] == "Cluster" else {}
    name = topology.get("classRef", {}).get("name")
    if name not in made:
        return obj
    known = pulumi.Output.from_input(made[name].id).apply(lambda _made: name)
    return {**obj, "spec": {**obj["spec"], "topology": {**topology, "classRef": {**topology["classRef"], "name": known}}}}


def profile(site: str) -> Manifest:
    """Return the site's entry in the fleet's inventory, of the form that other tools read; its status is written by whoever examines the site."""
    made = manifest("multicluster.x-k8s.io/v1alpha1", "ClusterProfile", site, namespace=names.FLEET)
    made["metadata"]["labels"]["x-k8s.io/cluster-manager"] = CLUSTER_MANAGER
    return {**made, "spec": {"displayName": site, "clusterManager": {"name": CLUSTER_MANAGER}}}


def _management(site: str, file: Path, parent: pulumi.Resource) -> pulumi_kubernetes.Provider:
    return pulumi_kubernetes.Provider(
        f"{site}-management",
        kubeconfig=str(file),
        # The role, not the cluster that has it today: one that was lost and made anew is told again what it should hold, by a refresh.
        # As another cluster it would have the old one's Clusters deleted, and with them the sites.
        cluster_identifier=names.FLEET,
        # A Secret that others read changes in place: it is at no moment not there.
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


class FleetEntry(pulumi.ComponentResource):
    """An adopted site in the fleet: its kubeconfig where the fleet's tools look for it, and its entry in the inventory. No Cluster: nobody makes or ends it.

    `management` is the file of the management cluster's kubeconfig.
    """

    def __init__(self, site: str, kubeconfig: str, *, management: Path) -> None:
        super().__init__("commonweal:cluster:FleetEntry", site)
        opts = pulumi.ResourceOptions(parent=self, provider=_management(site, management, self), additional_secret_outputs=["data"])
        secret = kubeconfig_secret(site, kubeconfig)
        KubernetesObject({**secret, "data": pulumi.Output.secret(secret["data"])}, opts)
        KubernetesObject(profile(site), opts)
        self.register_outputs({})


class DeclaredCluster(pulumi.ComponentResource):
    """The cluster of one site. `kubeconfig` (a secret) and `identifier` are known once the Cluster is Available; in previews, once it is there.

    `objects` come in their order, the Cluster last. `management` is the file of the management cluster's kubeconfig: the provider is given the
    path, so that no key of it lies in the state, and whatever reads the state later uses the key that is valid then.
    """

    def __init__(self, site: str, objects: Sequence[Manifest], *, management: Path) -> None:
        super().__init__("commonweal:cluster:DeclaredCluster", site)
        provider = _management(site, management, self)
        earlier: list[pulumi.Resource] = []
        classes: dict[str, pulumi.CustomResource] = {}
        for obj in objects:
            opts = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[*earlier], custom_timeouts=PATIENCE)
            made = KubernetesObject(awaited(classed(obj, classes)), opts)
            earlier.append(made)
            if obj["kind"] == "ClusterClass":
                classes[obj["metadata"]["name"]] = made
        cluster = earlier[-1]
        KubernetesObject(profile(site), pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[cluster]))
        self.kubeconfig = self._kubeconfig(site, cluster, provider)
        self.identifier: pulumi.Output[str] = pulumi.Output.unsecret(self.kubeconfig.apply(lambda text: _identify(text, site)))
        self.register_outputs({"identifier": self.identifier})

    def _kubeconfig(self, site: str, cluster: pulumi.Resource, provider: pulumi.ProviderResource) -> pulumi.Output[str]:
        """Return the contents of the Secret that Cluster API's contract promises; it is read in each run, so that a rotated one is seen."""
        name = names.kubeconfig_secret(site)
        # Unknown as long as the Cluster is not made: then there is nothing to read, and a preview goes on without.
        identifier = pulumi.Output.from_input(cluster.id).apply(lambda _made: f"{names.FLEET}/{name}")  # type: ignore[attr-defined]
        opts = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[cluster], additional_secret_outputs=["data"])
        found = pulumi_kubernetes.core.v1.Secret.get(name, identifier, opts)
        return pulumi.Output.secret(found.data.apply(lambda data: _contents(data, site)))


def _contents(data: Mapping[str, Any] | None, site: str) -> str:
    value = (data or {}).get(names.KUBECONFIG_KEY)
    if not value:
        raise pulumi.RunError(
            f"Secret {names.FLEET}/{names.kubeconfig_secret(site)} holds no {names.KUBECONFIG_KEY!r}: see its provider's log."
        )
    return b64decode(value).decode()


async def _identify(kubeconfig: str, site: str) -> str:
    """Return the uid of the site's kube-system, waiting a while for a site that is starting. Raises RunError, which says what to do."""
    deadline = time.monotonic() + (0 if pulumi.runtime.is_dry_run() else ANSWER_SECONDS)
    while True:
        try:
            return await asyncio.to_thread(cluster_uid, kubeconfig, site=site)
        except SiteConfigError as error:
            if time.monotonic() >= deadline:
                raise pulumi.RunError(str(error)) from error
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
