"""The pure parts of the Kubernetes stand-in: check, diff, state, provider settings, readiness."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from commonweal_local.pulumi_kubernetes import state
from commonweal_local.pulumi_kubernetes.check import check
from commonweal_local.pulumi_kubernetes.cluster import Refused
from commonweal_local.pulumi_kubernetes.config import ConfigChange, ConfigError, config_change, load_kubeconfig, settings
from commonweal_local.pulumi_kubernetes.differ import Change, Difference, Mutability, compare, render
from commonweal_local.pulumi_kubernetes.readiness import WaitForError, judge_of, wait_for
from commonweal_local.pulumi_kubernetes.values import (
    UNKNOWN,
    Secret,
    decode,
    encode,
    has_unknowns,
    mark_secrets,
    message,
    plain,
    properties,
)
from commonweal_local.pulumi_kubernetes.waiting import pod_reasons, timeout_of

MAP = "kubernetes:core/v1:ConfigMap"


def config_map(name: str = "c", namespace: str | None = "n", **body: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **body}


scalars = st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_-.", max_size=5), inner, max_size=3) | st.builds(Secret, inner)
    ),
)


@given(document=documents)
def test_values_survive_the_wire(document: Any) -> None:
    assert decode(encode(document)) == document


def test_a_null_counts_as_absent_whole_numbers_come_back_whole_and_unknowns_stay_unknown() -> None:
    found = properties(message({"a": None, "b": 3, "c": 1.5, "d": UNKNOWN, "x-kubernetes-list-type": "map"}))
    assert found == {"b": 3, "c": 1.5, "d": UNKNOWN, "x-kubernetes-list-type": "map"}
    assert isinstance(found["b"], int)
    assert has_unknowns(found)
    assert "x_kubernetes_list_type" in message({"x-kubernetes-list-type": "map"}).fields


def test_what_goes_in_secret_comes_out_secret() -> None:
    marked = mark_secrets({"a": {"b": 1, "c": 2}, "d": [1, 2]}, {"a": {"b": Secret(1)}, "d": [Secret(1)]})
    assert marked == {"a": {"b": Secret(1), "c": 2}, "d": [Secret(1), 2]}
    assert "1" not in repr(Secret(1))


def test_check_writes_the_type_drops_what_the_server_sets_and_keeps_the_rest() -> None:
    inputs, failures = check(MAP, {"metadata": {"name": "c", "uid": "1", "labels": {"a": "b"}}, "data": {"k": "v"}})
    assert failures == []
    assert inputs == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"a": "b"}}, "data": {"k": "v"}}


@pytest.mark.parametrize(("namespaced", "expected"), [(True, "mine"), (None, "mine"), (False, None)])
def test_the_providers_namespace_goes_to_namespaced_kinds_that_name_none(namespaced: bool | None, expected: str | None) -> None:
    inputs, _ = check(MAP, {"metadata": {"name": "c"}}, namespace="mine", namespaced=namespaced)
    assert inputs["metadata"].get("namespace") == expected
    named, _ = check(MAP, {"metadata": {"name": "c", "namespace": "n"}}, namespace="mine", namespaced=True)
    assert named["metadata"]["namespace"] == "n"


@pytest.mark.parametrize(
    ("news", "field"),
    [
        ({}, "metadata.name"),
        ({"metadata": {"name": ""}}, "metadata.name"),
        ({"metadata": {"generateName": "x-"}}, "metadata.generateName"),
        ({"metadata": {"name": "c"}, "kind": "Secret"}, "kind"),
        ({"metadata": {"name": "c"}, "apiVersion": "v2"}, "apiVersion"),
    ],
)
def test_check_names_the_field_at_fault(news: Mapping[str, Any], field: str) -> None:
    assert [failure.field for failure in check(MAP, news)[1]] == [field]


def test_a_secrets_values_are_secret_even_when_the_program_did_not_say_so() -> None:
    inputs, _ = check("kubernetes:core/v1:Secret", {"metadata": {"name": "s"}, "stringData": {"a": "x"}, "data": {"b": "eQ=="}})
    assert inputs["data"] == Secret({"a": base64.b64encode(b"x").decode(), "b": "eQ=="})
    assert "stringData" not in inputs


def test_the_same_inputs_are_no_difference_and_the_default_namespace_is_none() -> None:
    assert compare(config_map(namespace="default"), config_map(namespace=None)).differences == ()
    assert compare(config_map(data={"a": Secret("x")}), config_map(data={"a": "x"})).differences == ()


def test_a_changed_field_is_named_by_its_path() -> None:
    olds = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}, {"port": 81}], "a": 1}}
    news = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 82}], "b": 1}}
    assert set(compare(olds, news).differences) == {
        Difference("spec.a", Change.DELETE),
        Difference("spec.b", Change.ADD),
        Difference("spec.ports[0].port", Change.UPDATE),
        Difference("spec.ports[1]", Change.DELETE),
    }
    assert render(("data", "a.b", "c")) == 'data["a.b"].c'


@pytest.mark.parametrize(
    ("news", "replaces", "delete_first"),
    [
        (config_map(name="d"), ["metadata.name"], False),
        (config_map(namespace="m"), ["metadata.namespace"], False),
        (config_map(data={"a": "2"}), ["data"], True),
        (config_map() | {"apiVersion": "x/v1"}, ["apiVersion"], True),
        (config_map() | {"metadata": {"name": "c", "namespace": "n", "labels": {"a": "b"}}}, [], False),
    ],
)
def test_another_identity_or_a_fixed_field_needs_another_object(news: Mapping[str, Any], replaces: list[str], delete_first: bool) -> None:
    found = compare(config_map(), news)
    assert (found.replaces, found.delete_first) == (replaces, delete_first)
    assert found.differences


def test_a_new_version_of_the_same_kind_is_no_other_object() -> None:
    beta = {"apiVersion": "apps/v1beta2", "kind": "Deployment", "metadata": {"name": "d"}}
    assert compare(beta, beta | {"apiVersion": "apps/v1"}).replaces == []


def test_selectors_are_fixed_and_templates_are_not() -> None:
    def deployment(label: str, image: str) -> dict[str, Any]:
        spec = {"selector": {"matchLabels": {"app": label}}, "template": {"spec": {"containers": [{"image": image}]}}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

    assert compare(deployment("a", "x"), deployment("a", "y")).replaces == []
    assert compare(deployment("a", "x"), deployment("b", "x")).replaces == ["spec.selector.matchLabels.app"]


def test_config_maps_and_secrets_change_in_place_when_the_provider_says_so_unless_immutable() -> None:
    mutable = Mutability(config_maps=True)
    assert compare(config_map(data={"a": "1"}), config_map(data={"a": "2"}), mutability=mutable).replaces == []
    fixed = config_map(data={"a": "1"}, immutable=True)
    assert compare(fixed, fixed | {"data": {"a": "2"}}, mutability=mutable).replaces == ["data.a"]


def test_ignored_changes_are_no_differences() -> None:
    assert compare(config_map(data={"a": "1"}), config_map(data={"a": "2"}), ignore=["data.a"]).differences == ()
    assert compare(config_map(data={"a": "1"}), config_map(data={"ab": "2"}), ignore=["data.a"]).differences != ()


def test_drift_is_what_changed_on_the_cluster_since_it_was_recorded_and_nothing_else() -> None:
    inputs = {"spec": {"cpu": "2000m", "pods": 10, "dropped": 1, "items": [{"a": 1}, {"a": 2}], "only": {"x": 1}}}
    recorded = {"spec": {"cpu": "2", "pods": 10, "defaulted": True, "items": [{"a": 1, "z": 0}, {"a": 2}], "only": {"x": 1}}}
    now = {"spec": {"cpu": "2", "pods": 99, "defaulted": False, "items": [{"a": 1, "z": 5}, {"a": 3}], "only": {}}, "status": {}}

    assert state.drifted(inputs, recorded, recorded) == inputs
    assert state.drifted(inputs, recorded, now) == {
        "spec": {"cpu": "2000m", "pods": 99, "dropped": 1, "items": [{"a": 1}, {"a": 3}], "only": {}}
    }


def test_a_state_gives_back_its_inputs_and_hides_a_secrets_data() -> None:
    inputs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": Secret({"a": "eA=="})}
    kept = state.checkpoint(inputs, plain(inputs) | {"type": "Opaque"}, "manager")
    assert kept["data"] == Secret({"a": "eA=="})
    assert state.inputs_of(kept) == inputs
    assert state.live_of(kept)["data"] == {"a": "eA=="}
    assert state.field_manager("urn", kept) == "manager"


def test_a_field_manager_is_a_resources_own_and_the_same_in_every_run() -> None:
    assert state.field_manager("urn:a") == state.field_manager("urn:a") != state.field_manager("urn:b")


KUBECONFIG = {
    "clusters": [{"name": "a", "cluster": {"server": "https://a"}}, {"name": "b", "cluster": {"server": "https://b"}}],
    "contexts": [{"name": "x", "context": {"cluster": "a"}}, {"name": "y", "context": {"cluster": "b"}}],
    "current-context": "x",
    "users": [{"name": "u", "user": {"token": "1"}}],
}


def config(**changes: Any) -> dict[str, Any]:
    return {"kubeconfig": yaml.safe_dump({**KUBECONFIG, **changes.pop("of", {})}), **changes}


@pytest.mark.parametrize(
    ("olds", "news", "expected"),
    [
        (config(), config(), ConfigChange()),
        (config(clusterIdentifier="1"), config(clusterIdentifier="1", of={"current-context": "y"}), ConfigChange(("kubeconfig",))),
        (config(clusterIdentifier="1"), config(clusterIdentifier="2"), ConfigChange(("clusterIdentifier",), ("clusterIdentifier",))),
        (config(), config(clusterIdentifier="1"), ConfigChange(("clusterIdentifier",))),
        (config(), config(of={"current-context": "y"}), ConfigChange(("kubeconfig",), ("kubeconfig",))),
        (config(), config(of={"users": []}), ConfigChange(("kubeconfig",))),
        (config(), config(context="y"), ConfigChange(("context",), ("context",))),
        (config(), {"kubeconfig": UNKNOWN}, ConfigChange(("kubeconfig",), ("kubeconfig",))),
    ],
)
def test_only_another_cluster_replaces_everything(olds: Mapping[str, Any], news: Mapping[str, Any], expected: ConfigChange) -> None:
    assert config_change(olds, news) == expected


def test_a_kubeconfig_is_taken_as_contents_as_a_path_and_from_the_environment(tmp_path: Path) -> None:
    text = yaml.safe_dump(KUBECONFIG)
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    assert load_kubeconfig(text, {}) == load_kubeconfig(str(file), {}) == settings({}, {"KUBECONFIG": str(file)}).kubeconfig == KUBECONFIG


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"kubeconfig": "/none/such"}, "kubeconfig: cannot read /none/such"),
        ({"kubeconfig": "a: [\n"}, "kubeconfig: not YAML"),
        ({"kubeconfig": "a: b\n"}, "kubeconfig: it names no cluster"),
        ({"renderYamlToDirectory": "x"}, "renderYamlToDirectory: this stand-in does not render"),
        ({"enableServerSideApply": "false"}, "enableServerSideApply: this stand-in knows server-side apply only"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_the_remedy(args: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings(args, {})


def deployment(**status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "generation": 2},
        "spec": {"replicas": 2},
        "status": status,
    }


@pytest.mark.parametrize(
    ("status", "ready", "failed", "words"),
    [
        ({}, False, False, "deployment controller"),
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, False, False, "controller"),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, False, False, "1 of 2 replicas available"),
        ({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}, False, False, "2 up to date"),
        ({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, True, False, ""),
        ({"observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}, False, True, "deadline"),
    ],
)
def test_a_deployment_is_ready_when_its_newest_template_runs_everywhere(status: Any, ready: bool, failed: bool, words: str) -> None:
    obj = deployment(**status)
    judge = judge_of(obj)
    assert judge is not None
    verdict = judge(obj)
    assert (verdict.ready, verdict.failed) == (ready, failed)
    assert words in verdict.message


def test_a_load_balancer_waits_for_its_address_and_other_services_for_nothing() -> None:
    def service(type_: str, **status: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"type": type_}, "status": status}

    judge = judge_of(service("LoadBalancer"))
    assert judge is not None
    assert not judge(service("LoadBalancer", loadBalancer={})).ready
    assert judge(service("LoadBalancer", loadBalancer={"ingress": [{"ip": "10.0.0.1"}]})).ready
    assert judge(service("ClusterIP")).ready


def test_nothing_is_waited_for_when_told_so_or_for_kinds_that_are_never_ready() -> None:
    skipped = deployment() | {"metadata": {"name": "d", "annotations": {"pulumi.com/skipAwait": "true", "pulumi.com/waitFor": "x"}}}
    assert judge_of(skipped) is None
    assert judge_of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}) is None
    assert judge_of({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}) is None


READY = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "items": [{"n": 1}]}}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("condition=Ready", True),
        ("condition=Ready=False", False),
        ("condition=Stalled", False),
        ("jsonpath={.status.phase}=Running", True),
        ("jsonpath={.status.phase}=Pending", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.none}", False),
        ("jsonpath={.status.items[0].n}=1", True),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
        ('["condition=Ready", "jsonpath={.status.phase}=Running"]', True),
        ('["condition=Ready", "condition=Stalled"]', False),
    ],
)
def test_custom_objects_are_waited_for_as_their_annotation_says(expression: str, holds: bool) -> None:
    assert wait_for(expression)(READY).ready is holds


@pytest.mark.parametrize("expression", ["ready", "jsonpath={status}", "[1", "jsonpath={.a[x]}"])
def test_an_annotation_that_cannot_be_read_says_how_it_is_written(expression: str) -> None:
    with pytest.raises(WaitForError, match=r"pulumi\.com/waitFor"):
        wait_for(expression)


def test_a_pod_that_does_not_run_says_why() -> None:
    pod = {
        "metadata": {"name": "p"},
        "status": {
            "containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
                {"name": "b", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}},
                {"name": "c", "state": {"running": {}}, "ready": False},
            ]
        },
    }
    text = "; ".join(pod_reasons(pod))
    for words in ("container a: ImagePullBackOff: no such image", "container b: ended with code 3", "container c: runs, but is not ready"):
        assert words in text
    assert pod_reasons({"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}) == []


def test_timeouts_come_from_the_resource_then_from_its_annotation() -> None:
    annotated = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "5"}}}
    assert timeout_of(annotated, 7) == 7
    assert timeout_of(annotated, 0) == 5
    assert timeout_of({}, 0) == 600


def test_a_conflict_names_the_managers_that_own_the_fields() -> None:
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "helm" using v1', "field": ".data.a"}
    assert Refused(409, "Conflict", "Apply failed", [cause]).managers == ["helm"]
    assert Refused(422, "Invalid", "spec.x: field is immutable").immutable


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"conditions": [{"type": "Available", "status": "True", "observedGeneration": 2}]}, True),
        ({"conditions": [{"type": "Available", "status": "True", "observedGeneration": 1}]}, False),
        ({"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]}, False),
        ({"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True", "observedGeneration": 2}]}, True),
        ({"conditions": [{"type": "Available", "status": "True"}]}, True),
    ],
)
def test_a_condition_of_an_older_generation_says_nothing_of_this_one(status: dict[str, Any], ready: bool) -> None:
    assert wait_for("condition=Available")({"metadata": {"generation": 2}, "status": status}).ready is ready


def test_what_is_waited_for_names_the_status_that_was_wanted() -> None:
    rolling = {"status": {"conditions": [{"type": "RollingOut", "status": "True", "reason": "Rolling"}]}}
    assert wait_for("condition=RollingOut=False")(rolling).message == "waiting for condition RollingOut=False (Rolling)"
