"""One Kubernetes object as a Pulumi resource, whatever its kind, with the word on what `pulumi up` waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from commonweal_stacks import fleet_names as names
from commonweal_stacks.manifests import Manifest, key_of

WAIT_FOR, SKIP_AWAIT = "pulumi.com/waitFor", "pulumi.com/skipAwait"
# When an object of these kinds is as it should be. Every condition must speak of the newest generation, and all must hold at once: a Cluster is
# still Available in the moment in which an upgrade begins.
AWAITED: Mapping[str, Sequence[str]] = {
    "ClusterClass": ("condition=VariablesReady",),
    "Cluster": ("condition=TopologyReconciled", "condition=RollingOut=False", "condition=Available"),
}
ADDRESS = "jsonpath={.status.loadBalancer.ingress[0]}"


def awaited(obj: Manifest) -> Manifest:
    """Return the object with the annotation on what `pulumi up` waits for, where that is not what it would be by itself; its own word stays. Pure."""
    word = _word(obj)
    if not word:
        return obj
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "annotations": {**word, **(metadata.get("annotations") or {})}}}


def _word(obj: Manifest) -> dict[str, str]:
    if str(obj["apiVersion"]).startswith(f"{names.GROUP}/") and (wanted := AWAITED.get(obj["kind"])):
        return {WAIT_FOR: wanted[0] if len(wanted) == 1 else json.dumps(list(wanted))}
    if (obj["apiVersion"], obj["kind"]) == ("v1", "Service"):
        # By itself the plug-in waits until the pods behind a Service have not changed for ten seconds; for the pods the Deployment is waited for.
        return {WAIT_FOR: ADDRESS} if obj.get("spec", {}).get("type") == "LoadBalancer" else {SKIP_AWAIT: "true"}
    if obj["kind"] == "StatefulSet":
        # Where pods are simulated no volume is ever bound. The issuer says in words while its store does not answer.
        return {SKIP_AWAIT: "true"}
    return {}


def token_of(obj: Manifest) -> str:
    """Return the resource type of an object: `kubernetes:apps/v1:Deployment`, `kubernetes:core/v1:Service`."""
    version = str(obj["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{obj['kind']}"


def name_of(obj: Manifest) -> str:
    """Return the resource's name in the stack; it is part of the URN, so it never changes without an alias."""
    kind, namespace, name = key_of(obj)
    return "/".join(part for part in (kind, namespace, name) if part)


class KubernetesObject(pulumi.CustomResource):
    """One object. `status` is its status once it is ready."""

    status: pulumi.Output[Any]

    def __init__(self, obj: Manifest, opts: pulumi.ResourceOptions) -> None:
        super().__init__(token_of(obj), name_of(obj), {**awaited(obj), "status": None}, opts)
