"""Who may talk to whom in the platform's namespace: nobody, but for what is listed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commonweal_stacks.platform.manifests import LABELS, Manifest, manifest

DNS_PORT = 53
API_SERVER_PORTS = (443, 6443)
IDENTITY_PORT = 8082


def policies(client_cidrs: Sequence[str]) -> list[Manifest]:
    """Return the policies of commonweal-system."""
    return [
        _policy("default-deny", {}, types=("Ingress", "Egress")),
        _policy("names", {}, types=("Egress",), egress=[{"ports": _ports("UDP", DNS_PORT) + _ports("TCP", DNS_PORT)}]),
        # The API server is no pod: its address and port are the site's, so only the ports can be named.
        _policy("operator-api-server", _component("operator"), types=("Egress",), egress=[{"ports": _ports("TCP", *API_SERVER_PORTS)}]),
        _policy("identity-departments", _component("identity"), types=("Ingress",), ingress=[_from_departments()]),
        _policy("identity-clients", _component("identity"), types=("Ingress",), ingress=[_from_clients(client_cidrs)]),
    ]


def _policy(name: str, selector: dict[str, Any], *, types: Sequence[str], **rules: Any) -> Manifest:
    return manifest("networking.k8s.io/v1", "NetworkPolicy", name, spec={"podSelector": selector, "policyTypes": list(types), **rules})


def _component(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/component": name}}


def _ports(protocol: str, *ports: int) -> list[dict[str, Any]]:
    return [{"protocol": protocol, "port": port} for port in ports]


def _from_departments() -> dict[str, Any]:
    ours = {"namespaceSelector": {"matchLabels": {"app.kubernetes.io/part-of": LABELS["app.kubernetes.io/part-of"]}}}
    return {"from": [ours], "ports": _ports("TCP", IDENTITY_PORT)}


def _from_clients(cidrs: Sequence[str]) -> dict[str, Any]:
    return {"from": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs], "ports": _ports("TCP", IDENTITY_PORT)}
