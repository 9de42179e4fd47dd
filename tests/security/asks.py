"""Requests to an API server, and who sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from commonweal_kube.protocol import JSON, MERGE
from commonweal_stacks.api import Api
from security.findings import Finding, refused

Body = dict[str, Any]
CREATABLE = {
    "Service": ("v1", "services"),
    "Endpoints": ("v1", "endpoints"),
    "Pod": ("v1", "pods"),
    "Secret": ("v1", "secrets"),
    "ConfigMap": ("v1", "configmaps"),
    "Namespace": ("v1", "namespaces"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "Deployment": ("apps/v1", "deployments"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "PriorityClass": ("scheduling.k8s.io/v1", "priorityclasses"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "DataProduct": ("commonweal.dev/v1alpha1", "dataproducts"),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `dry`: as a dry run, for what would take the site down if it were not refused."""

    method: str
    path: str
    body: Any = None
    dry: bool = False
    impersonate: str = ""

    @property
    def content(self) -> str:
        """The type of the body."""
        return MERGE if self.method == "PATCH" else JSON


def collection(kind: str, namespace: str = "") -> str:
    """Return where objects of a kind are made."""
    version, plural = CREATABLE[kind]
    root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def made(kind: str, name: str, namespace: str = "", *, labels: Mapping[str, str] | None = None, dry: bool = False, **content: Any) -> Ask:
    """Return the request that makes an object."""
    metadata: Body = {"name": name, "labels": dict(labels or {})} | ({"namespace": namespace} if namespace else {})
    body = {"apiVersion": CREATABLE[kind][0], "kind": kind, "metadata": metadata, **content}
    return Ask("POST", collection(kind, namespace), body, dry=dry)


def sent(api: Api, ask: Ask) -> tuple[int, str]:
    """Send a request; return the status and the server's words."""
    answer = api.ask(
        ask.method,
        ask.path,
        ask.body,
        query={"dryRun": "All"} if ask.dry and ask.method != "GET" else None,
        user=ask.impersonate,
        content=ask.content,
    )
    return answer.status, answer.message or answer.text[:300]


def as_token(kubeconfig: str, token: str, site: str) -> Api:
    """Return the API server of a kubeconfig as who holds the token sees it."""
    config = yaml.safe_load(kubeconfig)
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    return Api(yaml.safe_dump(config), site=site)


def tried(part: str, api: Api, admin: Api, asks: Mapping[str, Ask]) -> list[Finding]:
    """Send each request as the attacker, one finding each; what was made in spite of all is taken away again by an administrator."""
    found = []
    for name, ask in asks.items():
        status, message = sent(api, ask)
        found.append(refused(part, name, status, message))
        if status < 300 and ask.method == "POST" and isinstance(ask.body, dict) and not ask.dry:
            admin.ask("DELETE", f"{ask.path}/{ask.body['metadata']['name']}", {"gracePeriodSeconds": 0})
    return found
