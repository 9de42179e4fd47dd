"""What the API server does with what locks in: refuse, warn, exempt for a time, and let go."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime

import pytest

from commonweal_api.lockin import ANNOTATION, admission
from contract.lockin.corpus import NAMESPACE, Body, deployment, exempted
from support.control_plane import ControlPlane
from support.kube_api import MERGE, Refused
from support.waiting import wait_for

API_MOMENT = re.compile(r"changed at (\S+)Z")


def _refusal(plane: ControlPlane, user: str, manifest: Body) -> str:
    with pytest.raises(Refused) as refusal:
        plane.api(user).apply(manifest, dry_run=True)
    return refusal.value.message


@pytest.mark.parametrize("namespace", [NAMESPACE, "commonweal-system"])
@pytest.mark.parametrize("user", ["editor", "admin"])
def test_what_locks_in_is_refused_with_field_and_remedy(plane: ControlPlane, user: str, namespace: str) -> None:
    said = _refusal(plane, user, deployment(namespace=namespace))
    for part in ("spec.template.spec.containers[].image: gcr.io locks in", "Copy the image to the registry", "(rule cloud-images)"):
        assert part in said


def test_elsewhere_nobody_is_asked(plane: ControlPlane) -> None:
    assert plane.api("editor").apply(deployment(namespace="elsewhere"), dry_run=True)


def test_what_is_weak_is_let_through(plane: ControlPlane) -> None:
    assert plane.api("editor").apply(deployment("ghcr.io/p/i"), dry_run=True)


def test_what_the_cluster_derives_was_looked_at_before(plane: ControlPlane) -> None:
    assert plane.api("cluster").apply(deployment(), dry_run=True)


@pytest.mark.parametrize("days", [0, 1, 365, 366])
def test_an_exemption_holds_until_its_last_day(plane: ControlPlane, days: int) -> None:
    assert plane.api("lead").apply(deployment(exempt=exempted(days)), dry_run=True)


@pytest.mark.parametrize(
    "text",
    [
        exempted(-1),
        exempted(368),
        exempted(30, rule="storage-class"),
        exempted(30, reason="short"),
        "cloud-images until 2027-13-01: the mirror comes in January",
        "cloud-images: the mirror comes in January",
    ],
)
def test_an_exemption_that_ended_or_is_none_does_not_hold(plane: ControlPlane, text: str) -> None:
    assert "(rule cloud-images)" in _refusal(plane, "lead", deployment(exempt=text))


def test_one_of_several_exemptions_suffices(plane: ControlPlane) -> None:
    assert plane.api("lead").apply(deployment(exempt=f"{exempted(5, rule='host-path')}; {exempted(5)}"), dry_run=True)


def test_who_edits_may_not_exempt(plane: ControlPlane) -> None:
    said = _refusal(plane, "editor", deployment("registry.example.org/a", exempt=exempted(5)))
    assert f"metadata.annotations[{ANNOTATION}]" in said
    assert "commonweal-exemptions" in said
    assert "may exempt" in _refusal(plane, "lead", deployment("registry.example.org/a", exempt=exempted(5), namespace="commonweal-system"))


def test_who_edits_may_keep_an_exemption_and_take_it_off(plane: ControlPlane) -> None:
    held = deployment(name="kept", exempt=exempted(5))
    plane.apply(held, user="lead")
    path = plane.api().path_of(held)
    editor = plane.api("editor")
    editor.request("PATCH", path, {"spec": {"replicas": 2}}, content_type=MERGE)
    assert "may exempt" in _refusal(plane, "editor", deployment(name="kept", exempt=exempted(9)))
    with pytest.raises(Refused, match="cloud-images"):
        editor.request("PATCH", path, {"metadata": {"annotations": {ANNOTATION: None}}}, content_type=MERGE)


def test_an_ended_exemption_is_refused_at_the_next_change_and_lets_the_object_go(plane: ControlPlane) -> None:
    """The object is from before (the cluster itself wrote it, which nobody checks), as if a day had passed."""
    held = deployment(name="ended", exempt=exempted(-1))
    held["metadata"]["finalizers"] = ["example.org/held"]
    plane.apply(held, user="cluster")
    path, lead = plane.api().path_of(held), plane.api("lead")
    with pytest.raises(Refused, match="cloud-images"):
        lead.request("PATCH", path, {"spec": {"replicas": 2}}, content_type=MERGE)
    with pytest.raises(Refused, match="cloud-images"):
        lead.request("PUT", path, _without_record(lead.get(held)))
    lead.delete(held)
    lead.request("PATCH", path, {"metadata": {"finalizers": []}}, content_type=MERGE)
    with pytest.raises(Refused, match="not found"):
        lead.get(held)


def test_who_throws_the_record_of_changes_away_has_no_exemption(plane: ControlPlane) -> None:
    held = deployment(name="recorded", exempt=exempted(5))
    plane.apply(held, user="lead")
    lead = plane.api("lead")
    with pytest.raises(Refused, match="cloud-images"):
        lead.request("PUT", lead.path_of(held), _without_record(lead.get(held)))


def _without_record(live: Body) -> Body:
    changed = copy.deepcopy(live)
    changed["metadata"]["managedFields"] = [{}]
    changed["spec"]["replicas"] = 3
    return changed


def test_the_clock_of_a_change_is_the_api_servers(plane: ControlPlane) -> None:
    """What exemptions are measured by: however a change is written, and whatever times it brings along, the last change is now."""
    _install_clock(plane)
    plain: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock", "namespace": "elsewhere"}, "data": {"n": "1"}}
    admin = plane.api()
    (live,) = admin.apply(plain)
    created = live["metadata"]["creationTimestamp"].removesuffix("Z")
    wait_for("the next second", lambda: True if _second() > created else None)
    path, changed = admin.path_of(plain), {"n": "2"}
    past = [entry | {"time": "2020-01-01T00:00:00Z"} for entry in live["metadata"]["managedFields"]]
    old = live | {"metadata": live["metadata"] | {"managedFields": past, "creationTimestamp": "2020-01-01T00:00:00Z"}, "data": changed}
    for write in (
        lambda: admin.apply(plain | {"data": changed}),
        lambda: admin.request("PATCH", path, {"data": changed}, content_type=MERGE),
        lambda: admin.request("PUT", path, live | {"data": changed}),
        lambda: admin.request("PUT", path, old),
    ):
        before = _second()
        with pytest.raises(Refused) as refusal:
            write()
        found = API_MOMENT.search(refusal.value.message)
        assert found is not None
        assert created < before <= found[1] <= _second()


def _second() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _install_clock(plane: ControlPlane) -> None:
    """A policy of the test's own, which refuses changes of one ConfigMap and says what the lock-in policies take for the time."""
    (policy,) = (m for m in admission.manifests() if m["metadata"]["name"] == admission.REFUSING and "variables" in m["spec"])
    clock = next(v for v in policy["spec"]["variables"] if v["name"] == "changed")
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"], "resourceNames": ["clock"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "variables": [clock],
        "validations": [{"expression": "false", "messageExpression": "'changed at ' + variables.changed"}],
    }
    plane.apply({"apiVersion": admission.API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "clock"}, "spec": spec})
    binding = {"policyName": "clock", "validationActions": ["Deny"]}
    plane.apply({"apiVersion": admission.API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "clock"}, "spec": binding})
    probe: Body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock", "namespace": "default"}, "data": {}}
    plane.apply(probe)
    wait_for("the test's policy to act", lambda: _refused(plane, probe | {"data": {"n": "1"}}))


def _refused(plane: ControlPlane, manifest: Body) -> bool | None:
    try:
        plane.apply(manifest)
    except Refused:
        return True
    return None


def test_a_large_object_is_within_the_cost_that_a_policy_may_have(plane: ControlPlane) -> None:
    """Each of these is far beyond what departments write; a policy over its budget would refuse them with words of its own."""
    large = deployment("registry.example.org/a", name="large", exempt="")
    many = range(200)
    pod = large["spec"]["template"]["spec"]
    pod["containers"] = [{"name": f"c{n}", "image": f"registry.example.org/{n}"} for n in many]
    pod["volumes"] = [{"name": f"v{n}", "emptyDir": {}} for n in many]
    pod["tolerations"] = [{"key": f"k{n}", "operator": "Exists"} for n in many]
    pod["nodeSelector"] = {f"k{n}": "v" for n in many}
    annotations = {f"example.org/{'x' * 40}{n}": "v" for n in range(1000)}
    large["metadata"]["annotations"] = large["spec"]["template"]["metadata"]["annotations"] = annotations
    assert plane.api("editor").create(large, dry_run=True)
    pod["nodeSelector"]["agentpool"] = "v"
    with pytest.raises(Refused, match=r"spec\.template\.spec\.nodeSelector: agentpool locks in"):
        plane.api("editor").create(large, dry_run=True)


def test_unset_and_foreign_storage_classes_are_refused(plane: ControlPlane) -> None:
    claim: Body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": NAMESPACE}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert "spec.storageClassName: (not set) locks in" in _refusal(plane, "editor", claim | {"spec": spec})
    assert "spec.storageClassName: gp3 locks in" in _refusal(plane, "editor", claim | {"spec": spec | {"storageClassName": "gp3"}})
    assert plane.api("editor").apply(claim | {"spec": spec | {"storageClassName": "std-rwo"}}, dry_run=True)
