"""A site without one of the chart's policies is not equal to one with it: each binding is taken away in turn, and a leaf says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from commonweal_stacks.api import Api
from commonweal_stacks.conformity.probes import departments, refusals, scratch
from commonweal_stacks.conformity.probes.attempts import Attempt
from commonweal_stacks.conformity.probes.verdicts import Verdict, leaves_of
from commonweal_stacks.waiting import within
from contract.operator.stage import Operator, chart
from support.control_plane import ControlPlane
from support.waiting import wait_for

BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
GUARDS: Mapping[str, set[str]] = {
    "commonweal-agreed-products": {"admission.agreed-product"},
    "commonweal-borrowed-identity": {"admission.borrowed-token", "admission.port-forward", "admission.exec"},
    "commonweal-kept": {"admission.endless-token"},
    "commonweal-lock-in": {"admission.lock-in"},
    "commonweal-leaving": {"admission.leaving"},
    "commonweal-lock-in-exemptions": {"admission.lock-in-exemption"},
    "commonweal-namespaces": {"admission.namespace"},
    "commonweal-operator-namespaces": {"operator.adoption", "operator.pod-security"},
    "commonweal-operator-objects": {"operator.elsewhere", "operator.image"},
    "commonweal-own-sources": {"admission.foreign-source"},
    "commonweal-owned-objects": {"admission.platform-label", "admission.scale", "admission.eviction"},
    "commonweal-platform-namespaces": {f"platform.{what}" for what in ("scale", "eviction", "port-forward", "exec", "pods", "report")},
    "commonweal-registrars": {"admission.registrar-token"},
    "commonweal-registrars-named": {"admission.registrars"},
    "commonweal-reported-status": {"admission.finalizers"},
    "commonweal-traffic": {"admission.load-balancer", "admission.node-port", "admission.network-policy", "admission.endpoints"},
    "commonweal-what-leaves": {"admission.agreed-source"},
    "commonweal-workloads": {f"admission.{what}" for what in ("component-label", "borrowed-account", "store-claim", "platform-secret")},
}
# Held by leaves of other probes: by dry runs as the administrator, or as the editor.
ELSEWHERE = {"commonweal-confirm-deletion", "commonweal-data-owner-grants", "commonweal-department-namespaces"}
# Nothing of these is refused: the platform's own namespace is nobody's, and a warning lets through.
NOT_TRIED = {
    "commonweal-lock-in-platform",
    "commonweal-lock-in-exemptions-platform",
    "commonweal-lock-in-warning",
    "commonweal-lock-in-warning-platform",
}


def quiet(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def tried(plane: ControlPlane, operator: Operator) -> Iterator[tuple[Api, dict[str, Attempt]]]:
    api = Api(plane.kubeconfig().read_text(), site="onprem")
    with scratch.held(api, quiet):
        assert scratch.make(api, quiet) == ""
        assert departments.emptied(api) == ""
        found = refusals.verdicts(api)
        assert {name: one for name, one in found.items() if one.broken} == {}
        yield api, refusals.attempts()


def broken_now(api: Api, tried: Mapping[str, Attempt]) -> set[str]:
    return {name for name, verdict in refusals.judged(api, tried).items() if verdict.broken}


@pytest.mark.parametrize("name", GUARDS)
def test_a_site_without_a_policy_is_not_equal_to_one_with_it(plane: ControlPlane, tried: tuple[Api, dict[str, Attempt]], name: str) -> None:
    api, attempts = tried
    mine = {leaf: attempts[leaf] for leaf in GUARDS[name]}
    kept = plane.api().request("GET", f"{BINDINGS}/{name}")
    plane.api().request("DELETE", f"{BINDINGS}/{name}")
    try:
        assert within(15, lambda: broken_now(api, mine) == set(mine)), set(mine) - broken_now(api, mine)
        assert broken_now(api, attempts) == set(mine), "and no other"
    finally:
        plane.apply(bare(kept))
        wait_for(f"{name} to hold again", lambda: not broken_now(api, mine) or None)


def bare(binding: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in binding["metadata"].items() if key in {"name", "labels"}}
    return {"apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": metadata, "spec": binding["spec"]}


def test_every_policy_of_the_chart_has_a_leaf() -> None:
    bound = {o["metadata"]["name"] for o in chart() if o["kind"] == "ValidatingAdmissionPolicyBinding"}
    assert bound == GUARDS.keys() | ELSEWHERE | NOT_TRIED


def test_a_leaf_that_is_refused_together_with_what_is_allowed_does_not_hold(tried: tuple[Api, dict[str, Attempt]]) -> None:
    """A server that refuses everything keeps no promise: here an account without any right."""
    api, attempts = tried
    nobody = {name: Attempt("nobody", one.denied, one.words, one.allowed) for name, one in attempts.items()}
    leaves: Mapping[str, Verdict] = refusals.judged(api, nobody)
    assert set(leaves_of(leaves).values()) == {"broken: the allowed is refused too"}
