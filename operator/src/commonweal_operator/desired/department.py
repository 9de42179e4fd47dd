"""All children of one department in both its namespaces, from one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from commonweal_api.department import DepartmentSpec
from commonweal_api.plan import ModelPlan, StorePlan
from commonweal_operator.desired.access import component_roles, operator_access, stewards
from commonweal_operator.desired.accounts import accounts
from commonweal_operator.desired.certificates import believed
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.desired.namespace import namespace
from commonweal_operator.desired.network import network
from commonweal_operator.desired.plans import plans, reports
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.quota import limits, platform_quota, quota
from commonweal_operator.desired.sources import credentials_of, port_of, ports_of
from commonweal_operator.desired.store import store
from commonweal_operator.desired.volumes import volumes
from commonweal_operator.desired.web import data_api, models


@dataclass(frozen=True, slots=True)
class NamespaceContent:
    """All that decides what a department's namespaces shall hold. The plans already leave out what is invalid, unresolved or not agreed.

    `consumers`, `callers` and `peers` are departments; `claims` are volume claims of its own that exist and are opened to its store.
    """

    name: str
    uid: str
    spec: DepartmentSpec
    store: StorePlan
    models: ModelPlan
    consumers: frozenset[str]
    callers: frozenset[str]
    peers: frozenset[str]
    claims: frozenset[str] = frozenset()


def department_children(content: NamespaceContent, platform: PlatformConfig) -> list[Child]:
    """Return every object of the department but its keys, in the order of application."""
    own = Owner(content.name, content.uid)
    ours = own.ours
    sources = [p.spec.source for p in content.store.products]
    providers = {s.department for s in content.models.sources}
    children = [
        namespace(own),
        namespace(ours),
        operator_access(ours, platform),
        operator_access(own, platform),
        *stewards(own, content.spec.stewards),
        *plans(ours, content.store, content.models),
        *network(
            own,
            platform,
            source_ports=ports_of(sources),
            feed_ports={port_of(peer.url) for peer in content.store.peers},
            consumers=content.consumers,
            callers=content.callers,
            providers=providers,
            peers=content.peers,
        ),
        quota(own, content.spec.quota),
        platform_quota(ours),
        limits(own),
        limits(ours),
        *accounts(own),
        *component_roles(own, credentials_of(sources)),
        *believed(platform, own),
        *believed(platform, ours),
        *reports(ours),
        *store(ours, platform, content.spec.store.size),
        *volumes(own, platform, content.claims),
        *data_api(ours, platform, has_peers=bool(content.store.peers)),
        *models(ours, platform, providers, wanted=bool(content.models.models)),
    ]
    return sorted(children, key=lambda c: c.stage)
