"""What a cluster really serves and holds of ours, as leaves. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import kubernetes
import urllib3
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError, NotFoundError, ResourceNotFoundError

from commonweal_stacks.clusters.identity import client_of
from commonweal_stacks.conformity.blueprint import LAYER as BLUEPRINT
from commonweal_stacks.conformity.blueprint import blueprint_leaves
from commonweal_stacks.conformity.normal import allow_list, leaves_of
from commonweal_stacks.conformity.tree import ABSENT, Digest, flatten, spelled
from commonweal_stacks.platform.layer import POLICY_GROUP, Layer
from commonweal_stacks.platform.manifests import NAMESPACE, key_of
from commonweal_stacks.site import SiteConfigError

GROUP = "commonweal.dev"
_dynamic_client: Any = kubernetes.dynamic.DynamicClient  # the package has no types
# Ours, and not made for a department: departments are data, and each site has its own.
OURS = "app.kubernetes.io/part-of=commonweal,!commonweal.dev/department"
Object = Mapping[str, Any]


def gather(layer: Layer, kubeconfig: str, *, site: str) -> Digest:
    """Return the digest of a site: what was meant, what is served, what is there. Raises SiteConfigError when the site does not answer."""
    client = client_of(kubeconfig, site=site)
    try:
        live = list(_live(_dynamic_client(client), layer.objects))
        served = _served(client)
    except (urllib3.exceptions.HTTPError, OSError, ApiException, DynamicApiError) as error:
        raise SiteConfigError(
            f"Site {site} ({client.configuration.host}) could not be read: {type(error).__name__}. Start it, or use an administrator's kubeconfig."
        ) from error
    policies = [obj for obj in live if _is_policy(obj)]
    return Digest(
        {
            "allowed": allow_list(),
            BLUEPRINT: blueprint_leaves(layer.objects),
            "api": served,
            "layer": _leaves(obj for obj in live if obj not in policies),
            "policies": _leaves(policies),
        }
    )


def _is_policy(obj: Object) -> bool:
    return str(obj["apiVersion"]).startswith(f"{POLICY_GROUP}/")


def _leaves(objects: Iterable[Object]) -> dict[str, Any]:
    return {path: value for obj in objects for path, value in leaves_of(obj, live=True).items()}


def _live(client: Any, wanted: Iterable[Object]) -> Iterable[Object]:
    """Yield the live form of every object of the layer, and every further one that carries our labels beside them."""
    kinds: dict[tuple[str, str], None] = {}
    expected: dict[tuple[str, str, str], Object] = {}
    for obj in wanted:
        kinds[obj["apiVersion"], obj["kind"]] = None
        expected[key_of(obj)] = obj
    for version, kind in kinds:
        yield from _of_kind(client, version, kind, expected)


def _of_kind(client: Any, version: str, kind: str, expected: Mapping[tuple[str, str, str], Object]) -> Iterable[Object]:
    try:
        resource = client.resources.get(api_version=version, kind=kind)
    except ResourceNotFoundError:
        yield from (_gone(obj) for obj in expected.values() if (obj["apiVersion"], obj["kind"]) == (version, kind))
        return
    place = {"namespace": NAMESPACE} if resource.namespaced else {}
    listed = resource.get(label_selector=OURS, **place).to_dict()["items"]
    found: dict[tuple[str, str, str], Object] = {
        key_of(whole): whole for whole in ({**item, "apiVersion": version, "kind": kind} for item in listed)
    }
    for key, obj in expected.items():
        if (obj["apiVersion"], obj["kind"]) == (version, kind) and key not in found:
            found[key] = _single(resource, obj)
    yield from found.values()


def _single(resource: Any, obj: Object) -> Object:
    metadata = obj["metadata"]
    place = {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
    try:
        live: Object = resource.get(name=metadata["name"], **place).to_dict()
    except NotFoundError:
        return _gone(obj)
    return live


def _gone(obj: Object) -> Object:
    """Return what stands for an object that is not there: a leaf of its own, so that it is named."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in {"name", "namespace"}}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "presence": ABSENT}


def _served(client: Any) -> dict[str, Any]:
    """Return the leaves of what the API server says about our group, and of its own minor version."""
    version = _json(client, "/version")
    leaves: dict[str, Any] = {"kubernetes:minor": f"{version['major']}.{version['minor'].rstrip('+')}"}
    group = _json(client, f"/apis/{GROUP}")
    for entry in group.get("versions", []):
        name = entry["version"]
        leaves[f"{GROUP}:version/{name}"] = "served"
        schemas = _json(client, f"/openapi/v3/apis/{GROUP}/{name}").get("components", {}).get("schemas", {})
        ours = {key: value for key, value in schemas.items() if key.startswith("dev.commonweal.")}
        leaves.update({f"{GROUP}/{name}:{spelled(steps)}": value for steps, value in flatten(ours)})
    return leaves


def _json(client: Any, path: str) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
    try:
        response = client.call_api("GET", f"{client.configuration.host}{path}", headers, _request_timeout=(5.0, 30.0))
    except ApiException as error:
        if error.status == 404:
            return {}
        raise
    raw = response.read()
    if response.status == 404:
        return {}
    parsed: dict[str, Any] = json.loads(raw)
    return parsed
