"""The platform layer as a Pulumi component: every object a plain resource of its own, so that a preview shows each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes

from commonweal_stacks.conformity.blueprint import blueprint_root
from commonweal_stacks.platform.layer import Layer
from commonweal_stacks.platform.manifests import NAMESPACE, Manifest, key_of

QUERIES_PER_SECOND, BURST = 50, 120
# A pod that has not come up by then will not: better to say why than to wait for the plug-in's ten minutes.
PATIENCE = pulumi.CustomTimeouts(create="4m", update="4m", delete="4m")


def token_of(obj: Manifest) -> str:
    """Return the resource type of an object: `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:Service`."""
    version = str(obj["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{obj['kind']}"


def name_of(obj: Manifest) -> str:
    """Return the resource's name in the stack; it is part of the URN, so it never changes without an alias."""
    kind, namespace, name = key_of(obj)
    return "/".join(part for part in (kind, namespace, name) if part)


class KubernetesObject(pulumi.CustomResource):
    """One object, whatever its kind. `status` is the object's status once it is ready."""

    status: pulumi.Output[Any]

    def __init__(self, obj: Manifest, opts: pulumi.ResourceOptions) -> None:
        super().__init__(token_of(obj), name_of(obj), {**obj, "status": None}, opts)


class Platform(pulumi.ComponentResource):
    """The layer on one cluster. Only another `cluster_identifier` replaces its objects: a rotated kubeconfig, or a moved address, does not."""

    def __init__(self, site: str, layer: Layer, *, kubeconfig: pulumi.Input[str], cluster_identifier: pulumi.Input[str]) -> None:
        super().__init__("commonweal:platform:Platform", site)
        provider = pulumi_kubernetes.Provider(
            site,
            kubeconfig=pulumi.Output.secret(kubeconfig),
            cluster_identifier=cluster_identifier,
            # Our objects have names that others know: they change in place, they are not made anew beside the old ones.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            kube_client_settings=pulumi_kubernetes.KubeClientSettingsArgs(qps=QUERIES_PER_SECOND, burst=BURST),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.objects: list[KubernetesObject] = []
        earlier: list[pulumi.Resource] = []
        for stage in layer.stages:
            opts = pulumi.ResourceOptions(parent=self, provider=provider, depends_on=earlier, custom_timeouts=PATIENCE)
            made = [KubernetesObject(obj, opts) for obj in stage.objects]
            self.objects += made
            earlier = [*made]
        self.outputs: Mapping[str, Any] = {
            "namespace": NAMESPACE,
            "clusterIdentifier": cluster_identifier,
            "digest": blueprint_root(layer.objects),
            "endpoints": {
                obj["metadata"]["name"]: _address(made, obj)
                for made, obj in zip(self.objects, layer.objects, strict=True)
                if obj["kind"] == "Service"
            },
        }
        self.register_outputs(dict(self.outputs))


def _address(made: KubernetesObject, obj: Manifest) -> pulumi.Output[str]:
    """Return where a Service is reached: its load balancer's address, else its name inside the cluster."""
    inside = f"{obj['metadata']['name']}.{NAMESPACE}.svc.cluster.local"

    def address(status: Any) -> str:
        ingress = ((status or {}).get("loadBalancer") or {}).get("ingress") or [{}]
        return str(ingress[0].get("ip") or ingress[0].get("hostname") or inside)

    return made.status.apply(address)
