"""What is asked of a site's API server, with a certificate of that site. Small on purpose: it runs in the site's first process."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from typing import Any

from commonweal_kube import blocking
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_kube.protocol import APPLY, MERGE
from commonweal_local.sites.site import Site

SECONDS = 10.0
# What a request can raise while a server is starting, stopping or cut off.
Unreachable = (ApiError, ApiServerUnavailableError, OSError, ValueError)


def _anew() -> Mapping[str, str]:
    """A connection for each request: certificates and servers are replaced while this process runs."""
    return {"Connection": "close"}


class Api(blocking.Api):
    """Requests to one site, as one who has a certificate of it. Raises one of `Unreachable` when the site does not answer or refuses."""

    def __init__(self, site: Site, who: str = "admin") -> None:
        context = ssl.create_default_context(cafile=str(site.pki / "ca.crt"))
        context.load_cert_chain(site.pki / f"{who}.crt", site.pki / f"{who}.key")
        super().__init__(site.server, blocking.near(context), _anew, SECONDS)

    def apply(self, item: Mapping[str, Any]) -> None:
        """Server-side apply: create it or change it into this, whatever is there."""
        self.call("PATCH", _path(item) + "?fieldManager=local-site&force=true", item, content=APPLY)

    def ready(self) -> bool:
        return bool(self.call("GET", "/readyz", seconds=3) == "ok")

    def healthy(self) -> bool:
        """Whether the server answers this caller at the path at which controllers ask for it; others than administrators it refuses at first."""
        return bool(self.call("GET", "/healthz", seconds=3) == "ok")

    def nodes_ready(self, since: str = "") -> bool:
        """Whether there are nodes and all report Ready, with a heartbeat no older than `since` (RFC 3339).

        After a restart etcd still holds "Ready" from before, so the heartbeat is what counts.
        """
        nodes = self.call("GET", "/api/v1/nodes")["items"]
        return bool(nodes) and all(any(_fresh(condition, since) for condition in _conditions(node)) for node in nodes)

    def drop_taint(self, node: str, key: str) -> None:
        """Take a taint off a node; others stay. Nothing is written when it has none of that key."""
        path = f"/api/v1/nodes/{node}"
        found = self.call("GET", path)
        taints = found["spec"].get("taints") or []
        kept = [taint for taint in taints if taint["key"] != key]
        if kept != taints:
            # By the version that was read: somebody else's taint that came meanwhile must not be lost.
            patch = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "spec": {"taints": kept}}
            self.call("PATCH", path, patch, content=MERGE)

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
