"""All children of one department, from one frozen input."""

from __future__ import annotations

from dataclasses import dataclass

from commonweal_api.department import DepartmentSpec
from commonweal_api.plan import ModelPlan, StorePlan
from commonweal_operator.desired.access import component_roles, operator_secrets
from commonweal_operator.desired.accounts import accounts
from commonweal_operator.desired.manifest import Child, Owner
from commonweal_operator.desired.namespace import namespace
from commonweal_operator.desired.network import network
from commonweal_operator.desired.plans import plans, reports
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.desired.quota import limits, quota
from commonweal_operator.desired.sources import credentials_of, port_of, ports_of
from commonweal_operator.desired.store import store
from commonweal_operator.desired.web import data_api, models


@dataclass(frozen=True, slots=True)
class DepartmentInputs:
    """All that decides what a department's namespace shall hold. The plans already leave out what is invalid, unresolved or not agreed.

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


def department_children(inputs: DepartmentInputs, platform: PlatformConfig) -> list[Child]:
    """Return every object of the department but its keys, in the order of application."""
    owner = Owner(inputs.name, inputs.uid)
    sources = [p.spec.source for p in inputs.store.products]
    providers = {s.department for s in inputs.models.sources}
    children = [
        namespace(owner),
        operator_secrets(owner, platform),
        *plans(owner, inputs.store, inputs.models),
        *network(
            owner,
            platform,
            source_ports=ports_of(sources),
            feed_ports={port_of(peer.url) for peer in inputs.store.peers},
            consumers=inputs.consumers,
            callers=inputs.callers,
            providers=providers,
            peers=inputs.peers,
        ),
        quota(owner, inputs.spec.quota),
        limits(owner),
        *accounts(owner),
        *component_roles(owner, credentials_of(sources)),
        *reports(owner),
        *store(owner, platform, inputs.spec.store.size, inputs.claims),
        *data_api(owner, platform),
        *models(owner, platform, providers, wanted=bool(inputs.models.models)),
    ]
    return sorted(children, key=lambda c: c.stage)
