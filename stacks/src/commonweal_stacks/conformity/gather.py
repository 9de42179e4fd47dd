"""What a cluster really serves and holds of ours, as leaves. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from commonweal_stacks.api import Api
from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.clusters import ADAPTERS
from commonweal_stacks.conformity.blueprint import LAYER as BLUEPRINT
from commonweal_stacks.conformity.blueprint import blueprint_leaves, cluster_leaves
from commonweal_stacks.conformity.normal import allow_list, declared_list, leaves_of
from commonweal_stacks.conformity.tree import Digest, flatten, spelled
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.manifests import NAMESPACE, key_of
from commonweal_stacks.platform.layer import POLICY_GROUP, Layer

GROUP = "commonweal.dev"
# Ours, and not made for a department: departments are data, and each site has its own.
OURS = "app.kubernetes.io/part-of=commonweal,!commonweal.dev/department"
Object = Mapping[str, Any]


def gather(layer: Layer, blueprint: Blueprint, api: Api, probes: Mapping[str, str]) -> Digest:
    """Return the digest of a site: what was meant, what is served, what is there, how it behaved. Raises SiteConfigError when it does not answer."""
    live = list(_live(api, layer.objects))
    policies = [obj for obj in live if _is_policy(obj)]
    return Digest(
        {
            "allowed": {**allow_list(), **declared_list(adapter.declaration for adapter in ADAPTERS.values())},
            BLUEPRINT: {**cluster_leaves(blueprint.data()), **blueprint_leaves(layer.objects)},
            "api": _served(api),
            "layer": _leaves(obj for obj in live if obj not in policies),
            "policies": _leaves(policies),
            "probes": dict(probes),
        }
    )


def _is_policy(obj: Object) -> bool:
    return str(obj["apiVersion"]).startswith(f"{POLICY_GROUP}/")


def _leaves(objects: Iterable[Object]) -> dict[str, Any]:
    return {path: value for obj in objects for path, value in leaves_of(obj, live=True).items()}


def _live(api: Api, wanted: Iterable[Object]) -> Iterable[Object]:
    """Yield the live form of every object of the layer, and every further one that carries our labels beside them."""
    kinds: dict[tuple[str, str], dict[tuple[str, str, str], Object]] = {}
    for obj in wanted:
        kinds.setdefault((obj["apiVersion"], obj["kind"]), {})[key_of(obj)] = obj
    served: dict[str, Mapping[str, Any]] = {}
    for (version, kind), expected in kinds.items():
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if version not in served:
            served[version] = _json(api, group)
        resource = _resource(served[version], kind)
        if resource is None:
            yield from map(_gone, expected.values())
        else:
            yield from _of_kind(api, group, resource, expected)


def _resource(served: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return what a group says of a kind, or None when it does not serve it."""
    return next((found for found in served.get("resources", ()) if found["kind"] == kind and "/" not in found["name"]), None)


def _of_kind(api: Api, group: str, resource: Mapping[str, Any], expected: Mapping[tuple[str, str, str], Object]) -> Iterable[Object]:
    def path(namespace: str) -> str:
        place = f"/namespaces/{namespace}" if resource["namespaced"] else ""
        return f"{group}{place}/{resource['name']}"

    found: dict[tuple[str, str, str], Object] = {
        key_of(whole): whole for whole in api.items(f"{path(NAMESPACE)}?labelSelector={quote(OURS)}")
    }
    for key, obj in expected.items():
        if key not in found:
            found[key] = api.find(f"{path(obj['metadata'].get('namespace', NAMESPACE))}/{obj['metadata']['name']}") or _gone(obj)
    yield from found.values()


def _gone(obj: Object) -> Object:
    """Return what stands for an object that is not there: a leaf of its own, so that it is named."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in {"name", "namespace"}}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "presence": "gone"}


def _served(api: Api) -> dict[str, Any]:
    """Return the leaves of what the API server says about our group, and of its own minor version."""
    version = _json(api, "/version")
    leaves: dict[str, Any] = {"kubernetes:minor": f"{version['major']}.{version['minor'].rstrip('+')}"}
    group = _json(api, f"/apis/{GROUP}")
    for entry in group.get("versions", []):
        name = entry["version"]
        leaves[f"{GROUP}:version/{name}"] = "served"
        schemas = _json(api, f"/openapi/v3/apis/{GROUP}/{name}").get("components", {}).get("schemas", {})
        ours = {key: value for key, value in schemas.items() if key.startswith("dev.commonweal.")}
        leaves.update({f"{GROUP}/{name}:{spelled(steps)}": value for steps, value in flatten(ours)})
    return leaves


def _json(api: Api, path: str) -> Mapping[str, Any]:
    """Return what the server says at a path, and nothing where there is nothing. Raises SiteConfigError when it refuses."""
    answer = api.ask("GET", path)
    if not answer.ok and answer.status != 404:
        raise SiteConfigError(
            f"Site {api.site} refused to show {path}: {answer.status}: {answer.message}. Use an administrator's kubeconfig."
        )
    return answer.body if answer.ok else {}
