"""Probes against a real API server with the layer and a real operator: every promise holds, a broken one is named, and nothing stays."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from commonweal_kube.blocking import DRY
from commonweal_stacks.api import Api
from commonweal_stacks.blueprint import current
from commonweal_stacks.conformity import probes
from commonweal_stacks.conformity.probes import Abilities, departments, scratch, server, traffic
from commonweal_stacks.conformity.probes.verdicts import HOLDS
from contract.operator.stage import Operator
from support.control_plane import ControlPlane
from support.kube_api import MERGE
from support.waiting import wait_for

BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
WITH_OPERATOR = Abilities(operator=True, pods=False)


def quiet(_line: str) -> None:
    pass


@pytest.fixture
def clean(api: Api) -> Iterator[None]:
    """Whatever a test did, nothing of a probe's is left, and no Lease."""
    yield
    assert probes.left(api) == []
    assert api.ask("GET", f"{scratch.LEASES}/{scratch.LEASE}").status == 404


def test_every_promise_that_needs_no_pod_holds(api: Api, operator: Operator, clean: None) -> None:
    found = probes.probe(api, "localhost/none", current(), say=quiet, abilities=WITH_OPERATOR)

    leaves = probes.leaves_of(found)
    assert {name for name, leaf in leaves.items() if leaf == HOLDS} == {
        *departments.NAMES,
        "access.site-key",
        "admission.agreement-in-a-department",
        "admission.agreement-names-its-law",
        "admission.department",
        "clock",
        "pod-security.platform",
        "settings.audit",
    }
    assert {leaves[name] for name in traffic.NAMES} == {"not probed: no node runs pods"}
    # This API server writes an audit log, and is not set up by the blueprint in anything else: the probes must see that.
    assert leaves["secrets-at-rest"] == "broken: in clear"
    assert leaves["settings.pod-security"] == leaves["settings.external-ips"] == "broken: accepted"
    assert leaves["settings.kubelet"] == "not probed: no node has a kubelet"


def test_without_nodes_nothing_is_claimed_of_departments_and_pods(api: Api, clean: None) -> None:
    leaves = probes.leaves_of(probes.probe(api, "localhost/none", current(), say=quiet))
    assert {leaves[name] for name in (*departments.NAMES, *traffic.NAMES)} == {"not probed: no node runs pods"}


def test_a_guard_that_is_taken_away_is_a_broken_promise_and_only_that_one(api: Api, plane: ControlPlane) -> None:
    kept = plane.api().request("GET", f"{BINDINGS}/commonweal-department-namespaces")
    plane.api().request("DELETE", f"{BINDINGS}/commonweal-department-namespaces")
    pod_security(plane, "privileged")
    try:
        for name in ("admission.agreement-in-a-department", "pod-security.platform"):
            assert scratch.within(10, lambda name=name: server.PROBES[name](api).leaf == "broken: accepted"), name
        assert [server.PROBES[name](api).leaf for name in ("admission.department", "admission.agreement-names-its-law")] == [HOLDS, HOLDS]
    finally:
        pod_security(plane, "restricted")
        fresh = {key: value for key, value in kept["metadata"].items() if key in {"name", "labels"}}
        plane.apply({"apiVersion": kept["apiVersion"], "kind": kept["kind"], "metadata": fresh, "spec": kept["spec"]})
    assert server.PROBES["pod-security.platform"](api).leaf == HOLDS


def pod_security(plane: ControlPlane, level: str) -> None:
    body = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
    plane.api().request("PATCH", "/api/v1/namespaces/commonweal-system", body, content_type=MERGE)


def test_a_role_that_opens_the_site_key_is_a_broken_promise(api: Api, plane: ControlPlane) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "nosy"}, "rules": [rule]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "nosy"}
    subject = {"kind": "ServiceAccount", "name": "identity", "namespace": "commonweal-system"}
    binding = {"apiVersion": role["apiVersion"], "kind": "ClusterRoleBinding", "metadata": {"name": "nosy"}, "roleRef": reference}
    try:
        for each in (role, {**binding, "subjects": [subject]}):
            plane.apply(each)
        assert scratch.within(10, lambda: server.PROBES["access.site-key"](api).leaf == "broken: read")
        assert "identity (200)" in server.PROBES["access.site-key"](api).detail
    finally:
        for each in (role, binding):
            plane.api().delete(each)


def test_pods_and_volumes_that_came_before_the_quota_held_are_gone_before_anything_is_tried(
    api: Api, operator: Operator, clean: None
) -> None:
    """A server that does not know of a quota yet lets its workloads' pods in: as when both are made at once, which the test does by hand."""
    with scratch.held(api, quiet):
        assert scratch.make(api, quiet) == ""
        slipped_in(
            api, f"{scratch.space(scratch.A)}/pods", departments.pod("early", container={"resources": {"limits": {"memory": "1664Mi"}}})
        )
        claim = departments.claim("early")
        claim["spec"]["resources"]["requests"]["storage"] = "2Gi"
        slipped_in(api, f"{scratch.space(scratch.A)}/persistentvolumeclaims", claim)
        wait_for("the quota to count them", lambda: over_quota(api))
        found = departments.verdicts(api)
        assert found["quota.storage"].leaf == "broken: the first claim was refused", "what a roll-out was stopped by"

        assert departments.emptied(api) == ""
        leaves = probes.leaves_of(departments.verdicts(api))
        assert set(leaves.values()) == {HOLDS}, leaves
        small = departments.pod("fits")
        assert api.ask("POST", f"{scratch.space(scratch.A)}/pods", small, query=DRY).ok


def slipped_in(api: Api, path: str, body: dict[str, Any]) -> None:
    """Have an object that the quota would refuse, with no label of a probe's: the quota is taken away until the server lets it in."""
    body["metadata"] = {"name": body["metadata"]["name"]}

    def let_in() -> bool | None:
        api.ask("DELETE", f"{scratch.space(scratch.A)}/resourcequotas/department")
        return api.ask("POST", path, body).ok or None

    wait_for(f"{path} to be let in", let_in)


def over_quota(api: Api) -> bool | None:
    quota = api.ask("GET", f"{scratch.space(scratch.A)}/resourcequotas/department")
    used = quota.body.get("status", {}).get("used", {}) if quota.ok else {}
    return (used.get("limits.memory"), used.get("requests.storage")) == ("1664Mi", "2Gi") or None


def test_a_run_that_was_killed_is_swept_by_the_next(api: Api, plane: ControlPlane, operator: Operator, clean: None) -> None:
    program = """
        import os, signal, sys
        from commonweal_stacks.blueprint import current
        from commonweal_stacks.conformity import probes
        from commonweal_stacks.api import Api
        from commonweal_stacks.conformity.probes import departments
        departments.verdicts = lambda api: os.kill(os.getpid(), signal.SIGKILL)
        probes.probe(Api(open(sys.argv[1]).read(), site="onprem"), "none", current(), say=print, abilities=probes.Abilities(True, False))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(plane.kubeconfig())]
    killed = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    assert killed.returncode == -9, killed.stderr
    assert {"department commonweal-probe-a", "department commonweal-probe-b"} <= set(probes.left(api))
    assert api.ask("GET", f"{scratch.LEASES}/{scratch.LEASE}").ok

    said: list[str] = []
    probes.probe(api, "none", current(), say=said.append, abilities=Abilities(operator=False, pods=False))
    assert said[0] == "the two departments are taken away again"


@pytest.mark.parametrize(
    ("spec", "gone"),
    [
        ({"holderIdentity": "here/1", "acquireTime": "2026-11-22T12:00:00.000000Z", "leaseDurationSeconds": 90}, False),
        ({"holderIdentity": "here/2", "acquireTime": "2026-11-22T12:00:00.000000Z", "leaseDurationSeconds": 90}, True),
        ({"holderIdentity": "there/2", "acquireTime": "2026-11-22T12:00:00.000000Z", "leaseDurationSeconds": 90}, False),
        ({"holderIdentity": "there/2", "acquireTime": "2026-11-22T11:58:29.000000Z", "leaseDurationSeconds": 90}, True),
        ({"holderIdentity": "here/1", "acquireTime": "2026-11-22T11:00:00.000000Z", "leaseDurationSeconds": 90}, False),
        (
            {
                "holderIdentity": "there/2",
                "acquireTime": "2026-11-22T11:00:00.000000Z",
                "renewTime": "2026-11-22T11:59:00.000000Z",
                "leaseDurationSeconds": 90,
            },
            False,
        ),
    ],
)
def test_a_lease_is_taken_over_only_from_one_that_is_gone(spec: dict[str, Any], gone: bool) -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert scratch.abandoned(spec, now, "here", lambda pid: pid == "1") is gone
