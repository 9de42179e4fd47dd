"""The lock-in rules as a policy pack under the real CLI: what is refused, what is warned of, what passes."""

from __future__ import annotations

from typing import Any

from support.control_plane import REPOSITORY
from support.kube_api import KubeApi

PACKS = {"policy_packs": [str(REPOSITORY / "stacks" / "policy")]}
DEPLOYMENT = """
obj("apps/v1:Deployment", {{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "web", "namespace": "{0}",
    "annotations": {{"pulumi.com/skipAwait": "true", {2}}}}},
    "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}}, "template": {{"metadata": {{"labels": {{"app": "web"}}}},
      "spec": {{"nodeSelector": {{"{1}": "x"}}, "containers": [{{"name": "web", "image": "localhost/none:1"}}]}}}}}}}})
"""


def deployments(api: KubeApi, namespace: str) -> list[str]:
    listed = api.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    return [item["metadata"]["name"] for item in listed]


def test_what_cannot_work_elsewhere_is_refused_before_it_is_made(project: Any, namespace: str, api: KubeApi) -> None:
    project.program(DEPLOYMENT.format(namespace, "agentpool", ""))

    for operation in ("preview", "up"):
        ran = project.run(operation, **PACKS)
        assert not ran.well
        assert "web: " in ran.errors
        assert "spec.template.spec.nodeSelector: agentpool locks in" in ran.errors
        assert "(rule cloud-nodes)" in ran.errors
    assert deployments(api, namespace) == []


def test_what_works_less_well_elsewhere_is_warned_of_and_what_is_exempt_passes(project: Any, namespace: str, api: KubeApi) -> None:
    project.program(DEPLOYMENT.format(namespace, "kubernetes.io/hostname", ""))
    warned = project.ok("up", **PACKS)
    assert [line for line in warned.lines if line.startswith("warning: web: ") and "(rule site-nodes)" in line]
    assert deployments(api, namespace) == ["web"]

    exempt = '"commonweal.dev/lock-in-exempt": "cloud-nodes until " + until + ": moves at Christmas"'
    within_a_year = "import datetime\nuntil = (datetime.date.today() + datetime.timedelta(30)).isoformat()\n"
    project.program(within_a_year + DEPLOYMENT.format(namespace, "agentpool", exempt))
    assert project.ok("preview", **PACKS).changed


def test_what_a_preview_cannot_know_yet_is_passed_over(project: Any, namespace: str) -> None:
    project.program(f"""
    at = {{"namespace": "{namespace}"}}
    first = obj("core/v1:ConfigMap", {{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "first", **at}}, "data": {{"a": "1"}}}})
    later = first.id.apply(lambda made: made.replace("/", "."))
    obj("core/v1:ConfigMap", {{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "second", "labels": {{"after": later}}, **at}},
        "data": {{"a": later}}}})
    """)
    shown = project.ok("preview", **PACKS)
    assert not [line for line in shown.lines if line.startswith("warning")]
    assert project.ok("up", **PACKS).counts["create"] == 4
