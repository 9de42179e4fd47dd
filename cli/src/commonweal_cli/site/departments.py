"""Departments hold people's data: nothing that would take them along is done by accident."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kubernetes.client.exceptions import ApiException

from commonweal_local.failure import LocalError
from commonweal_local.waiting import until
from commonweal_stacks.clusters.identity import client_of

PATH = "/apis/commonweal.dev/v1alpha1/departments"
NAMESPACES = "/api/v1/namespaces?labelSelector=commonweal.dev%2Fdepartment"
SECONDS = 300.0


def names(client: Any) -> list[str]:
    """Return the departments of a cluster; none when it does not know the kind."""
    try:
        return sorted(item["metadata"]["name"] for item in _request(client, "GET", PATH).get("items", []))
    except ApiException as error:
        if error.status == 404:
            return []
        raise


def namespaces(client: Any) -> list[str]:
    """Return the namespaces of departments, those too that are on their way out."""
    return sorted(item["metadata"]["name"] for item in _request(client, "GET", NAMESPACES).get("items", []))


def clear(kubeconfig: str, *, site: str, delete: bool, say: Callable[[str], None]) -> None:
    """Return once the site has no departments, nor namespaces of theirs. Raises LocalError when it has some and they are not to be deleted.

    They have to go while the operator runs, which alone can take down what it made for them; and their namespaces before the definitions of
    what lies in them.
    """
    client = client_of(kubeconfig, site=site)
    found = names(client)
    if found and not delete:
        raise LocalError(
            f"site {site} holds the departments {', '.join(found)}, with their data",
            f"Move or delete them first, or delete them with the site: `commonweal site destroy {site} --delete-departments`.",
        )
    for name in found:
        _request(client, "PATCH", f"{PATH}/{name}", {"metadata": {"annotations": {"commonweal.dev/confirm-delete": name}}})
        _request(client, "DELETE", f"{PATH}/{name}")
    if found:
        say(f"waiting for the operator to take down {', '.join(found)}")
        until(f"the departments {', '.join(found)} to be gone", SECONDS, lambda: not names(client), every=0.5)
    until("the namespaces of departments to be gone with all that lies in them", SECONDS, lambda: not namespaces(client), every=0.5)


def _request(client: Any, method: str, path: str, body: Any = None) -> Any:
    headers = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
    client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
    response = client.call_api(method, f"{client.configuration.host}{path}", headers, body, _request_timeout=(5.0, 30.0))
    raw = response.read()
    if response.status >= 400:
        raise ApiException(status=response.status, reason=response.reason)
    return json.loads(raw)
