"""The platform layer as a Pulumi component: every object a plain resource of its own, so that a preview shows each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes

from commonweal_stacks.conformity.blueprint import blueprint_root
from commonweal_stacks.manifests import NAMESPACE, Manifest
from commonweal_stacks.platform.layer import Layer
from commonweal_stacks.resources import KubernetesObject

QUERIES_PER_SECOND, BURST = 50, 120
# A pod that has not come up by then will not: better to say why than to wait for the plug-in's ten minutes.
PATIENCE = pulumi.CustomTimeouts(create="4m", update="4m", delete="4m")


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """What the platform on a cluster needs: the layer (`build_layer`), an administrator's kubeconfig, and which cluster that is (the uid of its kube-system)."""

    layer: Layer
    kubeconfig: pulumi.Input[str]
    cluster_identifier: pulumi.Input[str]


class Platform(pulumi.ComponentResource):
    """The layer on one cluster. Only another `cluster_identifier` replaces its objects: a rotated kubeconfig, or a moved address, does not."""

    namespace: pulumi.Output[str]
    """The namespace of the operator and of what serves all departments."""
    cluster_identifier: pulumi.Output[str]
    """Which cluster it is: the uid of its kube-system."""
    digest: pulumi.Output[str]
    """The digest of what the site is meant to be: equal for two sites that are meant to be alike."""
    endpoints: pulumi.Output[Mapping[str, str]]
    """Where each Service of the platform is reached, by its name."""

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("commonweal:platform:Platform", name, opts=opts)
        provider = pulumi_kubernetes.Provider(
            name,
            kubeconfig=pulumi.Output.secret(args.kubeconfig),
            cluster_identifier=args.cluster_identifier,
            # Our objects have names that others know: they change in place, they are not made anew beside the old ones.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            kube_client_settings=pulumi_kubernetes.KubeClientSettingsArgs(qps=QUERIES_PER_SECOND, burst=BURST),
            opts=pulumi.ResourceOptions(parent=self),
        )
        made: list[KubernetesObject] = []
        earlier: list[KubernetesObject] = []
        for stage in args.layer.stages:
            options = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=[*earlier], custom_timeouts=PATIENCE)
            earlier = [KubernetesObject(obj, options) for obj in stage.objects]
            made += earlier
        addresses = {
            obj["metadata"]["name"]: _address(one, obj)
            for one, obj in zip(made, args.layer.objects, strict=True)
            if obj["kind"] == "Service"
        }
        self.namespace = pulumi.Output.from_input(NAMESPACE)
        self.cluster_identifier = pulumi.Output.from_input(args.cluster_identifier)
        self.digest = pulumi.Output.from_input(blueprint_root(args.layer.objects))
        self.endpoints = pulumi.Output.all(**addresses) if addresses else pulumi.Output.from_input({})
        self.register_outputs(
            {
                "namespace": self.namespace,
                "clusterIdentifier": self.cluster_identifier,
                "digest": self.digest,
                "endpoints": self.endpoints,
            }
        )


def _address(made: KubernetesObject, obj: Manifest) -> pulumi.Output[str]:
    """Return where a Service is reached: its load balancer's address, else its name inside the cluster."""
    inside = f"{obj['metadata']['name']}.{NAMESPACE}.svc.cluster.local"

    def address(status: Any) -> str:
        ingress = ((status or {}).get("loadBalancer") or {}).get("ingress") or [{}]
        return str(ingress[0].get("ip") or ingress[0].get("hostname") or inside)

    return made.status.apply(address)
