"""What goes wrong under the real CLI is said in words: what, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.kube_api import KubeApi

Get = Callable[[str], dict[str, Any]]
APPLY = "application/apply-patch+yaml"


def settings(namespace: str, value: str = "1", annotations: str = "{}") -> str:
    return f"""
    obj("core/v1:ConfigMap", {{"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {{"name": "settings", "namespace": "{namespace}", "annotations": {annotations}}}, "data": {{"a": "{value}"}}}})
    """


def theirs(api: KubeApi, namespace: str, value: str, manager: str, **query: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": value}}
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    api.request("PATCH", path, body, content_type=APPLY, fieldManager=manager, **query)


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_an_object_that_is_not_ours_is_refused_and_left_alone(project: Any, namespace: str, api: KubeApi, get: Get, operation: str) -> None:
    theirs(api, namespace, "theirs", "another-team")
    project.program(settings(namespace))

    ran = project.run(operation)

    assert not ran.well
    assert "ConfigMap settings in namespace" in ran.errors
    assert "already exists (managed by another-team)" in ran.errors
    assert "pulumi import" in ran.errors
    assert get(f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "theirs"}


def test_fields_that_another_manager_took_are_not_taken_back_without_patch_force(
    project: Any, namespace: str, api: KubeApi, get: Get
) -> None:
    quota = """
    obj("core/v1:ResourceQuota", {{"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {{"name": "q", "namespace": "{}", "annotations": {}}}, "spec": {{"hard": {{"pods": "1"}}}}}})
    """
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/q"
    project.program(quota.format(namespace, "{}"))
    project.ok("up")
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    api.request("PATCH", path, body, content_type=APPLY, fieldManager="another-team", force="true")

    refused = project.run("up", refresh=True)
    assert not refused.well
    assert "owned by another field manager, another-team" in refused.errors
    assert "pulumi.com/patchForce" in refused.errors

    project.program(quota.format(namespace, '{"pulumi.com/patchForce": "true"}'))
    project.ok("up")
    assert get(path)["spec"]["hard"] == {"pods": "1"}


def test_a_deployment_that_does_not_become_ready_names_its_pods_reason_and_is_tried_again(project: Any, namespace: str) -> None:
    deployment = """
    obj("apps/v1:Deployment", {{"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {{"name": "web", "namespace": "{}", "annotations": {}}},
        "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}}, "template": {{"metadata": {{"labels": {{"app": "web"}}}},
          "spec": {{"containers": [{{"name": "web", "image": "localhost/none:1"}}]}}}}}}}},
        custom_timeouts=pulumi.CustomTimeouts(create="3s", update="3s"))
    """
    project.program(deployment.format(namespace, "{}"))

    failed = project.run("up")
    assert not failed.well
    assert f"Deployment web in namespace {namespace} was not ready within 3 s: 0 of 1 replicas available" in failed.errors
    assert "pod web-" in failed.errors
    assert "Pending" in failed.errors

    again = project.run("up")
    assert not again.well, "an object that was not ready is tried again"

    project.program(deployment.format(namespace, '{"pulumi.com/skipAwait": "true"}'))
    assert project.ok("up").counts["update"] == 1


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}', ["metadata.name", "set metadata.name"]),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}', ["generateName", "set metadata.name instead"]),
        ('{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}', ["kind is 'Secret'", "make the two agree"]),
    ],
)
def test_an_object_without_a_proper_name_or_type_is_refused_before_anything_is_made(project: Any, manifest: str, words: list[str]) -> None:
    project.program(f'obj("core/v1:ConfigMap", {manifest}, "x")')

    ran = project.run("up")

    assert not ran.well
    for word in words:
        assert word in ran.errors + "\n".join(ran.lines) + ran.output


def test_what_the_api_server_refuses_is_refused_in_the_preview_already(project: Any, namespace: str) -> None:
    project.program(settings(namespace).replace('"settings", "namespace"', '"Not_A_Name", "namespace"'))

    ran = project.run("preview")

    assert not ran.well
    assert "the API server refused it" in ran.errors
    assert "Not_A_Name" in ran.errors


def test_a_server_that_does_not_answer_is_named_with_the_remedy(project: Any, plane: ControlPlane, namespace: str) -> None:
    text = plane.kubeconfig().read_text()
    project.kubeconfig(text.replace(plane.url, "https://127.0.0.1:9"))
    project.program(settings(namespace))

    ran = project.run("up")

    assert not ran.well
    assert "The API server at https://127.0.0.1:9 cannot be reached" in ran.errors
    assert "Start the site" in ran.errors


def test_a_program_that_fails_is_reported_with_its_traceback_and_what_it_printed(project: Any) -> None:
    project.program("print('so far so good')\n\ndef broken():\n    raise ValueError('no such luck')\n\nbroken()\n", provider=False)

    ran = project.run("up")

    assert not ran.well
    assert "so far so good" in "\n".join(ran.lines)
    assert "Program failed with an unhandled exception" in ran.errors
    assert "ValueError: no such luck" in ran.errors
    assert "__main__.py" in ran.errors
    assert "in broken" in ran.errors
    assert "runpy" not in ran.errors


def test_a_program_with_a_run_error_is_reported_without_a_traceback(project: Any) -> None:
    project.program("import pulumi\nraise pulumi.RunError('set test:name and run it again')\n", provider=False)

    ran = project.run("up")

    assert not ran.well
    assert "set test:name and run it again" in ran.errors
    assert "Traceback" not in ran.errors
