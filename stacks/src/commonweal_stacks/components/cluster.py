"""A site's cluster as a Pulumi component: declared on the management cluster, waited for, and known by the kubeconfig that comes of it."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes

from commonweal_stacks import fleet_names as names
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.clusters.managed import kubeconfig_secret
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.manifests import Manifest, manifest
from commonweal_stacks.resources import KubernetesObject

CLUSTER_MANAGER = "commonweal"
# A Cluster that did not change is not waited for, though after a restart of its machines it may still be coming up.
ANSWER_SECONDS, LOOK_AGAIN_SECONDS = 120.0, 1.0
# Machines of a cloud take minutes each; a delete waits until the provider has removed the last of them.
PATIENCE = pulumi.CustomTimeouts(create="30m", update="60m", delete="30m")


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


@dataclass(frozen=True, kw_only=True)
class FleetEntryArgs:
    """An adopted site's kubeconfig (contents), and the file of the management cluster's."""

    kubeconfig: str
    management: Path


class FleetEntry(pulumi.ComponentResource):
    """An adopted site in the fleet: its kubeconfig where the fleet's tools look for it, and its entry in the inventory. No Cluster: nobody makes or ends it.

    It bears the site's name.
    """

    kubeconfig_secret: pulumi.Output[str]
    """The Secret with the kubeconfig: `namespace/name`."""
    profile: pulumi.Output[str]
    """The ClusterProfile: `namespace/name`."""

    def __init__(self, name: str, args: FleetEntryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("commonweal:cluster:FleetEntry", name, opts=opts)
        options = pulumi.ResourceOptions(parent=self, provider=_management(name, args.management, self), additional_secret_outputs=["data"])
        secret = kubeconfig_secret(name, args.kubeconfig)
        self.kubeconfig_secret = KubernetesObject({**secret, "data": pulumi.Output.secret(secret["data"])}, options).id
        self.profile = KubernetesObject(profile(name), options).id
        self.register_outputs({"kubeconfigSecret": self.kubeconfig_secret, "profile": self.profile})


@dataclass(frozen=True, kw_only=True)
class DeclaredClusterArgs:
    """What makes a site's cluster, in order, the Cluster last; and the file of the management cluster's kubeconfig.

    The provider is given its path, so that no key of it lies in the state, and whatever reads the state later uses the key that is valid then.
    """

    objects: Sequence[Manifest]
    management: Path


class DeclaredCluster(pulumi.ComponentResource):
    """The cluster of one site, whose name it bears. Its outputs are known once the Cluster is Available; in previews, once it is there."""

    kubeconfig: pulumi.Output[str]
    """The contents of an administrator's kubeconfig; a secret."""
    identifier: pulumi.Output[str]
    """Which cluster it is: the uid of its kube-system."""

    def __init__(self, name: str, args: DeclaredClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("commonweal:cluster:DeclaredCluster", name, opts=opts)
        provider = _management(name, args.management, self)
        earlier: list[KubernetesObject] = []
        classes: dict[str, pulumi.CustomResource] = {}
        for obj in args.objects:
            options = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[*earlier], custom_timeouts=PATIENCE)
            earlier.append(KubernetesObject(classed(obj, classes), options))
            if obj["kind"] == "ClusterClass":
                classes[obj["metadata"]["name"]] = earlier[-1]
        cluster = earlier[-1]
        KubernetesObject(profile(name), pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[cluster]))
        self.kubeconfig = self._kubeconfig(name, cluster, provider)
        self.identifier = pulumi.Output.unsecret(self.kubeconfig.apply(lambda text: _identify(text, name)))
        self.register_outputs({"identifier": self.identifier, "kubeconfig": self.kubeconfig})

    def _kubeconfig(self, site: str, cluster: KubernetesObject, provider: pulumi.ProviderResource) -> pulumi.Output[str]:
        """Return the contents of the Secret that Cluster API's contract promises; it is read in each run, so that a rotated one is seen."""
        name = names.kubeconfig_secret(site)
        # Unknown as long as the Cluster is not made: then there is nothing to read, and a preview goes on without.
        identifier = pulumi.Output.from_input(cluster.id).apply(lambda _made: f"{names.FLEET}/{name}")
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
