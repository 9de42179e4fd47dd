"""What the stacks need of Pulumi's Kubernetes plug-in: what is created, changed, shown, kept and removed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from commonweal_cli.site.stack import remedy
from support.control_plane import ControlPlane
from support.kube_api import KubeApi, Refused

Get = Callable[[str], dict[str, Any]]


def settings(namespace: str, *, value: str = "1", name: str = "settings") -> str:
    return f"""
    obj("core/v1:ConfigMap", {{"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {{"name": "{name}", "namespace": "{namespace}"}}, "data": {{"a": "{value}", "b": "2"}}}}, "settings")
    """


def quota(namespace: str, pods: str = "10") -> str:
    return f"""
    obj("core/v1:ResourceQuota", {{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {{"name": "q", "namespace": "{namespace}"}},
        "spec": {{"hard": {{"pods": "{pods}", "requests.cpu": "2"}}}}}})
    """


def test_a_second_up_changes_nothing_and_destroy_leaves_nothing(project: Any, api: KubeApi) -> None:
    project.program("""
    ns = obj("core/v1:Namespace", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "whole-life", "labels": None}})
    at = {"namespace": "whole-life"}
    obj("core/v1:ConfigMap", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **at}, "data": {"a.b": "1"}}, depends_on=[ns])
    obj("core/v1:ResourceQuota", {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", **at},
        "spec": {"hard": {"requests.cpu": "2", "pods": "10"}}}, depends_on=[ns])
    obj("core/v1:Service", {"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "s", "annotations": {"pulumi.com/skipAwait": "true"}, **at},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": 8080}]}}, depends_on=[ns])
    """)

    first, second = project.ok("up"), project.ok("up")
    assert first.counts["create"] == 6
    assert second.changes == 0
    assert second.counts["same"] == 6

    project.ok("destroy")
    with pytest.raises(Refused, match="not found"):
        api.request("GET", "/api/v1/namespaces/whole-life")


def test_preview_shows_exactly_the_fields_that_would_change(project: Any, namespace: str, get: Get) -> None:
    project.program(quota(namespace) + settings(namespace))
    project.ok("up")
    project.program(quota(namespace, pods="11") + settings(namespace))

    shown = project.ok("preview")

    assert shown.changed == ["update q: spec.hard.pods"]
    assert shown.counts == {"update": 1, "same": 3}
    assert get(f"/api/v1/namespaces/{namespace}/resourcequotas/q")["spec"]["hard"]["pods"] == "10"


def test_the_data_of_a_config_map_is_replaced_unless_the_provider_says_that_it_may_change(project: Any, namespace: str) -> None:
    project.program(settings(namespace))
    project.ok("up")
    project.program(settings(namespace, value="9"))

    assert project.ok("preview").changed == ["replace settings: data.a"]

    mutable = (project.directory / "__main__.py").read_text().replace('"one")', '"one", enable_config_map_mutable=True)')
    (project.directory / "__main__.py").write_text(mutable)
    project.ok("up", target=["**cluster"])
    assert project.ok("preview").changed == ["update settings: data.a"]


def test_a_hand_edit_is_shown_by_a_refreshing_preview_and_set_right_by_a_refreshing_up(
    project: Any, namespace: str, api: KubeApi, get: Get
) -> None:
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/q"
    project.program(quota(namespace))
    project.ok("up")
    api.request("PATCH", path, {"spec": {"hard": {"pods": "99"}}}, content_type="application/merge-patch+json", fieldManager="kubectl-edit")

    assert project.ok("preview").changes == 0
    assert project.ok("preview", refresh=True).changed == ["update q: spec.hard.pods"]
    assert project.ok("up", refresh=True).changed == ["updated q"]
    assert get(path)["spec"]["hard"]["pods"] == "10"
    assert project.ok("up", refresh=True).changes == 0


def test_what_was_deleted_by_hand_is_made_again(project: Any, namespace: str, api: KubeApi, get: Get) -> None:
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/q"
    project.program(quota(namespace))
    project.ok("up")
    api.request("DELETE", path)

    assert project.ok("up", refresh=True).counts.get("create") == 1
    assert get(path)["spec"]["hard"]["pods"] == "10"


def test_a_new_name_is_a_new_object_and_the_old_one_goes(project: Any, namespace: str, api: KubeApi) -> None:
    project.program(settings(namespace))
    project.ok("up")
    project.program(settings(namespace, name="others"))

    assert project.ok("up").counts["replace"] >= 1

    names = {item["metadata"]["name"] for item in api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]}
    assert "others" in names
    assert "settings" not in names


def test_an_object_that_keeps_its_name_is_deleted_before_it_is_made_anew(project: Any, namespace: str, get: Get) -> None:
    role = """
    obj("rbac.authorization.k8s.io/v1:RoleBinding", {{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {{"name": "b", "namespace": "{}"}},
        "roleRef": {{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{}"}}, "subjects": []}})
    """
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/b"
    project.program(role.format(namespace, "view"))
    project.ok("up")
    before = get(path)["metadata"]["uid"]
    project.program(role.format(namespace, "edit"))

    assert "cannot change roleRef" in project.run("preview").errors, "the plug-in tries it as a change of the object that is there"
    project.ok("up")

    assert get(path)["metadata"]["uid"] != before
    assert get(path)["roleRef"]["name"] == "edit"


def test_the_state_holds_no_secret_in_clear_text(project: Any, namespace: str, get: Get) -> None:
    project.program(f"""
    obj("core/v1:Secret", {{"apiVersion": "v1", "kind": "Secret", "metadata": {{"name": "s", "namespace": "{namespace}"}},
        "stringData": {{"master": "hunter2hunter2"}}}})
    obj("core/v1:ConfigMap", {{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "c", "namespace": "{namespace}"}},
        "data": {{"hidden": pulumi.Output.secret("opensesame"), "plain": "stays"}}}})
    """)
    first = project.ok("up")
    second = project.ok("up", refresh=True)

    assert second.changes == 0
    stored = get(f"/api/v1/namespaces/{namespace}/secrets/s")["data"]["master"]
    assert base64.b64decode(stored) == b"hunter2hunter2"
    for text in (project.state(), first.output, second.output):
        assert "hunter2" not in text
        assert stored not in text
        assert "opensesame" not in text
    assert "stays" in project.state()


def test_custom_objects_preview_and_come_up_in_the_same_program_as_their_definition(project: Any, get: Get) -> None:
    project.program("""
    definition = obj("apiextensions.k8s.io/v1:CustomResourceDefinition", {"apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition", "metadata": {"name": "lamps.test.example"},
        "spec": {"group": "test.example", "scope": "Cluster", "names": {"kind": "Lamp", "plural": "lamps", "singular": "lamp"},
          "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}})
    obj("test.example/v1:Lamp", {"apiVersion": "test.example/v1", "kind": "Lamp", "metadata": {"name": "desk"},
        "spec": {"watts": 7, "colour": None}}, depends_on=[definition])
    """)

    assert project.ok("preview").counts["create"] == 4
    project.ok("up")

    assert get("/apis/test.example/v1/lamps/desk")["spec"] == {"watts": 7}
    assert project.ok("up").changes == 0
    project.ok("destroy")
    with pytest.raises(Refused):
        get("/apis/test.example/v1/lamps")


def test_an_object_left_by_an_up_that_was_cut_short_is_taken_up_again(project: Any, namespace: str, get: Get) -> None:
    project.program(settings(namespace))
    project.ok("up")
    project.stack.workspace.remove_stack("dev", force=True, preserve_config=True)

    assert project.ok("up").counts["create"] == 3
    assert project.ok("up").changes == 0

    # The plug-in makes up a field manager for each resource, so the one of the run that was cut short still holds the fields, too.
    mutable = (project.directory / "__main__.py").read_text().replace('"one")', '"one", enable_config_map_mutable=True)')
    (project.directory / "__main__.py").write_text(mutable.replace('"a": "1"', '"a": "9"'))
    refused = project.run("up")
    assert not refused.well
    assert "PULUMI_K8S_ENABLE_PATCH_FORCE=true" in remedy(refused.errors)
    project.environment["PULUMI_K8S_ENABLE_PATCH_FORCE"] = "true"
    project.ok("up")
    assert get(f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"]["a"] == "9"


def test_a_moved_kubeconfig_replaces_nothing_while_the_cluster_identifier_stays(
    project: Any, namespace: str, plane: ControlPlane, get: Get
) -> None:
    project.program(settings(namespace))
    project.ok("up")
    uid = get(f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"]
    project.kubeconfig(plane.kubeconfig().read_text().replace("127.0.0.1", "localhost"))

    project.ok("up")

    assert get(f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"] == uid


def reading(namespace: str, name: str) -> str:
    return f"""
    from pulumi_kubernetes.core.v1 import Secret
    found = Secret.get("found", "{namespace}/{name}", pulumi.ResourceOptions(provider=provider))
    pulumi.export("length", pulumi.Output.unsecret(found.data.apply(lambda data: len(data["value"]))))
    """


def test_what_others_made_is_read_in_previews_too_and_never_touched(project: Any, namespace: str, api: KubeApi, get: Get) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets/theirs"
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "theirs", "namespace": namespace},
            "stringData": {"value": "opensesame"},
        }
    )
    before = get(path)["metadata"]["resourceVersion"]
    project.program(reading(namespace, "theirs"))

    project.ok("preview")
    assert project.ok("up").counts == {"create": 2}
    assert "opensesame" not in project.state()
    assert base64.b64encode(b"opensesame").decode() not in project.state()
    project.ok("destroy")
    assert get(path)["metadata"]["resourceVersion"] == before


def test_reading_what_is_not_there_fails_in_the_preview_already(project: Any, namespace: str) -> None:
    project.program(reading(namespace, "nobodys"))
    ran = project.run("preview")
    assert not ran.well
    assert f"'{namespace}/nobodys' does not exist" in ran.errors
