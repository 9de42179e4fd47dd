"""Controllers as workloads: no image of them is at hand here, so every object is put before a real API server, strictly, and none is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from commonweal_local import paths
from commonweal_stacks.management import deployments
from commonweal_stacks.management.certificates import issue
from commonweal_stacks.management.config import ManagementConfig
from commonweal_stacks.management.controllers import CORE, KUBEADM
from commonweal_stacks.management.plan import Plan, for_deployments
from support.control_plane import ControlPlane
from support.kube_api import KubeApi, Refused

PROVIDERS = paths.source() / "stacks" / "management" / "providers"


@pytest.fixture(scope="module")
def plan() -> Plan:
    config = ManagementConfig(controllers="Deployments", kinds=("aws", "gcp", "adopted"))
    return for_deployments(
        config, lambda one: issue(bytes(32), one.prefix, deployments.hosts(one), year=2026), PROVIDERS, hidden=lambda text: text
    )


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[KubeApi]:
    """A server with the controllers' namespaces and accounts, which the objects in them need."""
    api = control_plane.api()
    made: list[dict[str, Any]] = []
    for controller in (CORE, *KUBEADM):
        account = {key: value for key, value in deployments.account(controller).items() if key != "kind"}
        made += [deployments.namespace(controller), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}]
    for obj in made:
        api.apply(obj)
    yield api
    for controller in (CORE, *KUBEADM):
        api.delete(deployments.namespace(controller))


def test_the_server_takes_every_object_with_no_field_unknown(api: KubeApi, plan: Plan) -> None:
    for obj in [*plan.definitions, *plan.workloads, *plan.webhooks]:
        if obj["kind"] not in ("Namespace", "ServiceAccount"):
            api.create(obj, dry_run=True)
    assert len(plan.definitions) > 25, "the real definitions were looked at"


def test_its_pods_are_admitted_by_the_restricted_standard(api: KubeApi, plan: Plan) -> None:
    workloads = [obj for obj in plan.workloads if obj["kind"] == "Deployment"]
    assert len(workloads) == 3
    for obj in workloads:
        template = obj["spec"]["template"]
        metadata = {"name": "one", "namespace": obj["metadata"]["namespace"], **template["metadata"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        api.create(pod, dry_run=True)
        container = {**template["spec"]["containers"][0], "securityContext": {}}
        with pytest.raises(Refused, match="PodSecurity"):
            api.create({**pod, "spec": {**template["spec"], "containers": [container]}}, dry_run=True)
