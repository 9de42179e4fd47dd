"""Who may talk to whom in a department's two namespaces: nothing but what stands here.

Pods are selected by namespace, component and department, all three. Two limits of Kubernetes network policies are met openly. Heritage sources and other sites are named by host, and a policy selects
addresses, so the store may reach any address outside the site's own pods and services on the ports of the declared sources and feeds, and pods of its own department. Policies see addresses after translation, so
the API server is one of the addresses that the site names for it, or any outside pods and services, on ports 443 and 6443. Where the site does not say what its networks are, nothing is left out of «any».
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_operator.desired.issuer import PORTAL_SERVICE
from commonweal_operator.desired.manifest import (
    COMPONENT_LABEL,
    DEPARTMENT_LABEL,
    MANAGED_BY,
    PART_LABEL,
    Child,
    Manifest,
    Owner,
    Stage,
    child,
)
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.sources import port_of
from commonweal_operator.desired.store import PORT as STORE_PORT
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES
from commonweal_operator.desired.volumes import PORT as VOLUMES_PORT
from commonweal_operator.desired.web import DATA_API, DATA_API_PORT, MODELS, MODELS_PORT

_NAME = "kubernetes.io/metadata.name"
_EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
# The pods of the name service, and the address that a node's own cache of it has by convention.
_NAME_SERVICE = [
    {"namespaceSelector": {"matchLabels": {_NAME: "kube-system"}}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
]


def network(
    owner: Owner,
    platform: PlatformConfig,
    *,
    source_ports: Iterable[int],
    feed_ports: Iterable[int],
    consumers: Iterable[str],
    callers: Iterable[str],
    providers: Iterable[str],
    peers: Iterable[str],
) -> list[Child]:
    """Return every policy of both namespaces.

    `source_ports` are those of the declared sources, `feed_ports` those of other sites' consent feeds; the store's pod reads both. `consumers` are
    departments that an agreement lets read here, whether its term has ended or not, for only the store can tell a reader so; `callers` those that may call a model here; `providers` those whose data the
    models here read; `peers` those whose data API or models the department's own workloads may call.
    """
    ours = owner.ours
    cidrs = [{"ipBlock": {"cidr": str(c)}} for c in platform.client_cidrs]
    store, data_api, models = (_mine(ours, component) for component in ("store", DATA_API, MODELS))
    readers, asking = [p for d in sorted(set(consumers)) for p in _readers(d)], [_space(namespace_of(d)) for d in sorted(set(callers))]
    to_store, to_volumes = _to([store], STORE_PORT), _to([_mine(owner.own, VOLUMES)], VOLUMES_PORT)
    data_apis = [_pods(platform_namespace_of(d), DATA_API, own=d) for d in sorted(set(providers))]
    to_providers = [_to(data_apis, DATA_API_PORT)] if data_apis else []
    sources = _outside(platform, [*source_ports, *feed_ports], _space(owner.own.namespace))
    return [
        *_closed(ours),
        _ours(ours, platform, "store", [_from([data_api, models], STORE_PORT)], [to_volumes, *sources]),
        _ours(
            ours,
            platform,
            DATA_API,
            _ingress([*readers, *cidrs, *_portal(platform)], DATA_API_PORT),
            [to_store, *_issuer(platform), *_mail(platform)],
        ),
        _ours(ours, platform, MODELS, _ingress([*asking, *cidrs], MODELS_PORT), [to_store, *to_providers]),
        *_closed(owner.own),
        _policy(owner.own, VOLUMES, _component(VOLUMES, owner.department), ingress=[_from([store], VOLUMES_PORT)]),
        _workloads(owner.own, peers),
    ]


def _mine(owner: Owner, component: str) -> Manifest:
    """Return the pods of one of the department's own components."""
    return _pods(owner.namespace, component, own=owner.department)


def _closed(owner: Owner) -> list[Child]:
    """Return the policies that hold for every pod of a namespace: nothing but asking for names."""
    return [
        _policy(owner, "default-deny", {}),
        _policy(owner, "dns", {}, egress=[{"to": _NAME_SERVICE, "ports": [_port(53, "UDP"), _port(53)]}]),
    ]


def _readers(department: str) -> list[Manifest]:
    """Return who of a department reads elsewhere: its own workloads, and its models."""
    return [_space(namespace_of(department)), _pods(platform_namespace_of(department), MODELS, own=department)]


def _ours(owner: Owner, platform: PlatformConfig, component: str, ingress: Sequence[Manifest], egress: Sequence[Manifest]) -> Child:
    """Return the policy of one of our components; each of them speaks with the API server."""
    return _policy(owner, component, _component(component, owner.department), ingress=ingress, egress=[_api_server(platform), *egress])


def _portal(platform: PlatformConfig) -> list[Manifest]:
    """Return the pods of the site's own pages for people, where there are any."""
    pods = {"matchLabels": {COMPONENT_LABEL: PORTAL_SERVICE, PART_LABEL: MANAGED_BY}}
    return [_space(platform.system_namespace) | {"podSelector": pods}] if platform.portal else []


def _workloads(owner: Owner, peers: Iterable[str]) -> Child:
    """Return what the department's own pods, those that are not ours, may call."""
    others = {"matchExpressions": [{"key": COMPONENT_LABEL, "operator": "NotIn", "values": [VOLUMES]}]}
    targets = sorted(set(peers))
    egress = [
        rule
        for component, port in ((DATA_API, DATA_API_PORT), (MODELS, MODELS_PORT))
        for rule in ([_to([_pods(platform_namespace_of(t), component, own=t) for t in targets], port)] if targets else [])
    ]
    return _policy(owner, "workloads", others, egress=egress)


def _policy(owner: Owner, name: str, selector: Manifest, ingress: Sequence[Manifest] = (), egress: Sequence[Manifest] = ()) -> Child:
    types = [t for t, rules in (("Ingress", ingress), ("Egress", egress)) if rules] or ["Ingress", "Egress"]
    spec: Manifest = {"podSelector": selector, "policyTypes": types}
    spec |= ({"ingress": list(ingress)} if ingress else {}) | ({"egress": list(egress)} if egress else {})
    return child("NetworkPolicy", owner.metadata(name), stage=Stage.ACCESS, spec=spec)


def _component(name: str, department: str) -> Manifest:
    return {"matchLabels": {COMPONENT_LABEL: name, DEPARTMENT_LABEL: department}}


def _space(namespace: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {_NAME: namespace}}}


def _pods(namespace: str, component: str, *, own: str) -> Manifest:
    return _space(namespace) | {"podSelector": _component(component, own)}


def _port(port: int, protocol: str = "TCP") -> Manifest:
    return {"port": port, "protocol": protocol}


def _from(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"from": list(peers), "ports": [_port(port)]}


def _ingress(peers: Sequence[Manifest], port: int) -> list[Manifest]:
    # An empty `from` would mean «everybody»: without a peer there is no rule at all.
    return [_from(peers, port)] if peers else []


def _to(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"to": list(peers), "ports": [_port(port)]}


def _api_server(platform: PlatformConfig) -> Manifest:
    named = [{"ipBlock": {"cidr": str(c)}} for c in platform.api_servers]
    return _unless_anywhere(named or _beyond(platform)) | {"ports": [_port(443), _port(6443)]}


def _outside(platform: PlatformConfig, ports: Iterable[int], *more: Manifest) -> list[Manifest]:
    """Return the rule for hosts outside the site, and for `more`; none without a port."""
    found, beyond = sorted(set(ports)), _beyond(platform)
    return [_unless_anywhere([*beyond, *more] if beyond else []) | {"ports": [_port(p) for p in found]}] if found else []


def _issuer(platform: PlatformConfig) -> list[Manifest]:
    """Return the way to the keys of an issuer that the operator does not know: outside the site, or in the namespace that its name says."""
    url = platform.person_jwks or platform.person_issuer
    if platform.person_embedded or not url:
        return []
    name = (urlsplit(url).hostname or "").split(".")
    inside = [{"to": [_space(name[1])]}] if name[2:3] == ["svc"] else []
    return inside or _outside(platform, [port_of(url)])


def _mail(platform: PlatformConfig) -> list[Manifest]:
    """Return the way to the mail server that codes are sent through, outside the site."""
    port = urlsplit(platform.smtp).port if platform.smtp else None
    return _outside(platform, [port]) if port is not None else []


def _beyond(platform: PlatformConfig) -> list[Manifest]:
    """Return every address that is neither a pod's nor a service's; none where the site does not say which those are."""
    inside = [*platform.pod_cidrs, *platform.service_cidrs]
    blocks = [(whole, sorted({str(c) for c in inside if c.version == whole.version})) for whole in _EVERYWHERE]
    return [{"ipBlock": {"cidr": str(whole)} | ({"except": own} if own else {})} for whole, own in blocks] if inside else []


def _unless_anywhere(peers: Sequence[Manifest]) -> Manifest:
    return {"to": list(peers)} if peers else {}
