"""The objects of a department's namespace, of every kind that the site serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from commonweal_stacks.api import Api

# What the cluster writes for itself.
PASSED_OVER = frozenset({"events", "endpoints", "endpointslices", "leases", "controllerrevisions"})
DEPARTMENTS = "/apis/commonweal.dev/v1alpha1/departments"
CONTROLLERS = ("v1", "apps", "batch")


class Live:
    """A site's API server, asked as the kubeconfig's user. Raises SiteConfigError where it refuses or does not answer."""

    def __init__(self, kubeconfig: str, *, site: str) -> None:
        self._api = Api(kubeconfig, site=site)

    def departments(self) -> list[str]:
        """Return the departments of the site."""
        return sorted(item["metadata"]["name"] for item in self._api.call("GET", DEPARTMENTS)["items"])

    def objects(self, namespace: str) -> list[Mapping[str, Any]]:
        """Return all that somebody wrote in the namespace: what a controller of Kubernetes derived from another object there is left out."""
        paths = [f"{group}/namespaces/{namespace}/{plural}" for group, plural in self._collections()]
        found = [obj for path in paths for obj in self._api.items(path)]
        return [obj for obj in found if not _derived(obj)]

    def _collections(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each served group's preferred version, with each of its namespaced kinds that can be listed."""
        groups = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in self._api.call("GET", "/apis")["groups"])]
        for path in groups:
            for kind in self._api.call("GET", path)["resources"]:
                if kind["namespaced"] and "list" in kind["verbs"] and "/" not in kind["name"] and kind["name"] not in PASSED_OVER:
                    yield path, kind["name"]


def _derived(obj: Mapping[str, Any]) -> bool:
    """Whether a controller of Kubernetes made it; what the operator made for the department is the department's."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and str(owner["apiVersion"]).split("/")[0] in CONTROLLERS for owner in owners)
