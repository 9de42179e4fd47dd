"""The objects of a department's namespace, of every kind that the site serves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3

from commonweal_local.failure import LocalError
from commonweal_stacks.clusters.identity import client_of

PAGE = 500
SECONDS = (5.0, 30.0)
# What the cluster writes for itself.
PASSED_OVER = frozenset({"events", "endpoints", "endpointslices", "leases", "controllerrevisions"})
DEPARTMENTS = "/apis/commonweal.dev/v1alpha1/departments"
CONTROLLERS = ("v1", "apps", "batch")


class Live:
    """A site's API server, asked as the kubeconfig's user. Raises LocalError where it refuses or does not answer."""

    def __init__(self, kubeconfig: str, *, site: str) -> None:
        self._client, self._site = client_of(kubeconfig, site=site), site

    def departments(self) -> list[str]:
        """Return the departments of the site."""
        return sorted(item["metadata"]["name"] for item in self._get(DEPARTMENTS)["items"])

    def objects(self, namespace: str) -> list[Mapping[str, Any]]:
        """Return all that somebody wrote in the namespace: what a controller of Kubernetes derived from another object there is left out."""
        found = [obj for group, plural in self._collections() for obj in self._list(group, namespace, plural)]
        return [obj for obj in found if not _derived(obj)]

    def _collections(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each served group's preferred version, with each of its namespaced kinds that can be listed."""
        groups = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in self._get("/apis")["groups"])]
        for path in groups:
            for kind in self._get(path)["resources"]:
                if kind["namespaced"] and "list" in kind["verbs"] and "/" not in kind["name"] and kind["name"] not in PASSED_OVER:
                    yield path, kind["name"]

    def _list(self, group: str, namespace: str, plural: str) -> Iterator[Mapping[str, Any]]:
        path, token = f"{group}/namespaces/{namespace}/{plural}?limit={PAGE}", ""
        while True:
            page = self._get(f"{path}&continue={token}" if token else path)
            # Items of a list carry neither apiVersion nor kind.
            named = {"apiVersion": page["apiVersion"], "kind": str(page["kind"]).removesuffix("List")}
            yield from (named | item for item in page["items"])
            token = page["metadata"].get("continue")
            if not token:
                return

    def _get(self, path: str) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        try:
            response = self._client.call_api("GET", f"{self._client.configuration.host}{path}", headers, None, _request_timeout=SECONDS)
            status, raw = response.status, response.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise LocalError(
                f"Site {self._site} does not answer: {type(error).__name__}", "Start it, or correct its kubeconfig."
            ) from error
        if status >= 400:
            raise LocalError(
                f"Site {self._site} refused to show {path}: {response.reason}",
                "Use an administrator's kubeconfig, on a site with the platform layer.",
            )
        return dict(json.loads(raw))


def _derived(obj: Mapping[str, Any]) -> bool:
    """Whether a controller of Kubernetes made it; what the operator made for the department is the department's."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") and str(owner["apiVersion"]).split("/")[0] in CONTROLLERS for owner in owners)
