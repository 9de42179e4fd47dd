"""What goes wrong under the real CLI is said in words: what, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

from contract.pulumi.stage import Looks, looking
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi

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


def test_an_object_of_another_manager_is_left_alone_where_it_differs_and_taken_over_where_it_agrees(
    project: Any, namespace: str, api: KubeApi, get: Get
) -> None:
    theirs(api, namespace, "theirs", "another-team")
    project.program(settings(namespace))

    ran = project.run("up")

    assert not ran.well
    assert 'Apply failed with 1 conflict: conflict with "another-team": .data.a' in ran.errors
    assert get(f"/api/v1/namespaces/{namespace}/configmaps/settings")["data"] == {"a": "theirs"}
    project.program(settings(namespace, "theirs"))
    assert project.ok("up").counts["create"] == 1


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
    assert 'conflict with "another-team": .spec.hard.pods' in refused.errors

    project.program(quota.format(namespace, '{"pulumi.com/patchForce": "true"}'))
    project.ok("up")
    assert get(path)["spec"]["hard"] == {"pods": "1"}


class Pulling(Looks):
    """Says of every pod of a namespace that its image cannot be had, in the two ways that a kubelet says so in turn: there are no nodes here."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        super().__init__()
        self.api, self.pods, self.reasons = api, f"/api/v1/namespaces/{namespace}/pods", cycle(("ErrImagePull", "ImagePullBackOff"))

    def look(self) -> None:
        waiting = {"reason": next(self.reasons), "message": "no such image: localhost/none:1"}
        container = {
            "name": "web",
            "image": "localhost/none:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": waiting},
        }
        well = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized")]
        told = {"status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [web]"}
        status = {
            "phase": "Pending",
            "conditions": [*well, {"type": "ContainersReady", **told}, {"type": "Ready", **told}],
            "containerStatuses": [container],
        }
        for pod in self.api.request("GET", self.pods)["items"]:
            self.api.request("PATCH", f"{self.pods}/{pod['metadata']['name']}/status", {"status": status}, content_type=MERGE)


def test_a_deployment_that_does_not_become_ready_names_its_pods_reason_and_is_tried_again(
    project: Any, namespace: str, api: KubeApi
) -> None:
    deployment = """
    obj("apps/v1:Deployment", {{"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {{"name": "web", "namespace": "{}", "annotations": {}}},
        "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}}, "template": {{"metadata": {{"labels": {{"app": "web"}}}},
          "spec": {{"containers": [{{"name": "web", "image": "localhost/none:1"}}]}}}}}}}},
        custom_timeouts=pulumi.CustomTimeouts(create="5s", update="5s"))
    """
    project.program(deployment.format(namespace, "{}"))

    with looking(Pulling(api, namespace)):
        failed = project.run("up")
    assert not failed.well
    assert "failed to fully initialize or become live" in failed.errors
    assert "Minimum number of live Pods was not attained" in failed.errors
    assert "no such image: localhost/none:1" in failed.errors

    again = project.run("up")
    assert not again.well, "an object that was not ready is tried again"

    project.program(deployment.format(namespace, '{"pulumi.com/skipAwait": "true"}'))
    assert project.ok("up").counts["update"] == 1


def test_a_name_that_would_be_made_up_is_refused(project: Any) -> None:
    project.program('obj("core/v1:ConfigMap", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}, "x")')

    ran = project.run("up")

    assert not ran.well
    assert "`.metadata.generateName` field is not supported in Server-Side Apply mode" in ran.errors
    assert "Traceback" not in "\n".join(ran.lines)


def test_what_the_api_server_refuses_is_refused_in_the_preview_already(project: Any, namespace: str) -> None:
    project.program(settings(namespace).replace('"settings", "namespace"', '"Not_A_Name", "namespace"'))

    ran = project.run("preview")

    assert not ran.well
    assert 'ConfigMap "Not_A_Name" is invalid: metadata.name' in ran.errors


def test_a_server_that_does_not_answer_is_named(project: Any, plane: ControlPlane, namespace: str) -> None:
    text = plane.kubeconfig().read_text()
    project.kubeconfig(text.replace(plane.url, "https://127.0.0.1:9"))
    project.program(settings(namespace))

    ran = project.run("up")

    assert not ran.well
    assert "configured Kubernetes cluster is unreachable" in ran.errors
    assert "https://127.0.0.1:9" in ran.errors


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
