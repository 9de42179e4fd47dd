"""Attack d: room on a node. No pod of a department goes before others, and none keeps its room when it was told to end."""

from __future__ import annotations

import pytest

from contract.api.tenancy import OWNED, made, pod_spec, refused
from support.control_plane import ControlPlane
from support.kube_api import Refused

CLASS = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "eager"}, "value": 1000}


@pytest.fixture(scope="module", autouse=True)
def _a_class(plane: ControlPlane) -> None:
    plane.apply(CLASS)


def test_the_clusters_controllers_make_no_pod_of_a_higher_priority(plane: ControlPlane) -> None:
    """d: from a template that was there before the policy."""
    eager = made("Pod", "app-7d4b9-x2x2x", spec=pod_spec(priorityClassName="system-node-critical"))
    refused(plane, "replicas", eager, "spec.priorityClassName")
    plane.api("replicas").apply(made("Pod", "app-7d4b9-x2x2x", spec=pod_spec()), dry_run=True)
    ours = made("Pod", "store-1", OWNED, spec=pod_spec(priorityClassName="eager", serviceAccountName="app"))
    plane.api("replicas").apply(ours, dry_run=True)


def test_d_no_pod_is_told_to_end_in_a_day(plane: ControlPlane) -> None:
    """Whoever needs its room would wait for it: what ends already is not told again."""
    plane.apply(made("Pod", "stays", spec=pod_spec(nodeName="node-0")))  # one that is on no node ends at once, whatever is said
    path = "/api/v1/namespaces/dept-tax/pods"
    refused_deletes = ((f"{path}/stays", {"gracePeriodSeconds": 86_400}), (path, {"gracePeriodSeconds": 61}))
    for where, options in refused_deletes:
        with pytest.raises(Refused, match=r"gracePeriodSeconds: .* 60"):
            plane.api("tenant").request("DELETE", where, options | {"dryRun": ["All"]})
    for options in ({}, {"gracePeriodSeconds": 60}, {"gracePeriodSeconds": 0}):
        plane.api("tenant").request("DELETE", f"{path}/stays", options | {"dryRun": ["All"]})
    plane.api().request("DELETE", f"{path}/stays", {"gracePeriodSeconds": 0})
