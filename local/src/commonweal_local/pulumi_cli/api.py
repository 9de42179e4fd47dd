"""A question to an API server before or after a run of the CLI."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client.exceptions import ApiException

SECONDS = (5.0, 30.0)  # to connect, to answer


def request(client: Any, method: str, path: str, body: Any = None) -> Any:
    """Return the parsed answer. Raises ApiException for a refusal."""
    headers = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
    client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
    response = client.call_api(method, f"{client.configuration.host}{path}", headers, body, _request_timeout=SECONDS)
    raw = response.read()
    if response.status >= 400:
        raise ApiException(status=response.status, reason=response.reason)
    return json.loads(raw)


def found(client: Any, path: str) -> Any | None:
    """Return the object at a path, or None when it, or its kind, is not there. Raises ApiException for any other refusal."""
    try:
        return request(client, "GET", path)
    except ApiException as error:
        if error.status == 404:
            return None
        raise
