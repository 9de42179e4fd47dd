"""A site's API server, spoken to with the administrator's certificate. Small on purpose: it runs in the site's first process."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from http.client import HTTPResponse
from typing import Any, cast

from commonweal_local.sites.site import Site

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
# What a request can raise while a server is starting, stopping or cut off.
Unreachable = (OSError, urllib.error.URLError, ValueError)


class Api:
    """Requests to one site, as one who has a certificate of it. Raises urllib.error.URLError when the site does not answer or refuses."""

    def __init__(self, site: Site, who: str = "admin") -> None:
        self._server = site.server
        context = ssl.create_default_context(cafile=str(site.pki / "ca.crt"))
        context.load_cert_chain(site.pki / f"{who}.crt", site.pki / f"{who}.key")
        # Sites are next door: never through a proxy that the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

    def open(self, method: str, path: str, body: object = None, *, kind: str = JSON, timeout: float = 10) -> HTTPResponse:
        """Send a request and return the response to read from; `timeout` in seconds, per read."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Accept": JSON}
        request = urllib.request.Request(self._server + path, method=method, data=data, headers=headers)
        return cast("HTTPResponse", self._opener.open(request, timeout=timeout))

    def call(self, method: str, path: str, body: object = None, *, kind: str = JSON, timeout: float = 10) -> Any:
        """Send a request; the answer as an object, or as text where it is none."""
        with self.open(method, path, body, kind=kind, timeout=timeout) as response:
            raw = response.read()
        return json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode()

    def apply(self, item: Mapping[str, Any]) -> None:
        """Server-side apply: create it or change it into this, whatever is there."""
        self.call("PATCH", _path(item) + "?fieldManager=local-site&force=true", item, kind=APPLY)

    def ready(self) -> bool:
        return bool(self.call("GET", "/readyz", timeout=3) == "ok")

    def healthy(self) -> bool:
        """Whether the server answers this caller at the path at which controllers ask for it; others than administrators it refuses at first."""
        return bool(self.call("GET", "/healthz", timeout=3) == "ok")

    def nodes_ready(self, since: str = "") -> bool:
        """Whether there are nodes and all report Ready, with a heartbeat no older than `since` (RFC 3339).

        After a restart etcd still holds "Ready" from before, so the heartbeat is what counts.
        """
        nodes = self.call("GET", "/api/v1/nodes")["items"]
        return bool(nodes) and all(any(_fresh(condition, since) for condition in _conditions(node)) for node in nodes)

    def unavailable(self, namespaces: Collection[str]) -> list[str]:
        """The names of Deployments and DaemonSets of these namespaces that lack an available pod."""
        waiting = []
        for kind, wanted, have in (
            ("deployments", "replicas", "availableReplicas"),
            ("daemonsets", "desiredNumberScheduled", "numberAvailable"),
        ):
            for item in self.call("GET", f"/apis/apps/v1/{kind}")["items"]:
                status = item.get("status", {})
                ours = item["metadata"]["namespace"] in namespaces
                if ours and status.get(have, 0) < max(1, status.get(wanted, 0)):
                    waiting.append(str(item["metadata"]["name"]))
        return waiting


def _conditions(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(node.get("status", {}).get("conditions", []))


def _fresh(condition: Mapping[str, Any], since: str) -> bool:
    return (condition["type"], condition["status"]) == ("Ready", "True") and str(condition["lastHeartbeatTime"]) >= since


def _path(item: Mapping[str, Any]) -> str:
    version, kind = item["apiVersion"], item["kind"].lower()
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + ("es" if kind.endswith("s") else "s")
    namespace = item["metadata"].get("namespace")
    return f"{root}/{f'namespaces/{namespace}/' if namespace else ''}{plural}/{item['metadata']['name']}"
