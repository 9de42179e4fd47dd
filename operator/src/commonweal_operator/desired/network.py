"""Who may talk to whom in a department's two namespaces: nothing but what stands here.

Two limits of Kubernetes network policies are met openly. Heritage sources and other sites are named by host, and a policy selects addresses, so the
store may reach any address on the ports of the declared sources and feeds. Policies see addresses after translation, so the API server is «any address, ports 443 and 6443».
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_operator.desired.manifest import COMPONENT_LABEL, Child, Manifest, Owner, Stage, child
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.store import PORT as STORE_PORT
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES
from commonweal_operator.desired.volumes import PORT as VOLUMES_PORT
from commonweal_operator.desired.web import DATA_API, DATA_API_PORT, MODELS, MODELS_PORT

IDENTITY_PORT = 8082
_NAME = "kubernetes.io/metadata.name"


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
    here = ours.namespace
    cidrs = [{"ipBlock": {"cidr": str(c)}} for c in platform.client_cidrs]
    to_store = _to([_pods(here, "store")], STORE_PORT)
    to_volumes = _to([_pods(owner.own.namespace, VOLUMES)], VOLUMES_PORT)
    readers, asking = [p for d in sorted(set(consumers)) for p in _readers(d)], [_space(namespace_of(d)) for d in sorted(set(callers))]
    from_store = [_pods(here, DATA_API), _pods(here, MODELS)]
    identity = _to([_pods(platform.system_namespace, "identity")], IDENTITY_PORT)
    data_apis = [_pods(platform_namespace_of(d), DATA_API) for d in sorted(set(providers))]
    return [
        *_closed(ours),
        _ours(ours, "store", [_from(from_store, STORE_PORT)], [to_volumes, *_outside([*source_ports, *feed_ports])]),
        _ours(ours, DATA_API, _ingress([*readers, *cidrs], DATA_API_PORT), [to_store, identity]),
        _ours(ours, MODELS, _ingress([*asking, *cidrs], MODELS_PORT), [to_store, *([_to(data_apis, DATA_API_PORT)] if data_apis else [])]),
        *_closed(owner.own),
        _policy(owner.own, VOLUMES, _component(VOLUMES), ingress=[_from([_pods(here, "store")], VOLUMES_PORT)]),
        _workloads(owner.own, peers),
    ]


def _closed(owner: Owner) -> list[Child]:
    """Return the policies that hold for every pod of a namespace: nothing but asking for names."""
    return [_policy(owner, "default-deny", {}), _policy(owner, "dns", {}, egress=[{"ports": [_port(53, "UDP"), _port(53)]}])]


def _readers(department: str) -> list[Manifest]:
    """Return who of a department reads elsewhere: its own workloads, and its models."""
    return [_space(namespace_of(department)), _pods(platform_namespace_of(department), MODELS)]


def _ours(owner: Owner, component: str, ingress: Sequence[Manifest], egress: Sequence[Manifest]) -> Child:
    """Return the policy of one of our components; each of them speaks with the API server."""
    return _policy(owner, component, _component(component), ingress=ingress, egress=[_api_server(), *egress])


def _workloads(owner: Owner, peers: Iterable[str]) -> Child:
    """Return what the department's own pods, those that are not ours, may call."""
    others = {"matchExpressions": [{"key": COMPONENT_LABEL, "operator": "NotIn", "values": [VOLUMES]}]}
    targets = [platform_namespace_of(d) for d in sorted(set(peers))]
    egress = [
        rule
        for component, port in ((DATA_API, DATA_API_PORT), (MODELS, MODELS_PORT))
        for rule in ([_to([_pods(t, component) for t in targets], port)] if targets else [])
    ]
    return _policy(owner, "workloads", others, egress=egress)


def _policy(owner: Owner, name: str, selector: Manifest, ingress: Sequence[Manifest] = (), egress: Sequence[Manifest] = ()) -> Child:
    types = [t for t, rules in (("Ingress", ingress), ("Egress", egress)) if rules] or ["Ingress", "Egress"]
    spec: Manifest = {"podSelector": selector, "policyTypes": types}
    spec |= ({"ingress": list(ingress)} if ingress else {}) | ({"egress": list(egress)} if egress else {})
    return child("NetworkPolicy", owner.metadata(name), stage=Stage.ACCESS, spec=spec)


def _component(name: str) -> Manifest:
    return {"matchLabels": {COMPONENT_LABEL: name}}


def _space(namespace: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {_NAME: namespace}}}


def _pods(namespace: str, component: str) -> Manifest:
    return _space(namespace) | {"podSelector": _component(component)}


def _port(port: int, protocol: str = "TCP") -> Manifest:
    return {"port": port, "protocol": protocol}


def _from(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"from": list(peers), "ports": [_port(port)]}


def _ingress(peers: Sequence[Manifest], port: int) -> list[Manifest]:
    # An empty `from` would mean «everybody»: without a peer there is no rule at all.
    return [_from(peers, port)] if peers else []


def _to(peers: Sequence[Manifest], port: int) -> Manifest:
    return {"to": list(peers), "ports": [_port(port)]}


def _api_server() -> Manifest:
    return {"ports": [_port(443), _port(6443)]}


def _outside(ports: Iterable[int]) -> list[Manifest]:
    found = sorted(set(ports))
    return [{"ports": [_port(p) for p in found]}] if found else []
